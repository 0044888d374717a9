//! The controller and the embedded API server in one process, under a paused clock: scenarios of hours in milliseconds.
//!
//! The scenarios in `tests/e2e/` run the built binary. Here it is the library's [`run`](demo_controller::controller::run),
//! because a binary's time cannot be paused; so here is everything that takes long, or has to go wrong at one moment.

mod allowed_list;
mod discovery;
mod faults;
mod fleet;
mod health;
mod leader;
mod metrics;
#[path = "../shared/openmetrics.rs"]
mod openmetrics;
mod openmetrics_tests;
mod outage;
mod monitoring;
mod pages;
mod plugins;
mod promql;
mod quiet;
mod renewal;
mod resources;
mod said;
mod storm;
mod waiting;
mod watching;
mod world;
