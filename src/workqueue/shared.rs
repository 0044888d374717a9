//! The state that all handles of a queue share: the lock around the pure parts, the wake-ups, and the task for due keys.

use std::{
    future::Future,
    sync::{Arc, Weak},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    QueueKey,
    delay::DelayQueue,
    limit::{Bucket, KeyRateLimiter},
    metrics::{HasLoad, QueueMetrics, WorkQueueMetrics},
    state::{AddResult, Load, QueueState},
};

/// The shared state of a queue.
#[derive(Debug)]
pub(super) struct Shared<K: QueueKey> {
    pub name: &'static str,
    pub metrics: QueueMetrics,
    /// Wakes one `get` for each key that is queued, and all of them at a shutdown.
    pub ready: Notify,
    /// Wakes `shut_down_with_drain`.
    pub idle: Notify,
    /// Wakes the task for due keys, if a key is due before its sleep ends or the queue ends. In an `Arc`, because the task
    /// must not keep the queue alive.
    timer: Arc<Notify>,
    /// Not tokio's Mutex: it is never held across an await, and `add` and `drop` are not async.
    inner: Mutex<Inner<K>>,
}

#[derive(Debug)]
pub(super) struct Inner<K> {
    pub state: QueueState<K>,
    /// Delayed adds: queued when they are due.
    pub delayed: DelayQueue<K>,
    /// Retries: queued when they are due **and** the bucket has a token.
    pub retries: DelayQueue<K>,
    pub failures: KeyRateLimiter<K>,
    bucket: Bucket,
    /// The bucket has no token before this time, so it is not checked again until then.
    no_token_before: Instant,
    /// When the task wakes up; None: it sleeps until it is notified.
    pub wake_at: Option<Instant>,
}

impl<K: QueueKey> Shared<K> {
    pub fn new(name: &'static str, metrics: &WorkQueueMetrics) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Self>| Shared {
            name,
            metrics: metrics.of(name, this.clone()),
            ready: Notify::new(),
            idle: Notify::new(),
            timer: Arc::new(Notify::new()),
            inner: Mutex::new(Inner {
                state: QueueState::new(),
                delayed: DelayQueue::new(),
                retries: DelayQueue::new(),
                failures: KeyRateLimiter::new(),
                bucket: Bucket::new(),
                no_token_before: Instant::now(),
                wake_at: None,
            }),
        })
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner<K>> {
        self.inner.lock()
    }

    /// Counts an add, and wakes a worker. Call it without the lock, which the worker needs.
    pub fn finish_add(&self, added: AddResult) {
        if added != AddResult::Ignored {
            self.metrics.adds.inc();
        }
        if added == AddResult::Queued {
            self.ready.notify_one();
        }
    }

    /// Ends a claim.
    pub fn done(&self, key: &K) {
        let now = Instant::now();
        let mut inner = self.lock();
        let Some(done) = inner.state.done(key, now) else { return };
        let drained = done.is_idle && inner.state.is_shut_down();
        drop(inner);
        self.metrics.work_duration.observe(done.worked.as_secs_f64());
        if done.is_requeued {
            self.ready.notify_one();
        }
        if drained {
            self.idle.notify_waiters();
        }
    }

    /// Lets `insert` set a timer, unless the queue is shut down, and wakes the task if it would sleep too long.
    pub fn schedule<T: Default>(&self, insert: impl FnOnce(&mut Inner<K>, Instant) -> T) -> T {
        let now = Instant::now();
        let mut inner = self.lock();
        if inner.state.is_shut_down() {
            return T::default();
        }
        let answer = insert(&mut inner, now);
        let next = inner.next_wake();
        let sooner = next.is_some_and(|next| inner.wake_at.is_none_or(|known| next < known));
        if sooner {
            inner.wake_at = next;
            drop(inner);
            self.timer.notify_one();
        }
        answer
    }

    pub fn shut_down(&self) {
        let mut inner = self.lock();
        inner.state.shut_down();
        inner.delayed.clear();
        inner.retries.clear();
        drop(inner);
        self.ready.notify_waiters();
        self.timer.notify_one();
    }

    /// The task that enqueues due keys. While it sleeps it has only a weak reference, so it does not keep the queue alive.
    pub fn move_due_keys(this: &Arc<Self>) -> impl Future<Output = ()> + use<K> {
        let (queue, timer) = (Arc::downgrade(this), this.timer.clone());
        async move {
            while let Some(queue) = queue.upgrade() {
                let Some(wake_at) = queue.queue_due_keys() else { return };
                drop(queue);
                match wake_at {
                    None => timer.notified().await,
                    Some(at) => tokio::select! {
                        () = sleep_until(at) => {}
                        () = timer.notified() => {}
                    },
                }
            }
        }
    }

    /// Enqueues the due keys, and returns when the next one is due. None: the queue is shut down.
    fn queue_due_keys(&self) -> Option<Option<Instant>> {
        let now = Instant::now();
        let mut inner = self.lock();
        if inner.state.is_shut_down() {
            return None;
        }
        let mut added = Vec::new();
        while let Some(key) = inner.next_due_key(now) {
            added.push(inner.state.add(key, || now));
        }
        inner.wake_at = inner.next_wake();
        let wake_at = inner.wake_at;
        drop(inner);
        added.into_iter().for_each(|added| self.finish_add(added));
        Some(wake_at)
    }
}

impl<K: QueueKey> Inner<K> {
    /// Removes and returns the next due key.
    fn next_due_key(&mut self, now: Instant) -> Option<K> {
        if let Some(key) = self.delayed.pop_due(now) {
            return Some(key);
        }
        if self.no_token_before > now || self.retries.next_due().is_none_or(|due| due > now) {
            return None;
        }
        match self.bucket.take() {
            Ok(()) => self.retries.pop_due(now),
            Err(not_before) => {
                self.no_token_before = not_before;
                None
            }
        }
    }

    /// When the next key is due.
    fn next_wake(&self) -> Option<Instant> {
        let retry = self.retries.next_due().map(|due| due.max(self.no_token_before));
        [self.delayed.next_due(), retry].into_iter().flatten().min()
    }
}

impl<K: QueueKey> HasLoad for Shared<K> {
    fn load(&self) -> Load {
        let now = Instant::now();
        self.lock().state.load(now)
    }
}

impl<K: QueueKey> Drop for Shared<K> {
    /// The last handle is gone, so the task may end.
    fn drop(&mut self) {
        self.timer.notify_one();
    }
}
