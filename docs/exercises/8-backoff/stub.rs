//! Exercise 8, build it: how long to wait before the next request.
//!
//! Write `wait`: 100 ms after the first failure, doubled by each further one, at most 30 s, and spread over its upper half
//! by `jitter` (0: half of it, 1: all of it). Predict: why the upper half, and not from 0? How large is 2^1000000?

mod tests;

use std::time::Duration;

pub const FIRST: Duration = Duration::from_millis(100);
pub const LONGEST: Duration = Duration::from_secs(30);

/// Returns the wait after this number of failures in a row, at least 1. `jitter` is a random number from 0 to 1.
pub fn wait(failures: u32, jitter: f64) -> Duration {
    todo!("write this function")
}
