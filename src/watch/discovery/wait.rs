//! Asking again and again, until there is something to watch.
//!
//! A resource that is not served is no reason to end: its CRD may come a minute later, from the same `kubectl apply` as
//! this program, and an ambiguous name may become clear. So the program stays, is not ready, and says why.

use std::sync::{Mutex, PoisonError};

use kube::Client;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::find;
use crate::{
    informer::{Backoff, LONGEST_BACKOFF},
    watch::{Resource, Wanted},
};

/// Whether it has been found yet, and if not, why not. For `/readyz`.
#[derive(Debug)]
pub struct Waiting(Mutex<Result<(), String>>);

impl Default for Waiting {
    fn default() -> Self {
        Waiting(Mutex::new(Err("the API server is being asked for it".to_owned())))
    }
}

impl Waiting {
    /// For `/readyz`.
    ///
    /// # Errors
    /// Why there is nothing to watch yet.
    pub fn check(&self) -> Result<(), String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It was found once, and is served there no more.
    pub fn lost(&self, path: &str) {
        self.set(Err(format!("the API server serves {path} no more, and is asked where it is now")));
    }

    /// Whether it was something else before.
    fn set(&self, state: Result<(), String>) -> bool {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), state.clone());
        before != state
    }
}

/// Asks until the resource is found, with the informer's backoff between two searches (0.8 s, doubling, at most 30 s).
/// None: `stop` came first.
///
/// The reason is in `waiting` all the time, and in the log whenever it is another one.
///
/// Cancellation: `stop` ends it at the next await; dropping the future does as well.
pub async fn wait(
    client: &Client,
    wanted: &Wanted,
    namespace: Option<&str>,
    waiting: &Waiting,
    stop: &CancellationToken,
) -> Option<Resource> {
    let mut backoff = Backoff::default();
    loop {
        let answer = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            answer = find(client, wanted, namespace) => answer,
        };
        let reason = match answer {
            Ok(resource) => {
                waiting.set(Ok(()));
                tracing::info!(%wanted, path = resource.path, kind = resource.kind, "the resource is served");
                if let Some(namespace) = wanted.namespace(namespace).filter(|_| !resource.namespaced) {
                    tracing::warn!(
                        resource = resource.name,
                        namespace,
                        "it has no namespaces, so the one given is ignored"
                    );
                }
                return Some(resource);
            }
            Err(reason) => reason,
        };
        let asked = reason.retry_after().unwrap_or_default();
        let pause = backoff.next(rand::random()).max(asked.min(LONGEST_BACKOFF));
        if waiting.set(Err(reason.to_string())) {
            tracing::warn!(%wanted, %reason, "nothing to watch yet, will ask again");
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            () = sleep(pause) => {}
        }
    }
}

#[cfg(test)]
#[path = "wait_tests.rs"]
mod tests;
