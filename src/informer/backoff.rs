//! How long to wait before the next attempt.

use std::time::Duration;

/// The first wait, before jitter.
const FIRST: Duration = Duration::from_millis(800);

/// The longest wait, jitter included.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Exponential backoff with jitter: 0.8 s, doubling, at most 30 s.
///
/// Only failures lengthen it and only [`reset`](Backoff::reset) shortens it, and the caller resets it after real
/// progress alone. (kube-runtime resets its backoff on every successful list; a watch that fails after each list then
/// makes it list as fast as it can.)
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure. `jitter` in `[0, 1)` spreads it over the upper half, so that a thousand
    /// controllers that lost the same API server do not reconnect in the same instant.
    pub fn next(&mut self, jitter: f64) -> Duration {
        let doubled = FIRST.saturating_mul(2u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        // client-go adds the jitter (30 to 60 s); subtracting it keeps the promised longest wait.
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
