//! The resync: enqueues every key once per interval.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{Key, Object, Store};
use crate::explain;

/// The number of parts of an interval. Each key belongs to one of them.
const SLOTS: u32 = 64;

/// Enqueues every key of the cache once per interval. It makes no request and recovers no lost event.
///
/// A resync is not a relist. A relist is a request of the reflector; a resync reconciles the objects that the cache already
/// holds. Such a reconcile finds changes outside the watched resources (Secrets are not watched), and retries dropped keys.
///
/// The keys are spread over the interval: 10,000 keys at once would be 10,000 requests at once. The hash of a key
/// selects its slot, so the time between two resyncs of a key is always the interval.
#[derive(Clone, Copy, Debug)]
pub struct Resync {
    /// The time between two resyncs of a key.
    pub every: Duration,
}

impl Resync {
    /// Calls `enqueue` with each key of `store` once per interval, forever. The first interval starts at once.
    ///
    /// Cancel-safe: drop the future to end it.
    pub async fn run<T: Object>(self, store: &Store<T>, enqueue: impl Fn(Key)) {
        let tick = (self.every / SLOTS).max(Duration::from_millis(1));
        let mut ticks = interval_at(Instant::now() + tick, tick);
        // After a suspended laptop wakes up, continue with the next slot instead of all missed ones.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for slot in (0..SLOTS).cycle() {
            ticks.tick().await;
            if slot == 0 {
                let objects = store.len();
                explain!(Repeat, objects, every = ?self.every, "resync: each cached key is enqueued once per interval");
            }
            store.keys().into_iter().filter(|key| slot_of(key) == slot).for_each(&enqueue);
        }
    }
}

fn slot_of(key: &Key) -> u32 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    (hasher.finish() % u64::from(SLOTS)) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::informer::tests::test_object;

    #[tokio::test(start_paused = true)]
    async fn each_key_comes_once_per_interval_spread_over_it() {
        let store = Store::new();
        store.replace((0..1000).map(|i| test_object(&format!("t{i}"), 1)).collect(), &[]);
        let (started, seen) = (Instant::now(), parking_lot::Mutex::new(HashMap::<Key, Vec<Duration>>::new()));
        let resync = Resync { every: Duration::from_secs(640) };
        let enqueue = |key| seen.lock().entry(key).or_default().push(started.elapsed());
        let _ = tokio::time::timeout(Duration::from_secs(3 * 640 + 1), resync.run(&store, enqueue)).await;

        let (seen, mut per_tick) = (seen.into_inner(), HashMap::<Duration, u32>::new());
        assert_eq!(seen.len(), 1000);
        for times in seen.values() {
            assert_eq!(times.len(), 3, "once per interval: {times:?}");
            assert_eq!(times[1] - times[0], resync.every);
            *per_tick.entry(times[0]).or_default() += 1;
        }
        assert!(per_tick.len() == 64 && per_tick.values().all(|n| *n < 50), "spread: {per_tick:?}");
    }
}
