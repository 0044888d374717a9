//! The worker: get a key, reconcile, forget or retry, done.
//!
//! Every controller has this loop:
//!
//! 1. **Get** the next key. Its claim keeps other workers away from the key.
//! 2. **Reconcile**: compare the *present* state with the spec, and act on the difference.
//! 3. **Forget or retry**: after a success, or if a retry is useless, forget the failures. Otherwise retry the key later.
//! 4. **Done**, in any case: the claim ends.
//!
//! The business code in step 2 never retries. It returns an [`Outcome`] or a [`ReconcileError`], and step 3 decides, in one
//! place for all controllers:
//!
//! | the reconcile returns | the worker | why |
//! |---|---|---|
//! | [`AwaitChange`](Outcome::AwaitChange) | forgets | it succeeded |
//! | [`RequeueAfter`](Outcome::RequeueAfter) | forgets, and adds the key after this time | it succeeded; a renewal is not a failure |
//! | [`Permanent`](ReconcileError::Permanent) | forgets | a retry has the same result until something changes |
//! | [`Transient`](ReconcileError::Transient), or panics | retries with backoff, at most `max_retries` times | a retry may help |
//! | [`Unavailable`](ReconcileError::Unavailable) | retries with backoff, without a limit | the key is not at fault |
//!
//! **Why a key and not an event?** An event describes the past, and three more may follow before a worker is free. The cache has
//! the present state. So several changes cost one reconcile, a lost event is made good by the next reconcile, and a retry is
//! the same as a first attempt.
//!
//! **Why are done and forget two things?** Done ends *this attempt*: before it, no other worker may get the key. It is needed
//! in any case, so dropping the claim does it. Forget ends *a series of failures*. After a failure it would be wrong (each
//! retry would come after 5 ms), and after a success it is needed (or the next failure waits as long as the tenth). So it is
//! a decision, and written at each place that makes it.
//!
//! The next module is [`crate::events`].

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

/// A retry after less than this is logged at DEBUG, not as a warning.
const WARN_FROM: Duration = Duration::from_secs(1);

/// The result of a reconcile without an error (kube-rs: `Action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The present state is right. Reconcile again after a change or a resync.
    AwaitChange,
    /// The present state is right for this long; then a certificate is due for renewal, for example. Not a retry.
    RequeueAfter(Duration),
}

/// A reconcile that failed. The reconciler classifies the error, and the worker decides whether to retry.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A retry has the same result until something changes, so the worker does not retry.
    #[error("{why}")]
    Permanent {
        /// The error, for the log. The reconciler has reported it to the object's owner.
        why: String,
        /// Reconcile again after this time (a reminder, not a retry).
        requeue_after: Option<Duration>,
    },
    /// The object may be at fault: retried with backoff, at most `max_retries` times.
    #[error("{0}")]
    Transient(String),
    /// The object is not at fault (no connection, 429, a conflict): retried with backoff, without a limit.
    #[error("{0}")]
    Unavailable(String),
}

/// A failed request is `Unavailable` if the API server was unavailable, or if another writer was faster (409).
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
    /// Compares the present state with the spec of the object, and acts on the difference.
    ///
    /// It does not know what changed, and must be safe to repeat. When the process ends, it is dropped at an await point.
    fn reconcile(&self, key: &K) -> impl Future<Output = Result<Outcome, ReconcileError>> + Send;

    /// Reports to the object's owner that the last retry has failed. May return when to try again.
    ///
    /// If the report fails, it is repeated after a backoff, unless a reconcile succeeds first.
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
    /// Creates a pool with `workers` per queue. A failing key is retried `max_retries` times; 12 retries take about 20 s.
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
    /// It must be longer than any reconcile. Each request has a time limit ([`crate::request::TIME_LIMIT`]), so an unavailable
    /// API server does not make `/healthz` fail: a restart would not help.
    #[must_use]
    pub fn stuck_after(self, limit: Duration) -> Self {
        WorkerPool { stuck_after: limit, ..self }
    }

    /// Starts the workers of a queue. They take no key before `synced` completes, because they would treat objects that are
    /// not listed yet as deleted.
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

    /// Makes `/healthz` fail if a key does not leave its worker: a bug (a deadlock, for example) that only a restart ends.
    fn add_liveness(&self, queue: &WorkQueue<Key>) {
        let (queue, limit, stop) = (queue.clone(), self.stuck_after, self.stop.clone());
        self.telemetry.add_liveness(format!("queue {}", queue.name()), move || match queue.longest_running() {
            // During a shutdown the grace period is the limit.
            Some((key, age)) if age > limit && !stop.is_cancelled() => {
                let (age, limit) = (age.as_secs(), limit.as_secs());
                Err(format!("{key} has been in a worker for {age} s (limit {limit} s): restart the process"))
            }
            _ => Ok(()),
        });
    }

    /// Waits for the stop. A panic in a worker or in one of `tasks` is raised here: a controller with half of its tasks must
    /// not continue.
    pub async fn run_until_stopped(&mut self, tasks: &mut JoinSet<()>) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = propagate_panics(tasks) => {}
            () = propagate_panics(&mut self.tasks) => {}
        }
    }

    /// Takes no more keys, and finishes the keys in progress, for at most `grace`.
    ///
    /// # Errors
    /// The keys that are unfinished then; their reconciles are dropped at an await point.
    pub async fn drain(mut self, grace: Duration) -> Result<(), Unfinished> {
        explain!(Repeat, "shutdown: no more keys are taken from the queues, the keys in progress are finished");
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

async fn propagate_panics(tasks: &mut JoinSet<()>) {
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
    /// Limits the warnings about retries of this queue. The error about a dropped key is always logged.
    throttle: Arc<LogThrottle>,
    metrics: ReconcileMetrics,
}

impl<K: QueueKey, R: Reconciler<K>> Worker<K, R> {
    /// Processes one key after the other, until `stop` is cancelled or the queue is shut down.
    ///
    /// Cancellation: dropping the future drops the reconcile at its await point and ends its claim.
    async fn run(self, stop: CancellationToken) {
        let queue = self.queue.name();
        let results = self.metrics.of(queue);
        loop {
            // 1. Get. `biased`: the stop comes first, even if the queue is full.
            let claim = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                claim = self.queue.get() => claim,
            };
            let Some(claim) = claim else { return };
            let key = claim.key();
            explain!(Claim, queue, ?key, "a worker takes the key: no other worker gets it now");
            explain!(Reconcile, queue, ?key, "the reconcile compares the present state with the spec");
            // 2. and 3.
            let result = self.process(key).await;
            explain!(Finish, queue, ?key, result = result.label(), "{}", result.explained());
            results[result as usize].inc();
            // 4. Done. After step 3: no other worker may get the key before its failures are counted or forgotten.
            drop(claim);
        }
    }

    async fn process(&self, key: &K) -> ReconcileResult {
        let queue = self.queue.name();
        // 2. Reconcile. A panic counts as a failed attempt of this key, so that a bug which one object triggers does not affect
        //    the other objects.
        let attempt = catch_panic(async { self.reconciler.reconcile(key).await }).await;
        let result = attempt.unwrap_or_else(|panic| Err(ReconcileError::Transient(panic)));

        // 3. Forget or retry.
        match result {
            // Forget: it succeeded.
            Ok(outcome) => {
                self.reset(key);
                self.requeue(key, outcome);
                ReconcileResult::Success
            }
            // Forget: the reconciler has reported and logged the error. The owner's next change enqueues the key again.
            Err(ReconcileError::Permanent { why, requeue_after }) => {
                self.reset(key);
                self.requeue(key, requeue_after.map_or(Outcome::AwaitChange, Outcome::RequeueAfter));
                debug!(queue, ?key, error = why, ?requeue_after, "reconcile not possible, waiting for a change");
                ReconcileResult::Permanent
            }
            // Retry without a limit: the key must not wait for the next resync when the API server is available again.
            Err(ReconcileError::Unavailable(why)) => {
                let retry_in = self.queue.add_unavailable(key.clone());
                // The first retries are routine: a conflict, because the cache lags behind.
                let permit = if retry_in < WARN_FROM { None } else { self.throttle.allow() };
                self.log_retry(permit, key, &why, None, retry_in, "reconcile not possible now, will retry");
                ReconcileResult::Unavailable
            }
            Err(ReconcileError::Transient(why)) => {
                let attempt = self.queue.num_requeues(key) + 1;
                if attempt > self.max_retries {
                    return self.report_exhausted(key, &why, attempt).await;
                }
                // Retry. Do not forget: the failure count makes the retries rarer, and ends them.
                let retry_in = self.queue.add_rate_limited(key.clone());
                let permit = self.throttle.allow();
                self.log_retry(permit, key, &why, Some(attempt), retry_in, "reconcile failed, will retry");
                ReconcileResult::Retry
            }
        }
    }

    /// The last retry has failed: the reconciler reports that to the owner. The report is a request, which can fail, too.
    async fn report_exhausted(&self, key: &K, why: &str, attempt: u32) -> ReconcileResult {
        let queue = self.queue.name();
        let reported =
            catch_panic(async { self.reconciler.on_retries_exhausted(key, why).await }).await.unwrap_or_else(|panic| {
                error!(queue, ?key, error = panic, "reporting the dropped key failed");
                Ok(Outcome::AwaitChange)
            });
        match reported {
            // Forget, so that the next change or resync starts with all retries.
            Ok(outcome) => {
                error!(queue, ?key, error = why, attempt, "reconcile failed, dropped until a change or a resync");
                self.queue.forget(key);
                // A pending retry of an earlier failure would start the series again. A delayed add stays: this attempt has
                // scheduled no other one.
                self.queue.cancel_retry(key);
                self.requeue(key, outcome);
                ReconcileResult::RetriesExhausted
            }
            // Retry. Do not forget, so that the next failure repeats the report.
            Err(error) => {
                let retry_in = self.queue.add_unavailable(key.clone());
                warn!(queue, ?key, error = why, report_error = %error, ?retry_in, "reconcile failed, and reporting it failed, will retry");
                ReconcileResult::Unavailable
            }
        }
    }

    /// Resets the failure count, and cancels pending retries and delayed adds: the reconcile that just ended decides when the
    /// next one is due.
    fn reset(&self, key: &K) {
        self.queue.forget(key);
        self.queue.cancel_pending(key);
    }

    fn requeue(&self, key: &K, outcome: Outcome) {
        if let Outcome::RequeueAfter(delay) = outcome {
            self.queue.add_after(key.clone(), delay);
        }
    }

    /// Logs a retry, as a warning if the throttle permits it.
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
/// `AssertUnwindSafe`: a panic may leave a reconcile half done, like a crash of the process. A reconcile is safe to repeat.
async fn catch_panic<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
        format!("panicked: {}", text.unwrap_or("without a text"))
    })
}
