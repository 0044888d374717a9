//! Whether a cache can be relied on yet, and if not, why not.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

/// One reflector's state, as others may ask for it.
#[derive(Debug)]
pub struct Health {
    synced: watch::Sender<bool>,
    /// The last thing that went wrong, until something works again.
    trouble: Mutex<Option<String>>,
    unserved: Notify,
}

impl Default for Health {
    fn default() -> Self {
        Health { synced: watch::Sender::new(false), trouble: Mutex::new(None), unserved: Notify::new() }
    }
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

    /// For `/readyz`.
    ///
    /// # Errors
    /// What the cache waits for, with the last failure in its own words.
    pub fn check(&self) -> Result<(), String> {
        if *self.synced.borrow() {
            return Ok(());
        }
        let trouble = self.trouble();
        Err(format!("not synced: {}", trouble.as_deref().unwrap_or("waiting for the first list")))
    }

    pub(super) fn set_synced(&self) {
        self.synced.send_replace(true);
    }

    pub(super) fn set_unserved(&self) {
        self.unserved.notify_one();
    }

    pub(super) fn set_trouble(&self, why: String) {
        *self.trouble() = Some(why);
    }

    /// Whether there was any.
    pub(super) fn clear_trouble(&self) -> bool {
        self.trouble().take().is_some()
    }

    fn trouble(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
