//! The controller and the embedded API server in one process, under a paused clock: hours of a scenario in milliseconds.
//!
//! `tests/e2e/` runs the built binary, whose clock cannot be paused. Here [`controller::run`](demo_controller::controller::run)
//! runs, so this is the place for everything that takes long or has to fail at a certain moment.

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
mod waiting;
mod world;
