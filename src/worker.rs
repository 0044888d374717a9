//! DO: get a key, reconcile, then forget or retry; always done.

use std::{future::Future, time::Duration};

/// What a reconcile that worked says about the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The world is as it should be. Look again when something changes.
    Settled,
    /// The world is as it should be, until then (a certificate falls due). Not a retry: nothing failed.
    Again(Duration),
    /// The object is gone: drop its timers.
    Gone,
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
        again: Option<Duration>,
    },
    /// The attempt failed and says something about the key: retried with backoff, so many times.
    #[error("{0}")]
    Transient(String),
    /// The attempt says nothing about the key (no connection, 429, a conflict): retried for as long as it takes.
    #[error("{0}")]
    Unavailable(String),
}

/// The business end of a controller.
pub trait Reconciler<K>: Send + Sync + 'static {
    /// Makes the world as the object named by `key` wants it. Must be safe to repeat, and looks the present state up:
    /// it is not told what happened. Dropped at an await point when the process ends.
    fn reconcile(&self, key: &K) -> impl Future<Output = Result<Outcome, Error>> + Send;

    /// Called once when a key has used up its retries, before it is forgotten.
    fn gave_up(&self, key: &K, why: &str) -> impl Future<Output = ()> + Send;
}
