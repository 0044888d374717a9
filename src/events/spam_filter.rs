//! Limits the number of events about one object.
//!
//! A controller in a loop records an event each time, which can overload the API server. The limits are client-go's
//! (`EventSourceObjectSpamFilter`). client-go also merges similar events into one; that hides the error, so it is not done
//! here.

use std::num::NonZeroU32;

use daemon::TokioClock;
use governor::{Quota, RateLimiter, middleware::NoOpMiddleware, nanos::Nanos, state::keyed::HashMapStateStore};
use tokio::time::Instant;

/// 25 events about one object at once, then one per five minutes.
const QUOTA: Quota = Quota::per_hour(NonZeroU32::new(12).unwrap()).allow_burst(NonZeroU32::new(25).unwrap());

/// Maximum number of objects in memory.
const MAX_OBJECTS: usize = 4096;

/// A token bucket per object UID.
pub(super) struct SpamFilter(RateLimiter<String, HashMapStateStore<String>, TokioClock, NoOpMiddleware<Nanos>>);

impl SpamFilter {
    /// Takes a token of the object and returns whether there was one.
    pub fn allow(&mut self, uid: &str) -> bool {
        if self.0.len() >= MAX_OBJECTS {
            // A full bucket needs no memory.
            self.0.retain_recent();
            // Too many buckets are in use: reset all of them, so that the memory stays bounded.
            if self.0.len() > MAX_OBJECTS / 2 {
                *self = Self::default();
            }
        }
        self.0.check_key(&uid.to_owned()).is_ok()
    }
}

impl Default for SpamFilter {
    fn default() -> Self {
        SpamFilter(RateLimiter::hashmap_with_clock(QUOTA, TokioClock(Instant::now())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn object_has_25_events_at_once_then_one_per_5_minutes() {
        let mut filter = SpamFilter::default();
        assert_eq!((0..40).filter(|_| filter.allow("pod")).count(), 25);
        assert!(filter.allow("another pod"));
        advance(Duration::from_secs(299)).await;
        assert!(!filter.allow("pod"));
        advance(Duration::from_secs(1)).await;
        assert!(filter.allow("pod"));
        assert!(!filter.allow("pod"));
    }

    #[tokio::test(start_paused = true)]
    async fn number_of_objects_in_memory_is_bounded() {
        let mut filter = SpamFilter::default();
        for n in 0..3 * MAX_OBJECTS {
            assert!(filter.allow(&n.to_string()));
            assert!(filter.0.len() <= MAX_OBJECTS);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn full_memory_forgets_only_objects_with_full_buckets() {
        let mut filter = SpamFilter::default();
        while filter.allow("noisy") {}
        for n in 0..MAX_OBJECTS - 1 {
            assert!(filter.allow(&n.to_string()));
        }
        advance(Duration::from_secs(3600)).await;
        assert!(filter.allow("another"));
        assert_eq!(filter.0.len(), 2);
        assert_eq!((0..25).filter(|_| filter.allow("noisy")).count(), 12, "tokens of one hour, not a new burst");
    }
}
