//! The parts of a process that are not specific to one controller.
//!
//! * [`args`]: the flags of both binaries.
//! * [`process`]: starts a process and ends it with an exit code.
//! * [`child`]: child processes.
//! * [`connect`]: builds a client, connected as kubectl would be.
//! * [`log`]: log lines on stderr, as text or JSON.
//! * [`error`]: the error that ends a process, and errors as text.
//! * [`telemetry`]: metrics, liveness and readiness of the process; [`serve`]: the HTTP endpoint for them.
//! * [`shutdown`]: signals and the grace period.
//! * [`leader`]: leader election.
//! * [`names`]: the names that the API server accepts.
//! * [`throttle`]: limits repeated log lines.
#![forbid(unsafe_code)]

pub mod args;
pub mod child;
pub mod connect;
pub mod error;
pub mod leader;
pub mod log;
pub mod names;
pub mod process;
mod process_metrics;
pub mod serve;
pub mod shutdown;
pub mod telemetry;
pub mod throttle;

pub use args::Args;
pub use error::{Error, error_chain};
pub use process::{Process, main, print};
pub use telemetry::{Metrics, Telemetry};
pub use throttle::{LogPermit, LogThrottle, TokioClock};
