//! Limits repeated log lines.

use std::{mem, time::Duration};

use governor::{clock::Clock, nanos::Nanos};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Allows one log line per [`INTERVAL`](LogThrottle::INTERVAL) and counts the suppressed ones.
///
/// During an outage of the API server every key fails for the same reason. One line is enough.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<ThrottleState>);

#[derive(Debug, Default)]
struct ThrottleState {
    last_allowed: Option<Instant>,
    suppressed: u64,
}

/// Permission for one log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPermit {
    /// Number of lines suppressed since the last permit. None instead of 0: the log line then has no such field.
    pub suppressed: Option<u64>,
}

impl LogThrottle {
    /// Minimum time between two lines.
    pub const INTERVAL: Duration = Duration::from_secs(10);

    /// Returns a permit if the last one is older than the interval.
    pub fn allow(&self) -> Option<LogPermit> {
        let now = Instant::now();
        let mut state = self.0.lock();
        if state.last_allowed.is_some_and(|last| now.duration_since(last) < Self::INTERVAL) {
            state.suppressed += 1;
            return None;
        }
        state.last_allowed = Some(now);
        let suppressed = mem::take(&mut state.suppressed);
        Some(LogPermit { suppressed: (suppressed > 0).then_some(suppressed) })
    }
}

/// tokio's clock for `governor`: the time since its instant. Tests can pause it.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock(pub Instant);

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_per_interval_counts_the_suppressed_ones() {
        let throttle = LogThrottle::default();
        assert_eq!(throttle.allow(), Some(LogPermit { suppressed: None }));
        assert!((0..500).all(|_| throttle.allow().is_none()));
        advance(LogThrottle::INTERVAL).await;
        assert_eq!(throttle.allow(), Some(LogPermit { suppressed: Some(500) }));
        assert_eq!(throttle.allow(), None);
    }
}
