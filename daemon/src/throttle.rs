//! Limits repeated log lines.

use std::{mem, time::Duration};

use governor::{clock::Clock, nanos::Nanos};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Allows one log line per [`INTERVAL`](LogThrottle::INTERVAL) and counts the suppressed ones.
///
/// While the API server is away every key fails for the same reason. One line says it.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    logged: Option<Instant>,
    suppressed: u64,
}

/// Permission for one log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPermit {
    /// Lines suppressed since the last permitted one; None for none, so that the field is left out of the line.
    pub suppressed: Option<u64>,
}

impl LogThrottle {
    /// Minimum time between two lines.
    pub const INTERVAL: Duration = Duration::from_secs(10);

    /// Returns a permit if the last one is older than the interval.
    pub fn allow(&self) -> Option<LogPermit> {
        let now = Instant::now();
        let mut state = self.0.lock();
        if state.logged.is_some_and(|then| now.duration_since(then) < Self::INTERVAL) {
            state.suppressed += 1;
            return None;
        }
        state.logged = Some(now);
        let suppressed = mem::take(&mut state.suppressed);
        Some(LogPermit { suppressed: (suppressed > 0).then_some(suppressed) })
    }
}

/// tokio's clock for `governor`, counted from the instant in it. Unlike governor's own clock, tests can pause it.
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
    async fn one_line_per_interval_counts_the_suppressed() {
        let throttle = LogThrottle::default();
        assert_eq!(throttle.allow(), Some(LogPermit { suppressed: None }));
        assert!((0..500).all(|_| throttle.allow().is_none()));
        advance(LogThrottle::INTERVAL).await;
        assert_eq!(throttle.allow(), Some(LogPermit { suppressed: Some(500) }));
        assert_eq!(throttle.allow(), None);
    }
}
