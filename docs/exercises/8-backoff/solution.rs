//! Exercise 8, solution.

mod tests;

use std::time::Duration;

pub const FIRST: Duration = Duration::from_millis(100);
pub const LONGEST: Duration = Duration::from_secs(30);

/// Returns the wait after this number of failures in a row, at least 1. `jitter` is a random number from 0 to 1.
pub fn wait(failures: u32, jitter: f64) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST.saturating_mul(factor).min(LONGEST).mul_f64(0.5 + jitter / 2.0)
}
