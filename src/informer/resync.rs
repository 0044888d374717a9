//! Looking at everything again from time to time.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{Key, Object, Store};
use crate::explain;

/// Hands every key of the cache out again, every so often. It makes no request and recovers no lost event.
///
/// A resync is not a relist: a relist (the reflector's business) asks the API server what there is, a resync only asks
/// *us* to look at what we know once more. What it is good for: things outside the watched resource that have changed
/// since (a Secret that someone deleted; we do not watch Secrets), and keys that were given up.
#[derive(Clone, Copy, Debug)]
pub struct Resync {
    /// The time from one round to the next.
    pub every: Duration,
}

impl Resync {
    /// Calls `each` with every key of `store`, every round, for ever. The first round comes after one interval.
    ///
    /// Cancellation: drop the future; a round that has begun is then left unfinished, which loses nothing that the
    /// next round would not bring.
    pub async fn run<T: Object>(self, store: &Store<T>, each: impl Fn(Key)) {
        let mut rounds = interval_at(Instant::now() + self.every, self.every);
        // After a suspended laptop wakes up, one round is enough.
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            explain!(
                Repeat,
                objects = store.len(),
                "resync: every key of the cache is queued again, without a request"
            );
            store.keys().into_iter().for_each(&each);
        }
    }
}

#[cfg(test)]
#[path = "resync_tests.rs"]
mod tests;
