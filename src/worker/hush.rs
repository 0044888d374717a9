//! Many lines about one trouble.

use std::{mem, time::Duration};

use tokio::time::Instant;

/// Lets one log line through in so long a time, and counts the others: when the API server is away, every key has the
/// same trouble, and a storm of failures must not become a storm of lines.
#[derive(Debug, Default)]
pub struct Hush {
    spoke: Option<Instant>,
    silent: u64,
}

impl Hush {
    /// The time between two lines.
    pub const INTERVAL: Duration = Duration::from_secs(10);

    /// How many were passed over since the last line, if it is time for one.
    pub fn speak(&mut self, now: Instant) -> Option<u64> {
        if self.spoke.is_some_and(|then| now.duration_since(then) < Self::INTERVAL) {
            self.silent += 1;
            return None;
        }
        self.spoke = Some(now);
        Some(mem::take(&mut self.silent))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_drops_is_a_line_now_and_then() {
        let mut hush = Hush::default();
        assert_eq!(hush.speak(Instant::now()), Some(0));
        assert!((0..500).all(|_| hush.speak(Instant::now()).is_none()));
        advance(Hush::INTERVAL).await;
        assert_eq!(hush.speak(Instant::now()), Some(500));
        assert_eq!(hush.speak(Instant::now()), None);
    }
}
