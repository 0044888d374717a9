//! The worker: get a key, reconcile, forget or retry, done.
//!
//! Every controller has this loop:
//!
//! 1. **Get** the next key (step 4 of `--explain`). No other worker gets a key that is claimed.
//! 2. **Reconcile** (5): compare the *present* state with the spec, and act on the difference.
//! 3. **Forget or retry** (6): after a success, or if a retry is useless, forget the failures. Otherwise retry the key later.
//! 4. **Done**, in any case: the claim ends.
//!
//! The business code in step 2 never retries. It returns an [`Action`] or a [`ReconcileError`], and step 3 decides, in one
//! place for all controllers:
//!
//! | the reconcile returns | the worker | why |
//! |---|---|---|
//! | [`AwaitChange`](Action::AwaitChange) | forgets | it succeeded |
//! | [`RequeueAfter`](Action::RequeueAfter) | forgets, and adds the key after this time | it succeeded; a renewal is not a failure |
//! | [`Permanent`](ReconcileError::Permanent) | forgets, and adds the key after `requeue_after`, if given | a retry has the same result until something changes |
//! | [`Transient`](ReconcileError::Transient), or panics | retries with backoff, at most `max_retries` times; then reports it and forgets | a retry may help |
//! | [`Unavailable`](ReconcileError::Unavailable) | retries with backoff, without a limit | the key is not at fault |
//!
//! **Why a key and not an event?** An event describes the past, and three more may follow before a worker is free. The cache has
//! the current state. So several changes cost one reconcile, an event that is missed costs nothing once the cache has a
//! later state, and a retry is the same as a first attempt.
//!
//! **Why are done and forget two things?** Done ends *this attempt*: before it, no other worker may get the key. It is needed
//! in any case, so dropping the claim does it. Forget ends *a series of failures*. After a failure it would be wrong (each
//! retry would come after 5 ms), and after a success it is needed (or the next failure waits as long as the tenth). So the
//! worker decides it for each result, in step 3.
//!
//! The next module is [`crate::events`].

use std::{
    future::{Future, ready},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use daemon::{LogPermit, LogThrottle};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    explain,
    request::Failure,
    workqueue::{QueueKey, WorkQueue},
};

mod metrics;
mod pool;
#[cfg(test)]
mod tests;

pub use metrics::{ReconcileMetrics, ReconcileOutcome};
pub use pool::WorkerPool;

/// A retry after less than this is logged at DEBUG, not as a warning.
const WARN_FROM: Duration = Duration::from_secs(1);

/// The result of a reconcile without an error, as in kube-rs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The current state is right. Reconcile again after a change or a resync.
    AwaitChange,
    /// The current state is right for this long; then a certificate is due for renewal, for example. Not a retry.
    RequeueAfter(Duration),
}

/// A reconcile that failed. The reconciler classifies the error, and the worker decides whether to retry.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A retry has the same result until something changes, so the worker does not retry.
    #[error("{why}")]
    Permanent {
        /// The error, for the log. The reconciler has reported it to the application's owner.
        why: String,
        /// Reconcile again after this time (to record the event again; not a retry).
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
    /// Compares the current state with the spec of the object, and acts on the difference.
    ///
    /// It does not know what changed, and must be safe to repeat. If it outlasts the grace period of a shutdown, it is
    /// dropped at an await point.
    fn reconcile(&self, key: &K) -> impl Future<Output = Result<Action, ReconcileError>> + Send;

    /// Reports to the application's owner that the last retry has failed. May return when to try again.
    ///
    /// If the report fails, it is repeated after a backoff, unless a reconcile succeeds first.
    fn on_retries_exhausted(
        &self,
        _key: &K,
        _why: &str,
    ) -> impl Future<Output = Result<Action, ReconcileError>> + Send {
        ready(Ok(Action::AwaitChange))
    }
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
            explain!(Reconcile, queue, ?key, "the reconcile reads the current state and acts on the difference");
            // 2. and 3.
            let result = self.process(key).await;
            explain!(Finish, queue, ?key, result = result.label(), "{}", result.explained());
            results[result as usize].inc();
            // 4. Done. After step 3: no other worker may get the key before its failures are counted or forgotten.
            drop(claim);
        }
    }

    async fn process(&self, key: &K) -> ReconcileOutcome {
        let queue = self.queue.name();
        // 2. Reconcile. A panic counts as a failed attempt of this key, so that a bug which one object triggers does not affect
        //    the other objects.
        let attempt = catch_panic(async { self.reconciler.reconcile(key).await }).await;
        let result = attempt.unwrap_or_else(|panic| Err(ReconcileError::Transient(panic)));

        // 3. Forget or retry.
        match result {
            // Forget: it succeeded.
            Ok(action) => {
                self.reset(key);
                self.requeue(key, action);
                ReconcileOutcome::Success
            }
            // Forget: the reconciler has reported and logged the error. The owner's next change enqueues the key again.
            Err(ReconcileError::Permanent { why, requeue_after }) => {
                self.reset(key);
                self.requeue(key, requeue_after.map_or(Action::AwaitChange, Action::RequeueAfter));
                debug!(queue, ?key, error = why, ?requeue_after, "reconcile not possible, waiting for a change");
                ReconcileOutcome::Permanent
            }
            // Retry without a limit: the key must not wait for the next resync when the API server is available again.
            Err(ReconcileError::Unavailable(why)) => {
                let retry_in = self.queue.add_unavailable(key.clone());
                // The first retries are routine: a conflict, because the cache lags behind.
                let permit = if retry_in < WARN_FROM { None } else { self.throttle.allow() };
                self.log_retry(permit, key, &why, None, retry_in, "reconcile not possible now, will retry");
                ReconcileOutcome::Unavailable
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
                ReconcileOutcome::Retry
            }
        }
    }

    /// The last retry has failed: the reconciler reports that to the owner. The report is a request, which can fail, too.
    async fn report_exhausted(&self, key: &K, why: &str, attempt: u32) -> ReconcileOutcome {
        let queue = self.queue.name();
        let reported =
            catch_panic(async { self.reconciler.on_retries_exhausted(key, why).await }).await.unwrap_or_else(|panic| {
                error!(queue, ?key, error = panic, "reporting the dropped key failed");
                Ok(Action::AwaitChange)
            });
        match reported {
            // Forget, so that the next change or resync starts with all retries.
            Ok(action) => {
                error!(queue, ?key, error = why, attempt, "reconcile failed, dropped until a change or a resync");
                self.queue.forget(key);
                // A pending retry of an earlier failure would start the series again. A delayed add stays: this attempt has
                // scheduled no other one.
                self.queue.cancel_retry(key);
                self.requeue(key, action);
                ReconcileOutcome::RetriesExhausted
            }
            // Retry. Do not forget, so that the next failure repeats the report.
            Err(error) => {
                let retry_in = self.queue.add_unavailable(key.clone());
                warn!(queue, ?key, error = why, report_error = %error, ?retry_in, "reconcile failed, and reporting it failed, will retry");
                ReconcileOutcome::Unavailable
            }
        }
    }

    /// Resets the failure count, and cancels pending retries and delayed adds: the reconcile that just ended decides when the
    /// next one is due.
    fn reset(&self, key: &K) {
        self.queue.forget(key);
        self.queue.cancel_scheduled(key);
    }

    fn requeue(&self, key: &K, action: Action) {
        if let Action::RequeueAfter(delay) = action {
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
