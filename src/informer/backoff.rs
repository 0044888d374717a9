//! The backoff of a reflector: the wait before the next request.

use std::time::Duration;

/// The first wait, before jitter.
const FIRST: Duration = Duration::from_millis(800);

/// The longest wait, jitter included.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Exponential backoff with jitter: first 0.8 to 1.6 s, doubled by each failure, at most 30 s.
///
/// The caller resets it after real progress only. (If each successful list reset it, a watch that fails after each list
/// would cause lists without a pause.) The work queue has another backoff, per key: see `workqueue/limit.rs`.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure, and returns the wait after it.
    ///
    /// `jitter` in `[0, 1)` spreads the wait over its upper half, so that a thousand controllers do not reconnect to the same
    /// API server in the same instant.
    pub fn next(&mut self, jitter: f64) -> Duration {
        let doubled = FIRST.saturating_mul(2u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        doubled.saturating_mul(2).min(LONGEST).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }

    /// Starts again with the first wait.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_from_0_8_to_30_seconds() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.next(0.0).as_millis()).collect();
        assert_eq!(waits, [800, 1600, 3200, 6400, 12800, 15000, 15000, 15000]);
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000]);
    }

    #[test]
    fn long_outage_does_not_overflow() {
        let mut backoff = Backoff { failures: u32::MAX - 1 };
        assert_eq!(backoff.next(1.0), LONGEST);
        assert_eq!(backoff.next(1.0), LONGEST);
    }

    #[test]
    fn reset_starts_at_the_first_wait() {
        let mut backoff = Backoff::default();
        backoff.next(0.5);
        backoff.next(0.5);
        backoff.reset();
        assert_eq!(backoff.next(0.0), FIRST);
    }
}
