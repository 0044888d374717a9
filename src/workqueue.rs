//! DECIDE: what to look at next, and never at one thing twice at once.
//!
//! Whoever notices a change [adds](WorkQueue::add) the key of what changed. Workers [get](WorkQueue::get) keys, one
//! claim each. Between the two the queue promises:
//!
//! 1. **Stingy.** A key that is added many times before it is worked on is worked on once.
//! 2. **Alone.** A key is never worked on by two at once.
//! 3. **Nothing is lost.** A key that is added while it is being worked on is worked on again afterwards.
//! 4. **Fair.** First in, first out.
//! 5. **A claim always ends.** Dropping it is `done`, on panic too.
//! 6. **Done is not forget.** `done` ends the work, `forget` the memory of failures; neither does the other's job.
//! 7. **Only retries wait for the bucket.** A plain add, a delayed add and a new change of a key never do.
//! 8. **An end.** After a shutdown what is queued is handed out, what is delayed is dropped, and then `get` says None.
//!
//! The names and rules are client-go's (`util/workqueue`). The files, in reading order: `state.rs` is the machine
//! behind 1 to 4, `delay.rs` the timers, `limit.rs` how long a retry waits, `metrics.rs` what is counted. They decide
//! and do nothing else; `shared.rs` gives them a lock, a clock and something to wake up, and this file a face.

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

/// What can go through a queue: cheap to clone, since a key in line is held twice. Everything that fits is one.
pub trait QueueKey: Clone + Eq + Hash + Debug + Send + Sync + 'static {}

impl<T: Clone + Eq + Hash + Debug + Send + Sync + 'static> QueueKey for T {}

/// The queue. Cloning it gives another handle to the same one.
///
/// No method blocks or waits, except `get` and `shut_down_with_drain`, which are async.
#[derive(Clone, Debug)]
pub struct WorkQueue<K: QueueKey>(Arc<Shared<K>>);

impl<K: QueueKey> WorkQueue<K> {
    /// An empty queue. The name is its label in the metrics; no two queues of a process should share one.
    ///
    /// # Panics
    /// Outside a tokio runtime: a task is started here, which moves delayed keys when they are due. It ends when the
    /// queue is shut down or its last handle (or claim) is dropped.
    pub fn new(name: &'static str, telemetry: &Telemetry) -> Self {
        let shared = Shared::new(name, &telemetry.metrics());
        tokio::spawn(Shared::move_due_keys(&shared));
        WorkQueue(shared)
    }

    /// The name that it was given.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Something about the key changed: it is to be looked at. Ignored after a shutdown.
    pub fn add(&self, key: K) {
        let added = self.0.lock().state.add(key, Instant::now);
        self.0.tell(added);
    }

    /// The next key, as soon as there is one; None after a shutdown, when nothing is in line any more.
    ///
    /// Cancel-safe: a key is taken out in the very step that returns it, so dropping the future loses none. Several may
    /// wait at once; each key wakes one of them.
    pub async fn get(&self) -> Option<Claim<K>> {
        loop {
            if let Poll::Ready(answer) = self.try_get() {
                return answer;
            }
            // Stand in the line of the waiting first, then look once more. The other way round, a key that arrives
            // between the look and the wait would wake nobody.
            let ready = self.0.ready.notified();
            tokio::pin!(ready);
            ready.as_mut().enable();
            if let Poll::Ready(answer) = self.try_get() {
                return answer;
            }
            ready.await;
        }
    }

    /// Pending: nothing is in line.
    fn try_get(&self) -> Poll<Option<Claim<K>>> {
        let mut inner = self.0.lock();
        match inner.state.get(Instant::now()) {
            Some((key, waited)) => {
                drop(inner);
                self.0.counts.queue_duration.observe(waited.as_secs_f64());
                Poll::Ready(Some(Claim { key, queue: self.0.clone() }))
            }
            None if inner.state.is_shut_down() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Adds the key after a while, or at once if there is no delay. One that was to be added later already is added at
    /// the earlier of the two times. An [`add`](Self::add) in the meantime does not change that.
    ///
    /// Not a retry: it does not wait for the bucket, and does not get into the way of a retry of the same key, nor a
    /// retry into its way. (client-go has one timer for both, so there a retry in 5 ms replaces the renewal next
    /// month.)
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        self.0.schedule(|inner, now| inner.later.insert(key, due(now, delay)));
    }

    /// The work on the key failed: adds it again, after 5 ms for the first failure, double that for each one more since
    /// it was [forgotten](Self::forget), 1000 s at most, and then as soon as the bucket of all retries (10 a second,
    /// 100 at once) has a token. Returns the first part of that wait.
    pub fn add_rate_limited(&self, key: K) -> Duration {
        self.retry(key, Failures::count)
    }

    /// The work on the key failed for a reason that says nothing about the key: as
    /// [`add_rate_limited`](Self::add_rate_limited), but with a count of its own, which
    /// [`num_requeues`](Self::num_requeues) does not show, and 30 s at most. Returns the wait without the bucket's
    /// part.
    pub fn add_deferred(&self, key: K) -> Duration {
        self.retry(key, Failures::defer)
    }

    fn retry(&self, key: K, wait: fn(&mut Failures<K>, K) -> Duration) -> Duration {
        self.0.schedule(|inner, now| {
            self.0.counts.retries.inc();
            let delay = wait(&mut inner.failures, key.clone());
            inner.retries.insert(key, due(now, delay));
            delay
        })
    }

    /// How many failures of the key were counted since it was last forgotten; deferred ones are not.
    pub fn num_requeues(&self, key: &K) -> u32 {
        self.0.lock().failures.counted(key)
    }

    /// Forgets the key's failures of both kinds: its next retry waits 5 ms again. Owed when it has succeeded and when
    /// it is given up; without it the counts stay for ever. Nothing else changes: the claim still ends by being
    /// dropped, and a retry that is on its way still arrives (see [`cancel_retry`](Self::cancel_retry)).
    pub fn forget(&self, key: &K) {
        self.0.lock().failures.forget(key);
    }

    /// Drops a retry of the key that is still to come: what it is for has been settled by an attempt in between.
    ///
    /// client-go has no such verb; there an outage leaves one retry for each key that failed, and they trickle out at
    /// the bucket's ten a second long after everything works again, in front of the retries that matter.
    pub fn cancel_retry(&self, key: &K) {
        self.0.lock().retries.cancel(key);
    }

    /// Drops everything of the key that is still to come, delayed adds and retries: an object that is gone keeps no
    /// timer. What is in line already stays there.
    pub fn cancel_after(&self, key: &K) {
        let mut inner = self.0.lock();
        inner.later.cancel(key);
        inner.retries.cancel(key);
    }

    /// Ignores adds from now on and drops what is delayed; [`get`](Self::get) hands out what is in line and then says
    /// None.
    pub fn shut_down(&self) {
        self.0.shut_down();
    }

    /// [`shut_down`](Self::shut_down), then waits until nothing is being worked on, for as long as that takes: bounding
    /// it is up to the caller. What nobody gets out of the line does not count.
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

    /// The keys that are claimed right now, in no order.
    pub fn processing(&self) -> Vec<K> {
        self.0.lock().state.processing()
    }

    /// The key that has been claimed for the longest time, and for how long: for `/healthz`.
    pub fn oldest(&self) -> Option<(K, Duration)> {
        let inner = self.0.lock();
        inner.state.oldest().map(|(key, since)| (key.clone(), since.elapsed()))
    }

    /// How many keys are in line, neither claimed nor delayed. Old news as soon as it is known: for people to look at,
    /// not for code to decide by.
    pub fn len(&self) -> usize {
        self.0.lock().state.len()
    }

    /// Whether no key is in line.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// `delay` from now. One that is longer than a machine runs is as good as a century.
fn due(now: Instant, delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now + delay.min(CENTURY)
}

/// The right to work on one key, for as long as this lives: nobody else gets the key until then.
///
/// Dropping it is client-go's `Done`. There every caller has to remember to call it, on each way out; here the compiler
/// does, and unwinding from a panic is one more way out. Pitfall: `let _ = queue.get().await` drops it at once.
#[must_use = "dropping a claim says that the work on the key is done"]
#[derive(Debug)]
pub struct Claim<K: QueueKey> {
    key: K,
    queue: Arc<Shared<K>>,
}

impl<K: QueueKey> Claim<K> {
    /// What is to be worked on. Everything else about it is to be looked up, as it is now: whatever caused the add is
    /// old news.
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: QueueKey> Drop for Claim<K> {
    fn drop(&mut self) {
        self.queue.done(&self.key);
    }
}
