//! The controller and the embedded API server in one process, under a paused clock.
//!
//! These tests call [`controller::run`](demo_controller::controller::run): here belongs everything that takes hours or needs a
//! fault at a certain moment. `tests/e2e/` runs the built binary in real time.

mod faults;
mod fleet;
mod health;
mod leader;
mod metrics;
mod names;
mod outage;
mod quiet;
mod refusals;
mod retries;
mod test_env;
mod waiting;
