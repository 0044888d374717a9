//! The work queue: decides which key is processed next, and never gives a key to two workers at once.
//!
//! An event handler [adds](WorkQueue::add) the key of each object that changed. Workers [get](WorkQueue::get) keys, one
//! claim each. The queue promises:
//!
//! 1. **Stingy.** A key that is added several times before it is processed is processed once.
//! 2. **Exclusive.** A key is never processed by two workers at once.
//! 3. **Nothing is lost.** A key that is added while it is processed is processed again.
//! 4. **Fair.** First in, first out.
//! 5. **A claim always ends.** Dropping it is `done`, also when a panic drops it.
//! 6. **Done is not forget.** `done` ends the claim, `forget` resets the failure count.
//! 7. **Only retries are rate limited.** An add and a delayed add never wait for the token bucket.
//! 8. **Shutdown.** After it delayed keys are dropped; `get` returns the queued keys, then None.
//!
//! The names and rules are client-go's (`util/workqueue`). Read `state.rs` first: the state machine behind 1 to 4. Then
//! `delay.rs` (delayed keys), `limit.rs` (how long a retry waits), and this file (the public interface). `shared.rs` adds
//! the lock, the clock and the wake-ups; it and `metrics.rs` may be skipped at first.
//!
//! The next module is [`crate::worker`].

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

use limit::KeyRateLimiter;
use shared::Shared;

/// A key of a queue. It should be cheap to clone, because the queue holds it twice.
pub trait QueueKey: Clone + Eq + Hash + Debug + Send + Sync + 'static {}

impl<T: Clone + Eq + Hash + Debug + Send + Sync + 'static> QueueKey for T {}

/// The queue. A clone is another handle to the same queue.
///
/// No method blocks. `get` and `shut_down_with_drain` are async.
#[derive(Clone, Debug)]
pub struct WorkQueue<K: QueueKey>(Arc<Shared<K>>);

impl<K: QueueKey> WorkQueue<K> {
    /// Creates an empty queue. The name is its label in the metrics, and must be unique in the process.
    ///
    /// # Panics
    /// Outside a tokio runtime: it spawns a task, which enqueues delayed keys when they are due. The task ends when the queue
    /// is shut down, or when its last handle and claim are dropped.
    pub fn new(name: &'static str, telemetry: &Telemetry) -> Self {
        let shared = Shared::new(name, &telemetry.metrics());
        tokio::spawn(Shared::move_due_keys(&shared));
        WorkQueue(shared)
    }

    /// The name of the queue.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Adds a key, because its object has changed. Ignored after a shutdown.
    pub fn add(&self, key: K) {
        let added = self.0.lock().state.add(key, Instant::now);
        self.0.finish_add(added);
    }

    /// Waits for the next key. None: the queue is shut down and empty.
    ///
    /// Cancel-safe: no key is lost. Several workers may wait at once; each key wakes one of them.
    pub async fn get(&self) -> Option<Claim<K>> {
        loop {
            if let Poll::Ready(answer) = self.try_get() {
                return answer;
            }
            // Register for the wake-up, then check again: otherwise a key that arrives between the check and the registration
            // would wake no worker.
            let ready = self.0.ready.notified();
            tokio::pin!(ready);
            ready.as_mut().enable();
            if let Poll::Ready(answer) = self.try_get() {
                return answer;
            }
            ready.await;
        }
    }

    /// Takes the next key. Pending: no key is queued.
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

    /// Adds the key after a delay. Of two delayed adds of a key the earlier one counts.
    ///
    /// It is not a retry: it is not rate limited, and does not share a timer with the retries. (In client-go it does, so a
    /// retry in 5 ms replaces a renewal next month.)
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
        self.retry(key, KeyRateLimiter::when)
    }

    /// Adds the key again after a backoff of at most 30 s, because the API server was unavailable.
    ///
    /// The key is not at fault, so the failure has a count of its own, which [`num_requeues`](Self::num_requeues) does not
    /// include. client-go has no such method.
    pub fn add_unavailable(&self, key: K) -> Duration {
        self.retry(key, KeyRateLimiter::when_unavailable)
    }

    fn retry(&self, key: K, wait: fn(&mut KeyRateLimiter<K>, K) -> Duration) -> Duration {
        self.0.schedule(|inner, now| {
            self.0.metrics.retries.inc();
            let delay = wait(&mut inner.failures, key.clone());
            inner.retries.insert(key, due_time(now, delay));
            delay
        })
    }

    /// The number of failures since the last [`forget`](Self::forget), without those of [`add_unavailable`](Self::add_unavailable).
    pub fn num_requeues(&self, key: &K) -> u32 {
        self.0.lock().failures.num_requeues(key)
    }

    /// Resets both failure counts: the next retry waits 5 ms again. Call it after a success and when a key is dropped.
    ///
    /// It does not end the claim, and does not cancel a pending retry (see [`cancel_retry`](Self::cancel_retry)).
    pub fn forget(&self, key: &K) {
        self.0.lock().failures.forget(key);
    }

    /// Cancels a pending retry of the key, because the key is dropped.
    ///
    /// client-go has no such method. There, useless retries use up the tokens of the bucket after an outage.
    pub fn cancel_retry(&self, key: &K) {
        self.0.lock().retries.cancel(key);
    }

    /// Cancels a pending retry and a delayed add of the key. A queued key stays.
    pub fn cancel_scheduled(&self, key: &K) {
        let mut inner = self.0.lock();
        inner.delayed.cancel(key);
        inner.retries.cancel(key);
    }

    /// Ignores adds from now on and drops delayed keys. [`get`](Self::get) returns the queued keys, then None.
    pub fn shut_down(&self) {
        self.0.shut_down();
    }

    /// Calls [`shut_down`](Self::shut_down), then waits until no key is claimed. It has no deadline.
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

    /// The key that has been claimed longest, and for how long: for `/healthz`.
    pub fn longest_running(&self) -> Option<(K, Duration)> {
        let inner = self.0.lock();
        inner.state.longest_running().map(|(key, since)| (key.clone(), since.elapsed()))
    }

    /// The number of queued keys, without claimed and delayed ones. For display: it changes at any time.
    pub fn len(&self) -> usize {
        self.0.lock().state.len()
    }

    /// Whether no key is queued.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Returns the time after `delay`, at most a century, so that the sum cannot overflow.
fn due_time(now: Instant, delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now + delay.min(CENTURY)
}

/// The exclusive right to process one key: while it lives, no other worker gets the key.
///
/// Dropping it is client-go's `Done`. In Go, each caller must not forget to call it (`defer`); here the compiler does it, also
/// after a panic. Pitfall: `let _ = queue.get().await` drops the claim at once.
#[must_use = "dropping a claim is `done`: the key may be given to another worker"]
#[derive(Debug)]
pub struct Claim<K: QueueKey> {
    key: K,
    queue: Arc<Shared<K>>,
}

impl<K: QueueKey> Claim<K> {
    /// The key to process. Read the object from the cache: it may have changed since the key was added.
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: QueueKey> Drop for Claim<K> {
    fn drop(&mut self) {
        self.queue.done(&self.key);
    }
}
