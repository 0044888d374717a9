//! The informer: keeps a copy of a resource in memory.
//!
//! A controller reads the current state much more often than it changes. A request for each read would overload the API
//! server, so an informer keeps a copy: it lists once and then watches. Reading order:
//!
//! 1. [`Key`]: `namespace/name`, the item of every queue.
//! 2. [`Store`]: the copy, and the [`Change`]s of it.
//! 3. [`list_watch`]: the two requests. [`json`] and [`protobuf`] decode their responses.
//! 4. [`machine`]: the next request after each kind of response. The most important file of this folder.
//! 5. [`Reflector`]: the loop that sends these requests. `backoff.rs` and `health.rs` belong to it.
//! 6. [`Resync`]: enqueues every key again, which is not the same as listing again.
//! 7. [`Informer`], in this file: a store with its reflector, as a controller uses it.
//!
//! An informer promises the last state of each object, sooner or later. It does *not* promise every state in between, nor two
//! changes for a deletion followed by a creation. Code that needs no more than that is called **level-triggered**.
//!
//! The next module is [`crate::workqueue`].

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use daemon::Telemetry;
use kube::Client;
use tokio_util::sync::CancellationToken;

mod backoff;
mod health;
pub mod json;
mod key;
pub mod list_watch;
pub mod machine;
mod metrics;
mod per_key;
pub mod protobuf;
mod reflector;
mod resync;
mod store;

pub use backoff::{Backoff, LONGEST as LONGEST_BACKOFF};
pub use health::Health;
pub use key::Key;
pub use list_watch::{ListRequest, ListWatch, Page, Undecodable, Watch, WatchEvent};
pub use metrics::ReflectorMetrics;
pub use per_key::PerKey;
pub use reflector::Reflector;
pub use resync::Resync;
pub use store::{Change, Store};

/// An object of the cache.
///
/// Implementors decode themselves from JSON (`serde::Deserialize`) and keep only the fields that are used.
pub trait Object: serde::de::DeserializeOwned + Send + Sync + 'static {
    /// Decodes the object from protobuf. Built-in types have it, custom resources do not.
    const PROTOBUF: Option<fn(Bytes) -> Result<Self, String>> = None;

    /// `namespace/name`.
    fn key(&self) -> &Key;
    /// The UID. It differs from that of a later object of the same name.
    fn uid(&self) -> &str;
    /// The `resourceVersion`. Opaque: compared for equality, never for order.
    fn resource_version(&self) -> &str;
    /// Whether a later version differs in the resourceVersion only, and nothing uses that. Then the store keeps this object: no
    /// event handler is called.
    fn is_unchanged_in(&self, _later: &Self) -> bool {
        false
    }
    /// The values under which [`Store::by_index`] finds the object (client-go: `IndexFunc`).
    fn indexed_values(&self) -> &[Key] {
        &[]
    }
}

/// The cache of one resource: a store, and the reflector that keeps it up to date.
pub struct Informer<T>(Reflector<T>);

impl<T: Object> Informer<T> {
    /// Creates an empty cache of the collection at `path`. `resource` is its name in the log and the metrics.
    ///
    /// `watch_idle`: see [`Reflector::watch_idle`].
    pub fn new(
        client: Client,
        resource: &'static str,
        path: String,
        watch_idle: Duration,
        telemetry: &Telemetry,
    ) -> Self {
        Informer(Reflector {
            resource,
            list_watch: ListWatch::new(client, path),
            store: Arc::new(Store::new()),
            health: Health::new(resource, telemetry),
            watch_idle,
            metrics: telemetry.metrics(),
        })
    }

    /// Returns the store, for reading.
    pub fn store(&self) -> Arc<Store<T>> {
        self.0.store.clone()
    }

    /// Waits until the first list is in the cache and the handler has seen each of its changes. Cancel-safe.
    pub fn wait_until_synced(&self) -> impl Future<Output = ()> + Send + 'static + use<T> {
        let health = self.0.health.clone();
        async move { health.wait_until_synced().await }
    }

    /// Keeps the store up to date and calls `on_change` with each change, until `stop`. See [`Reflector::run`].
    pub async fn run(self, stop: CancellationToken, on_change: impl Fn(Change<T>)) {
        self.0.run(stop, on_change).await;
    }
}

/// Returns the path of a collection, in one namespace or in all: `/apis/box.com/v1/namespaces/app1/pkis`.
pub fn collection_path(group_path: &str, namespace: Option<&str>, plural: &str) -> String {
    match namespace {
        Some(namespace) => format!("{group_path}/namespaces/{namespace}/{plural}"),
        None => format!("{group_path}/{plural}"),
    }
}

#[cfg(test)]
pub(crate) mod tests;
