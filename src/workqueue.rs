//! DECIDE: which key is next, and never the same key twice at once.
//!
//! An event handler [adds](WorkQueue::add) the key of each object that changed. Workers [get](WorkQueue::get) keys, one
//! claim each. The queue promises:
//!
//! 1. **Stingy.** A key that is added many times before it is processed is processed once.
//! 2. **Alone.** A key is never processed by two workers at once.
//! 3. **Nothing is lost.** A key that is added while it is processed is processed again afterwards.
//! 4. **Fair.** First in, first out.
//! 5. **A claim always ends.** Dropping it is `done`, after a panic, too.
//! 6. **Done is not forget.** `done` ends the claim, `forget` resets the failure count.
//! 7. **Only retries wait for the bucket**, the rate limit of all retries. An add, a delayed add and a new change never do.
//! 8. **An end.** After a shutdown delayed keys are dropped; `get` returns the queued keys, then None.
//!
//! The names and rules are client-go's (`util/workqueue`). The files, in reading order: `state.rs` is the machine
//! behind 1 to 4, `delay.rs` the timers, `limit.rs` the wait of a retry, `metrics.rs` the metrics. `shared.rs` adds a lock,
//! a clock and wake-ups, and this file is the public interface.

mod delay;
mod limit;
mod metrics;
mod shared;
mod state;

#[cfg(test)]
mod tests;

use std::{fmt::Debug, hash::Hash, sync::Arc, task::Poll, time::Duration};

use daemon::Telemetry;
use tokio::time::Instant;

use limit::Failures;
use shared::Shared;

/// A key of a queue. It should be cheap to clone, because the queue holds it twice.
pub trait QueueKey: Clone + Eq + Hash + Debug + Send + Sync + 'static {}

impl<T: Clone + Eq + Hash + Debug + Send + Sync + 'static> QueueKey for T {}

/// The queue. Cloning it gives another handle to the same one.
///
/// No method blocks or waits, except `get` and `shut_down_with_drain`, which are async.
#[derive(Clone, Debug)]
pub struct WorkQueue<K: QueueKey>(Arc<Shared<K>>);

impl<K: QueueKey> WorkQueue<K> {
    /// Creates an empty queue. The name is its label in the metrics, and unique in a process.
    ///
    /// # Panics
    /// Outside a tokio runtime: this starts a task, which moves delayed keys when they are due. It ends when the queue is
    /// shut down or its last handle (or claim) is dropped.
    pub fn new(name: &'static str, telemetry: &Telemetry) -> Self {
        let shared = Shared::new(name, &telemetry.metrics());
        tokio::spawn(Shared::move_due_keys(&shared));
        WorkQueue(shared)
    }

    /// The name of the queue.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Adds a key whose object has changed. Ignored after a shutdown.
    pub fn add(&self, key: K) {
        let added = self.0.lock().state.add(key, Instant::now);
        self.0.record_add(added);
    }

    /// Waits for the next key. None: the queue is shut down and empty.
    ///
    /// Cancel-safe: a key is removed in the step that returns it. Several workers may wait at once; each key wakes one.
    pub async fn get(&self) -> Option<Claim<K>> {
        loop {
            if let Poll::Ready(answer) = self.try_get() {
                return answer;
            }
            // Register for the wake-up, then check once more: otherwise a key that arrives between the check and the
            // registration would wake no worker.
            let ready = self.0.ready.notified();
            tokio::pin!(ready);
            ready.as_mut().enable();
            if let Poll::Ready(answer) = self.try_get() {
                return answer;
            }
            ready.await;
        }
    }

    /// Pending: no key is queued.
    fn try_get(&self) -> Poll<Option<Claim<K>>> {
        let mut inner = self.0.lock();
        match inner.state.get(Instant::now()) {
            Some((key, waited)) => {
                drop(inner);
                self.0.metrics.queue_duration.observe(waited.as_secs_f64());
                Poll::Ready(Some(Claim { key, queue: self.0.clone() }))
            }
            None if inner.state.is_shut_down() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Adds the key after a delay. If an earlier delayed add is pending, that one stays; a later one is replaced. An
    /// [`add`](Self::add) in the meantime changes neither.
    ///
    /// Not a retry: it does not wait for the bucket, and has a timer of its own. (client-go has one timer for both, so there
    /// a retry in 5 ms replaces the renewal next month.)
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        self.0.schedule(|inner, now| inner.delayed.insert(key, due_time(now, delay)));
    }

    /// Counts a failure and adds the key again after a backoff: 5 ms, doubled for each further failure since the last
    /// [`forget`](Self::forget), at most 1000 s. Then it waits for a token of the bucket of all retries (10 a second, 100
    /// at once). Returns the backoff.
    pub fn add_rate_limited(&self, key: K) -> Duration {
        self.retry(key, Failures::record)
    }

    /// The same for a failure that says nothing about the key: with another count, which
    /// [`num_requeues`](Self::num_requeues) does not include, and at most 30 s.
    pub fn add_unavailable(&self, key: K) -> Duration {
        self.retry(key, Failures::record_unavailable)
    }

    fn retry(&self, key: K, wait: fn(&mut Failures<K>, K) -> Duration) -> Duration {
        self.0.schedule(|inner, now| {
            self.0.metrics.retries.inc();
            let delay = wait(&mut inner.failures, key.clone());
            inner.retries.insert(key, due_time(now, delay));
            delay
        })
    }

    /// The number of failures since the last [`forget`](Self::forget), without the deferred ones.
    pub fn num_requeues(&self, key: &K) -> u32 {
        self.0.lock().failures.num_requeues(key)
    }

    /// Resets both failure counts: the next retry waits 5 ms again. Call it after a success and when a key is dropped,
    /// otherwise the counts stay forever. It neither ends the claim nor cancels a pending retry (see
    /// [`cancel_retry`](Self::cancel_retry)).
    pub fn forget(&self, key: &K) {
        self.0.lock().failures.forget(key);
    }

    /// Cancels a pending retry of the key, which a later attempt has made useless.
    ///
    /// client-go has no such method: after an outage each key that failed is retried at the bucket's ten a second, in front
    /// of the retries that are still needed.
    pub fn cancel_retry(&self, key: &K) {
        self.0.lock().retries.cancel(key);
    }

    /// Cancels a pending retry and a delayed add of the key: a deleted object has no timer. A queued key stays.
    pub fn cancel_pending(&self, key: &K) {
        let mut inner = self.0.lock();
        inner.delayed.cancel(key);
        inner.retries.cancel(key);
    }

    /// Ignores adds from now on and drops delayed keys. [`get`](Self::get) returns the queued keys, then None.
    pub fn shut_down(&self) {
        self.0.shut_down();
    }

    /// [`shut_down`](Self::shut_down), then waits until no key is claimed, whether or not keys are queued. The caller limits
    /// the time.
    ///
    /// Cancellation: dropping the future ends the wait, not the shutdown.
    pub async fn shut_down_with_drain(&self) {
        self.shut_down();
        loop {
            let idle = self.0.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.0.lock().state.is_idle() {
                return;
            }
            idle.await;
        }
    }

    /// The claimed keys, in no particular order.
    pub fn processing(&self) -> Vec<K> {
        self.0.lock().state.processing()
    }

    /// The key that has been claimed for the longest time, and that time: for `/healthz`.
    pub fn longest_running(&self) -> Option<(K, Duration)> {
        let inner = self.0.lock();
        inner.state.longest_running().map(|(key, since)| (key.clone(), since.elapsed()))
    }

    /// The number of queued keys, neither claimed nor delayed. It may be wrong as soon as it is known: for display only.
    pub fn len(&self) -> usize {
        self.0.lock().state.len()
    }

    /// Whether no key is queued.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// `delay` from now, at most a century, so that the sum cannot overflow.
fn due_time(now: Instant, delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now + delay.min(CENTURY)
}

/// The exclusive right to process one key: while it lives, no other worker gets the key.
///
/// Dropping it is client-go's `Done`. There every caller has to call it on each way out; here the compiler does, also when a
/// panic unwinds. Pitfall: `let _ = queue.get().await` drops it at once.
#[must_use = "dropping a claim says that the work on the key is done"]
#[derive(Debug)]
pub struct Claim<K: QueueKey> {
    key: K,
    queue: Arc<Shared<K>>,
}

impl<K: QueueKey> Claim<K> {
    /// The key to process. Everything else is read from the cache, as it is now: the cause of the add may be outdated.
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: QueueKey> Drop for Claim<K> {
    fn drop(&mut self) {
        self.queue.done(&self.key);
    }
}
