//! How much may be said, about one object and in one namespace. A controller that goes round in circles writes an event
//! a turn, and clusters have been brought down by less.
//!
//! The road not taken: the original recorder also folds the tenth different message of one kind into "(combined from
//! similar events)". That hides the very words that say what to fix; the limits here bound the number without it.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos, state::keyed::HashMapStateStore,
};
use tokio::time::Instant;

use crate::workqueue::TokioClock;

type Keyed = RateLimiter<String, HashMapStateStore<String>, TokioClock, NoOpMiddleware<Nanos>>;

/// 25 events about one object at once, then one every five minutes: nobody reads more. What is above that is dropped.
pub(super) const PER_OBJECT: Quota = Quota::per_hour(number(12)).allow_burst(number(25));

/// 200 events in one namespace at once, then five a second: a Secret that a thousand pods wait for is a thousand honest
/// events, so what is above that waits (as long as there is room for it among the pending).
pub(super) const PER_NAMESPACE: Quota = Quota::per_second(number(5)).allow_burst(number(200));

const fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).expect("a constant that is not zero")
}

/// A token bucket for each key, for a bounded number of keys.
pub(super) struct Buckets {
    quota: Quota,
    buckets: Keyed,
}

impl Buckets {
    /// Most keys. A key whose bucket has filled up again needs no memory.
    pub const LIMIT: usize = 4096;

    pub fn new(quota: Quota) -> Self {
        Buckets { quota, buckets: Keyed::hashmap_with_clock(quota, TokioClock(Instant::now())) }
    }

    /// Takes a token of this key, or says how long until there is one.
    pub fn take(&mut self, key: &str) -> Result<(), Duration> {
        if self.buckets.len() >= Self::LIMIT {
            self.buckets.retain_recent();
            // Too many are still in use: start over. Everyone gets one more burst, and no event of a storm has to
            // search for the one key that may be forgotten.
            if self.buckets.len() > Self::LIMIT / 2 {
                *self = Self::new(self.quota);
            }
        }
        let verdict = self.buckets.check_key(&key.to_owned());
        verdict.map_err(|not_until| not_until.wait_time_from(self.buckets.clock().now()))
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }
}
