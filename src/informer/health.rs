//! Whether a cache can be relied on yet, and if not, why not.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// One reflector's state, as others may ask for it.
#[derive(Debug, Default)]
pub struct Health {
    synced: watch::Sender<bool>,
    /// The last thing that went wrong, until something works again.
    last_error: Mutex<Option<String>>,
    unserved: Notify,
    ended: AtomicBool,
}

impl Health {
    /// Waits until the first list is in the cache and every change that it brought has been handed on.
    ///
    /// A worker that starts sooner takes a missing object for a deleted one. Cancel-safe.
    pub async fn synced(&self) {
        // The sender lives in self, so this cannot fail.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Waits until a list or a watch is answered with 404: the API server does not serve this path, or does not any more.
    ///
    /// The reflector goes on to ask. Who knows another path for the same objects (a definition's other version) ends it
    /// and starts one there. Cancel-safe.
    pub async fn unserved(&self) {
        self.unserved.notified().await;
    }

    /// Readiness: succeeds once the first list is in the cache.
    ///
    /// # Errors
    /// The last failure of a request, before that.
    pub fn check_synced(&self) -> Result<(), String> {
        if *self.synced.borrow() {
            return Ok(());
        }
        let last_error = self.last_error.lock();
        Err(format!("not synced: {}", last_error.as_deref().unwrap_or("waiting for the first list")))
    }

    /// Liveness: fails when the reflector has ended although nothing stopped it. The cache is stale from then on.
    ///
    /// # Errors
    /// The reflector has ended.
    pub fn check_running(&self) -> Result<(), String> {
        match self.ended.load(Ordering::Relaxed) {
            true => Err("the reflector has ended, the cache is not updated any more: restart the process".to_owned()),
            false => Ok(()),
        }
    }

    pub(super) fn set_synced(&self) {
        self.synced.send_replace(true);
    }

    pub(super) fn set_unserved(&self) {
        self.unserved.notify_one();
    }

    pub(super) fn set_last_error(&self, why: String) {
        *self.last_error.lock() = Some(why);
    }

    /// Returns whether there was a failure to clear.
    pub(super) fn clear_last_error(&self) -> bool {
        self.last_error.lock().take().is_some()
    }

    pub(super) fn set_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
