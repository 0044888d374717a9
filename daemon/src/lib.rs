//! What a Kubernetes daemon needs and no lesson needs to show.
//!
//! * [`names`]: the names that the API server accepts.
//! * [`telemetry`]: metrics, liveness and readiness of the process.
//! * [`throttle`]: limits repeated log lines.
#![forbid(unsafe_code)]

pub mod names;
pub mod shutdown;
pub mod telemetry;
pub mod throttle;

pub use telemetry::{Metrics, Telemetry};
pub use throttle::{LogPermit, LogThrottle, TokioClock};
