//! DO: get a key, reconcile, then forget or retry; always done.
//!
//! This is the loop at the heart of every controller:
//!
//! 1. **Get** the next key, and with it the claim that nobody else works on it.
//! 2. **Reconcile**: look up what the key stands for *now*, and make the world as it should be.
//! 3. **Forget or retry**: it worked, or trying again is useless: forget the failures. Else: come back later.
//! 4. **Done**, whatever happened: the claim ends.
//!
//! The business code in step 2 never knows about retry. It says how it went, as an [`Outcome`] or an [`Error`], and
//! step 3, which stands here once for all controllers, decides:
//!
//! | it says | retry or absorb | why |
//! |---|---|---|
//! | [`Settled`](Outcome::Settled) | forget | it worked |
//! | [`RequeueAfter`](Outcome::RequeueAfter) | forget, look again at that time | it worked; a date is no failure |
//! | [`Permanent`](Error::Permanent) | absorb | the same input gives the same answer |
//! | [`Transient`](Error::Transient), a panic | retry with backoff, then give up | it may help, but not for ever |
//! | [`Unavailable`](Error::Unavailable) | retry with backoff, for as long as it takes | the key is not to blame |
//!
//! **Why a key and no event?** An event says what was; by the time that a worker gets to it there may be three more.
//! What counts is what is, and that is in the cache. So many changes become one look, a lost event loses nothing that
//! the next look does not find, and a retry is the same as a first try.
//!
//! **Why are done and forget two things?** Done ends *this look*: until then no other worker may have the key, and it
//! is due on every way out, so the compiler does it (the claim is dropped). Forget ends *a row of failures*: it is a
//! decision, wrong after a failure (the retries would stay 5 ms apart) and due after a success (else the next,
//! unrelated failure is waited out as if it were the tenth), so it is written out below at each place that makes it.

use std::{
    any::Any,
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    explain,
    request::Failure,
    workqueue::{QueueKey, WorkQueue},
};

mod hush;
mod metrics;
#[cfg(test)]
mod tests;

pub use hush::Hush;
pub use metrics::{Ended, Metrics};

/// A deferral that is shorter than this is nothing to tell people about.
const ROUTINE: Duration = Duration::from_secs(1);

/// What a reconcile that worked says about the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The world is as it should be. Look again when something changes.
    Settled,
    /// The world is as it should be, until then (a certificate falls due). Not a retry: nothing failed.
    RequeueAfter(Duration),
}

/// Why a reconcile failed. The reconciler says what it is, the worker decides what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Trying again cannot help before something changes: absorbed, and the failures are forgotten.
    #[error("{why}")]
    Permanent {
        /// For the log; the object's owner has been told by the reconciler.
        why: String,
        /// Look again after this time (a reminder, not a retry).
        requeue_after: Option<Duration>,
    },
    /// The attempt failed and says something about the key: retried with backoff, so many times.
    #[error("{0}")]
    Transient(String),
    /// The attempt says nothing about the key (no connection, 429, a conflict): retried for as long as it takes.
    #[error("{0}")]
    Unavailable(String),
}

/// What a failed request says: nothing about the key when it was a bad moment or someone else was faster. (409: the
/// write was based on an old version. The next look finds the new one.)
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        if failure.is_unavailable() {
            Error::Unavailable(failure.to_string())
        } else {
            Error::Transient(failure.to_string())
        }
    }
}

/// The business end of a controller.
pub trait Reconciler<K>: Send + Sync + 'static {
    /// Makes the world as the object named by `key` wants it. Must be safe to repeat, and looks the present state up:
    /// it is not told what happened. Dropped at an await point when the process ends.
    fn reconcile(&self, key: &K) -> impl Future<Output = Result<Outcome, Error>> + Send;

    /// Called when a key has used up its retries, to tell whom it concerns, before it is forgotten. A reminder may be
    /// asked for; after an error it is tried again later, and called again unless the key works by then.
    fn gave_up(&self, key: &K, why: &str) -> impl Future<Output = Result<Outcome, Error>> + Send;
}

/// What the worker may decide for itself.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How many times a failed key is tried again before it is given up. 12 take about 20 s, with the queue's backoff.
    pub max_retries: u32,
}

/// One worker: works on one key after the other, until `stop` is cancelled or the queue ends. Run several for more at a
/// time; the queue sees to it that they never meet.
///
/// When `stop` is cancelled, nothing new is taken from the queue, and what is in progress is finished first.
/// Cancellation: dropping the future drops the reconcile at its await point and ends its claim.
pub async fn run<K: QueueKey, R: Reconciler<K>>(
    queue: WorkQueue<K>,
    reconciler: Arc<R>,
    policy: Policy,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let ended = metrics.of(queue.name());
    let worker = Worker { queue, reconciler, policy, hush: Mutex::default() };
    loop {
        // 1. Get. `biased`, since otherwise a full queue would win against the stop every other time.
        let claim = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            claim = worker.queue.get() => claim,
        };
        let Some(claim) = claim else { return };
        explain!(Claim, queue = worker.queue.name(), key = ?claim.key(), "a worker takes the key, nobody else gets it now");
        // 2. and 3.
        let result = worker.work_on(claim.key()).await;
        ended[result as usize].inc();
        // 4. Done. After the decision: nobody else may have the key before its failures are counted or forgotten.
        drop(claim);
    }
}

struct Worker<K: QueueKey, R> {
    queue: WorkQueue<K>,
    reconciler: Arc<R>,
    policy: Policy,
    /// For the lines about retries. (A key that is given up always gets its line.)
    hush: Mutex<Hush>,
}

impl<K: QueueKey, R: Reconciler<K>> Worker<K, R> {
    async fn work_on(&self, key: &K) -> Ended {
        let queue = self.queue.name();
        // 2. Reconcile. A panic is a bug that one object has met. The others shall not suffer from it, and the object
        //    may have changed by the next look: one failed attempt of one key.
        let attempt = caught(async { self.reconciler.reconcile(key).await }).await;
        let answer = attempt.unwrap_or_else(|panic| Err(Error::Transient(panic.to_string())));

        // 3. Forget or retry.
        match answer {
            // Absorb: it is as it should be, or there is nothing left that could be.
            Ok(Outcome::Settled) => {
                explain!(Finish, queue, ?key, "it worked: its failures are forgotten");
                self.settle(key);
                Ended::Success
            }
            // Absorb, and keep an appointment: it is as it should be, until then.
            Ok(Outcome::RequeueAfter(delay)) => {
                let at = in_words(delay);
                explain!(
                    Finish,
                    queue,
                    ?key,
                    requeue_after = at,
                    "it worked: its failures are forgotten, it comes back later"
                );
                self.settle(key);
                self.queue.add_after(key.clone(), delay);
                Ended::Success
            }
            // Absorb: whoever can mend it has been told, and their change will bring the key back. Not a failure of
            // ours, so it is forgotten like a success. And no news: the next resync finds the same, so
            // whoever told it has logged it, once.
            Err(Error::Permanent { why, requeue_after }) => {
                self.settle(key);
                if let Some(delay) = requeue_after {
                    self.queue.add_after(key.clone(), delay);
                }
                let reminder = requeue_after.map(in_words);
                explain!(Finish, queue, ?key, reminder, "it cannot work: not retried, waits for a change or a resync");
                debug!(queue, ?key, error = why, "reconcile: not possible as it is, waiting for a change");
                Ended::Permanent
            }
            // Retry, without an end: the object is not at fault, so nobody is going to change it, and when the API
            // server is back it should not have to wait for the next resync.
            Err(Error::Unavailable(why)) => {
                let retry_in = self.queue.add_deferred(key.clone());
                explain!(Finish, queue, ?key, ?retry_in, "not possible now: tried again, and it does not count");
                // The first few are routine: a conflict since the cache was a moment behind, a garbage collector that
                // takes its time. What lasts for seconds people should know.
                let unlogged = if retry_in < ROUTINE { None } else { self.speak() };
                match unlogged {
                    Some(unlogged) => {
                        warn!(
                            queue,
                            ?key,
                            error = why,
                            ?retry_in,
                            unlogged,
                            "reconcile: not possible now, trying again"
                        );
                    }
                    None => debug!(queue, ?key, error = why, ?retry_in, "reconcile: not possible now, trying again"),
                }
                Ended::Deferred
            }
            Err(Error::Transient(why)) => {
                let attempt = self.queue.num_requeues(key) + 1;
                if attempt > self.policy.max_retries {
                    return self.give_up(key, &why, attempt).await;
                }
                // Retry: it may well help. Not forgotten: the count is what makes the retries rarer, and end.
                let retry_in = self.queue.add_rate_limited(key.clone());
                explain!(Finish, queue, ?key, attempt, ?retry_in, "it failed: one more failure counted, tried again");
                match self.speak() {
                    Some(unlogged) => {
                        warn!(queue, ?key, error = why, attempt, ?retry_in, unlogged, "reconcile failed, trying again");
                    }
                    None => debug!(queue, ?key, error = why, attempt, ?retry_in, "reconcile failed, trying again"),
                }
                Ended::Retry
            }
        }
    }

    /// The last retry has failed. The reconciler tells the owner, which is one more request that can fail.
    async fn give_up(&self, key: &K, why: &str, attempt: u32) -> Ended {
        let queue = self.queue.name();
        let told = caught(async { self.reconciler.gave_up(key, why).await }).await.unwrap_or_else(|panic| {
            error!(queue, ?key, error = %panic, "telling that a key was given up failed");
            Ok(Outcome::Settled)
        });
        match told {
            // Absorb: it did not help. Forgotten, so that a change or the next resync begins with fresh retries.
            Ok(outcome) => {
                error!(
                    queue,
                    ?key,
                    error = why,
                    attempt,
                    "reconcile failed, given up until something brings the key back"
                );
                self.forget(key);
                if let Outcome::RequeueAfter(delay) = outcome {
                    self.queue.add_after(key.clone(), delay);
                }
                Ended::GaveUp
            }
            // Retry: nobody knows yet. Not forgotten, so that the next failure leads straight back here.
            Err(untold) => {
                let retry_in = self.queue.add_deferred(key.clone());
                warn!(queue, ?key, error = why, %untold, ?retry_in, "reconcile failed, and giving up could not be told");
                Ended::Deferred
            }
        }
    }

    /// How many lines were left out (None for none), if it is time for one.
    fn speak(&self) -> Option<Option<u64>> {
        let unlogged = self.hush.lock().unwrap_or_else(PoisonError::into_inner).speak(Instant::now())?;
        Some(Some(unlogged).filter(|n| *n > 0))
    }

    /// The look came to an end: its failures are forgotten, and whatever was still to come is dropped. A retry of an
    /// earlier failure has lost its reason, and so has an earlier appointment: the look knows best when the next one is
    /// due.
    fn settle(&self, key: &K) {
        self.queue.forget(key);
        self.queue.cancel_after(key);
    }

    /// The row of failures is over, and with it a retry that may still be on its way: it was scheduled by an earlier
    /// failure, and a change of the key brought this look before it. Left alone it would start all over again. An
    /// appointment stays: this look could not make a new one.
    fn forget(&self, key: &K) {
        self.queue.forget(key);
        self.queue.cancel_retry(key);
    }
}

/// `59 d 22 h`, `1 h 30 min`, `12 s`: for people, who do not read five million seconds.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// What a panic said.
struct Panicked(Box<dyn Any + Send>);

/// The text of `panic!("…")`; where it happened has already been said by the panic hook.
impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            self.0.downcast_ref::<&str>().copied().or_else(|| self.0.downcast_ref::<String>().map(String::as_str));
        write!(f, "panicked: {}", text.unwrap_or("without a text"))
    }
}

/// Turns a panic of the future into an error.
///
/// `AssertUnwindSafe`: after a panic the reconciler may have left something half done. It is safe to go on because a
/// reconcile must be safe to repeat anyway: half done is where it starts from after a crash of the whole process, too.
async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(Panicked)
}
