//! The health of a cache: is it synced, and does its reflector run?

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use daemon::Telemetry;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// The state of one reflector, for workers, probes and `/readyz`.
#[derive(Debug, Default)]
pub struct Health {
    synced: watch::Sender<bool>,
    /// The last failure, until a watch sends events again.
    last_error: Mutex<Option<String>>,
    not_found: Notify,
    ended: AtomicBool,
}

impl Health {
    /// Creates it, and adds its checks to `/readyz` and `/healthz` under the name of the resource.
    pub fn new(resource: &str, telemetry: &Telemetry) -> Arc<Self> {
        let health = Arc::new(Health::default());
        let (synced, running) = (health.clone(), health.clone());
        telemetry.add_readiness(resource, move || synced.check_synced());
        telemetry.add_liveness(resource, move || running.check_running());
        health
    }

    /// Waits until the first list is in the cache and the handler has seen each of its changes.
    ///
    /// A worker that starts earlier would treat an object that is not listed yet as deleted. Cancel-safe.
    /// (client-go: `WaitForCacheSync`.)
    pub async fn wait_until_synced(&self) {
        // No error is possible: `self` owns the sender.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Waits for a 404 to a list or a watch: the API server does not serve this path, or not any more.
    ///
    /// The reflector continues to retry. The caller may replace it, for example with one for another version of the CRD.
    /// Cancel-safe.
    pub async fn wait_until_not_found(&self) {
        self.not_found.notified().await;
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

    /// Liveness: fails if the reflector has ended before the stop. Its cache is stale from then on.
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

    pub(super) fn notify_not_found(&self) {
        self.not_found.notify_one();
    }

    pub(super) fn set_last_error(&self, why: String) {
        *self.last_error.lock() = Some(why);
    }

    /// Clears the last failure, and returns whether there was one.
    pub(super) fn clear_last_error(&self) -> bool {
        self.last_error.lock().take().is_some()
    }

    pub(super) fn set_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
