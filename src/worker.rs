//! DO: get a key, reconcile, then forget or retry; always done.
//!
//! This is the loop at the heart of every controller:
//!
//! 1. **Get** the next key, and with it the claim that no other worker has it.
//! 2. **Reconcile**: compare the *present* state with the spec, and act on the difference.
//! 3. **Forget or retry**: after a success, or if a retry is useless, forget the failures. Otherwise enqueue the key again later.
//! 4. **Done**, whatever happened: the claim ends.
//!
//! The business code in step 2 never knows about retry. It returns an [`Outcome`] or an [`Error`], and step 3, which stands here
//! once for all controllers, decides:
//!
//! | it returns | retry or absorb | why |
//! |---|---|---|
//! | [`Settled`](Outcome::AwaitChange) | forget | it worked |
//! | [`RequeueAfter`](Outcome::RequeueAfter) | forget, reconcile again at that time | it worked; a date is no failure |
//! | [`Permanent`](ReconcileError::Permanent) | absorb | the same input gives the same answer |
//! | [`Transient`](ReconcileError::Transient), a panic | retry with backoff, at most `max_retries` times | it may help, but not forever |
//! | [`Unavailable`](ReconcileError::Unavailable) | retry with backoff, without a limit | the key is not at fault |
//!
//! **Why a key and not an event?** An event describes the past, and there may be three more before a worker is free. The present
//! state is in the cache. So several changes become one reconcile, the next reconcile finds what a lost event would have
//! shown, and a retry is the same as a first attempt.
//!
//! **Why are done and forget two things?** Done ends *this attempt*: until then no other worker may have the key. It is due
//! on each way out, so the compiler does it (the claim is dropped). Forget ends *a series of failures*. It is a decision:
//! wrong after a failure (the retries would stay 5 ms apart) and due after a success (otherwise the next, unrelated failure
//! would wait like the tenth). So it is written out at each place that makes it.

use std::{
    future::{Future, ready},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use daemon::{LogPermit, LogThrottle, Telemetry, shutdown::Unfinished};
use futures::{FutureExt, future::join_all};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    explain,
    informer::Key,
    request::Failure,
    workqueue::{QueueKey, WorkQueue},
};

mod metrics;
#[cfg(test)]
mod tests;

pub use metrics::{ReconcileMetrics, ReconcileResult};

/// A wait shorter than this is not worth a warning.
const ROUTINE: Duration = Duration::from_secs(1);

/// The result of a reconcile that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The present state is right. Reconcile again when something changes.
    AwaitChange,
    /// The present state is right for this long (then a certificate is due for renewal). Not a retry: nothing failed.
    RequeueAfter(Duration),
}

/// Why a reconcile failed. The reconciler classifies the error, the worker decides what follows.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A retry cannot help before something changes: absorbed, and the failures are forgotten.
    #[error("{why}")]
    Permanent {
        /// For the log; the reconciler has reported it to the object's owner.
        why: String,
        /// Reconcile again after this time (a reminder, not a retry).
        requeue_after: Option<Duration>,
    },
    /// The attempt failed because of this key: retried with backoff, a limited number of times.
    #[error("{0}")]
    Transient(String),
    /// The attempt says nothing about the key (no connection, 429, a conflict): retried without a limit.
    #[error("{0}")]
    Unavailable(String),
}

/// A failed request says nothing about the key when the API server was unavailable or another writer was faster. (409: the
/// write was based on an old version. The next reconcile reads the new one.)
impl From<Failure> for ReconcileError {
    fn from(failure: Failure) -> Self {
        if failure.is_unavailable() {
            ReconcileError::Unavailable(failure.to_string())
        } else {
            ReconcileError::Transient(failure.to_string())
        }
    }
}

/// The business code of a controller.
pub trait Reconciler<K>: Send + Sync + 'static {
    /// Compares the present state with what the object of `key` asks for, and acts on the difference. It must be safe to
    /// repeat, and does not know what changed. Dropped at an await point when the process ends.
    fn reconcile(&self, key: &K) -> impl Future<Output = Result<Outcome, ReconcileError>> + Send;

    /// Called when a key has no retries left, before it is forgotten: report the failure to the object's owner. A reminder
    /// may be returned. If this fails too, it is called again after a backoff, unless a reconcile succeeds first.
    fn on_retries_exhausted(
        &self,
        _key: &K,
        _why: &str,
    ) -> impl Future<Output = Result<Outcome, ReconcileError>> + Send {
        ready(Ok(Outcome::AwaitChange))
    }
}

/// The workers of a controller: the same number for each of its queues.
pub struct WorkerPool {
    workers: usize,
    max_retries: u32,
    stuck_after: Duration,
    telemetry: Telemetry,
    stop: CancellationToken,
    queues: Vec<WorkQueue<Key>>,
    tasks: JoinSet<()>,
}

impl WorkerPool {
    /// Creates a pool of `workers` per queue. A failing key is retried `max_retries` times; 12 take about 20 s.
    pub fn new(workers: usize, max_retries: u32, telemetry: &Telemetry, stop: &CancellationToken) -> Self {
        WorkerPool {
            workers,
            max_retries,
            stuck_after: Duration::from_secs(300),
            telemetry: telemetry.clone(),
            stop: stop.clone(),
            queues: Vec::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Sets how long a key may be in a worker before `/healthz` fails; 5 minutes by default.
    ///
    /// It must be longer than any reconcile. Each request has a limit ([`crate::request::TIME_LIMIT`]), so an API server
    /// that is away or slow cannot make `/healthz` fail: a restart would not help against it.
    #[must_use]
    pub fn stuck_after(self, limit: Duration) -> Self {
        WorkerPool { stuck_after: limit, ..self }
    }

    /// Starts the workers of a queue. They take no key before `synced` completes: with half a cache they would treat
    /// objects that are not listed yet as deleted.
    pub fn spawn<R: Reconciler<Key>>(
        &mut self,
        queue: &WorkQueue<Key>,
        reconciler: Arc<R>,
        synced: impl Future<Output = ()> + Send + 'static,
    ) {
        self.add_liveness(queue);
        self.queues.push(queue.clone());
        let (synced, throttle) = (synced.boxed().shared(), Arc::new(LogThrottle::default()));
        for _ in 0..self.workers {
            let worker = Worker {
                queue: queue.clone(),
                reconciler: reconciler.clone(),
                max_retries: self.max_retries,
                throttle: throttle.clone(),
                metrics: self.telemetry.metrics(),
            };
            let (synced, stop) = (synced.clone(), self.stop.clone());
            self.tasks.spawn(async move {
                if stop.run_until_cancelled(synced).await.is_some() {
                    worker.run(stop).await;
                }
            });
        }
    }

    /// A key that does not leave its worker is a bug (a deadlock, a wait without a limit) that only a restart ends.
    fn add_liveness(&self, queue: &WorkQueue<Key>) {
        let (queue, limit, stop) = (queue.clone(), self.stuck_after, self.stop.clone());
        self.telemetry.add_liveness(format!("queue {}", queue.name()), move || match queue.longest_running() {
            // The grace period bounds a shutdown.
            Some((key, age)) if age > limit && !stop.is_cancelled() => {
                let (age, limit) = (age.as_secs(), limit.as_secs());
                Err(format!("{key} has been in a worker for {age} s (limit {limit} s): restart the process"))
            }
            _ => Ok(()),
        });
    }

    /// Waits for the stop. A panic in a worker or in one of `tasks` is raised here: a controller that goes on with half of
    /// its tasks looks healthy and is not.
    pub async fn until_stopped(&mut self, tasks: &mut JoinSet<()>) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = raise_panics(tasks) => {}
            () = raise_panics(&mut self.tasks) => {}
        }
    }

    /// Finishes what is in progress, for at most `grace`. Nothing new is taken from the queues.
    ///
    /// # Errors
    /// The keys that are still in progress then; their reconciles are dropped at an await point.
    pub async fn drain(mut self, grace: Duration) -> Result<(), Unfinished> {
        explain!(Repeat, "shutdown: nothing new is taken from the queues, what is in progress is finished");
        let drained = async {
            join_all(self.queues.iter().map(WorkQueue::shut_down_with_drain)).await;
            while self.tasks.join_next().await.is_some() {}
        };
        timeout(grace, drained).await.map_err(|_| {
            let keys = self.queues.iter().flat_map(WorkQueue::processing).map(|key| key.to_string()).collect();
            Unfinished { after: grace, keys }
        })
    }
}

async fn raise_panics(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
            std::panic::resume_unwind(panic);
        }
    }
    std::future::pending().await
}

/// One worker of a queue.
struct Worker<K: QueueKey, R> {
    queue: WorkQueue<K>,
    reconciler: Arc<R>,
    max_retries: u32,
    /// For warnings about retries, shared by the workers of the queue. (A key that is dropped always gets its line.)
    throttle: Arc<LogThrottle>,
    metrics: ReconcileMetrics,
}

impl<K: QueueKey, R: Reconciler<K>> Worker<K, R> {
    /// Works on one key after the other, until `stop` is cancelled or the queue is shut down.
    ///
    /// Cancellation: dropping the future drops the reconcile at its await point and ends its claim.
    async fn run(self, stop: CancellationToken) {
        let queue = self.queue.name();
        let results = self.metrics.of(queue);
        loop {
            // 1. Get. `biased`: otherwise a full queue would win against the stop every other time.
            let claim = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                claim = self.queue.get() => claim,
            };
            let Some(claim) = claim else { return };
            let key = claim.key();
            explain!(Claim, queue, ?key, "a worker takes the key, no other worker gets it now");
            // 2. and 3.
            let result = self.work_on(key).await;
            explain!(Finish, queue, ?key, result = result.label(), "{}", result.explained());
            results[result as usize].inc();
            // 4. Done. After the decision: no other worker may have the key before its failures are counted or forgotten.
            drop(claim);
        }
    }

    async fn work_on(&self, key: &K) -> ReconcileResult {
        let queue = self.queue.name();
        // 2. Reconcile. A panic is a bug that one object has met. It counts as one failed attempt of this key: other objects
        //    are not affected, and the object may have changed by the next attempt.
        let attempt = catch_panic(async { self.reconciler.reconcile(key).await }).await;
        let result = attempt.unwrap_or_else(|panic| Err(ReconcileError::Transient(panic)));

        // 3. Forget or retry.
        match result {
            // Absorb: it is as it should be.
            Ok(outcome) => {
                self.reset(key);
                self.requeue(key, outcome);
                ReconcileResult::Success
            }
            // Absorb: the reconciler has reported it to the owner, and the owner's change enqueues the key again. The
            // reconciler has logged it as well, once; each resync has the same result.
            Err(ReconcileError::Permanent { why, requeue_after }) => {
                self.reset(key);
                self.requeue(key, requeue_after.map_or(Outcome::AwaitChange, Outcome::RequeueAfter));
                debug!(queue, ?key, error = why, ?requeue_after, "reconcile: not possible, waiting for a change");
                ReconcileResult::Permanent
            }
            // Retry without a limit: the object is not at fault, so its owner will not change it, and when the API server is
            // available again the key should not wait for the next resync.
            Err(ReconcileError::Unavailable(why)) => {
                let retry_in = self.queue.add_unavailable(key.clone());
                // The first few are routine: a conflict because the cache was a moment behind.
                let permit = if retry_in < ROUTINE { None } else { self.throttle.allow() };
                self.log_retry(permit, key, &why, None, retry_in, "reconcile: not possible now, trying again");
                ReconcileResult::Unavailable
            }
            Err(ReconcileError::Transient(why)) => {
                let attempt = self.queue.num_requeues(key) + 1;
                if attempt > self.max_retries {
                    return self.give_up(key, &why, attempt).await;
                }
                // Retry. Not forgotten: the count makes the retries rarer, and ends them.
                let retry_in = self.queue.add_rate_limited(key.clone());
                let permit = self.throttle.allow();
                self.log_retry(permit, key, &why, Some(attempt), retry_in, "reconcile failed, trying again");
                ReconcileResult::Retry
            }
        }
    }

    /// The last retry has failed. The reconciler reports it to the owner, which is one more request that can fail.
    async fn give_up(&self, key: &K, why: &str, attempt: u32) -> ReconcileResult {
        let queue = self.queue.name();
        let reported =
            catch_panic(async { self.reconciler.on_retries_exhausted(key, why).await }).await.unwrap_or_else(|panic| {
                error!(queue, ?key, error = panic, "reporting the dropped key failed");
                Ok(Outcome::AwaitChange)
            });
        match reported {
            // Absorb: it did not help. Forgotten, so that a change or the next resync begins with fresh retries.
            Ok(outcome) => {
                error!(queue, ?key, error = why, attempt, "reconcile failed, dropped until a change or a resync");
                self.queue.forget(key);
                // A retry of an earlier failure may still be scheduled: it would start the series again. A delayed add
                // stays, because this attempt could not schedule another one.
                self.queue.cancel_retry(key);
                self.requeue(key, outcome);
                ReconcileResult::RetriesExhausted
            }
            // Retry: the owner does not know yet. Not forgotten, so that the next failure leads straight back here.
            Err(error) => {
                let retry_in = self.queue.add_unavailable(key.clone());
                warn!(queue, ?key, error = why, report_error = %error, ?retry_in, "reconcile failed, and so did its report");
                ReconcileResult::Unavailable
            }
        }
    }

    /// Resets the failure count and cancels pending retries and delayed adds: the reconcile that just ended decides when
    /// the next one is due.
    fn reset(&self, key: &K) {
        self.queue.forget(key);
        self.queue.cancel_pending(key);
    }

    fn requeue(&self, key: &K, outcome: Outcome) {
        if let Outcome::RequeueAfter(delay) = outcome {
            self.queue.add_after(key.clone(), delay);
        }
    }

    /// Logs a retry: as a warning where the throttle permits one.
    fn log_retry(
        &self,
        permit: Option<LogPermit>,
        key: &K,
        error: &str,
        attempt: Option<u32>,
        retry_in: Duration,
        message: &str,
    ) {
        let queue = self.queue.name();
        match permit {
            Some(LogPermit { suppressed }) => warn!(queue, ?key, error, attempt, ?retry_in, suppressed, "{message}"),
            None => debug!(queue, ?key, error, attempt, ?retry_in, "{message}"),
        }
    }
}

/// Turns a panic of the future into an error with the panic's text. (The panic hook has logged where it happened.)
///
/// `AssertUnwindSafe`: a panic may leave something half done. That is safe because a reconcile is safe to repeat: after a
/// crash of the whole process it starts from the same state.
async fn catch_panic<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
        format!("panicked: {}", text.unwrap_or("without a text"))
    })
}
