//! The reconciler: compares the cache with what was delivered to the plugin, and sends the difference as an event.
//!
//! A watch has ADDED, MODIFIED and DELETED, too, but after a reconnect it may repeat or skip events. The comparison is
//! right in both cases. Its promises:
//!
//! * **No repeated event**: a version that the plugin has acknowledged is not sent again.
//! * **No lost event**: the last event of each object is its last state, or DELETED. States in between may be skipped.
//! * **DELETED has the last known object**, which may be newer than the last one that was delivered.
//! * **Another object of the same name** (a new UID) is DELETED, then ADDED.
//! * **A failed ADDED stays an ADDED** at the next change. The plugin may have handled it, so DELETED follows as well.

use std::{sync::Arc, time::Duration};

use demo_controller::{
    explain,
    informer::{Change, Key, Object, PerKey, Store},
    worker::{Action, ReconcileError, Reconciler},
};
use parking_lot::Mutex;

use crate::{
    dynamic::DynamicObject,
    plugin::{Config, Event, EventType, Level, Plugin},
    resource::Resource,
};

/// Sends events to a plugin, and logs the responses.
pub struct Dispatcher<P> {
    store: Arc<Store<DynamicObject>>,
    resource: Mutex<Arc<Resource>>,
    plugin: Arc<P>,
    config: Config,
    /// An entry is created with the first event of an object and removed after DELETED.
    delivered: PerKey<Delivered>,
}

/// The delivery state of one object. The versions are usually shared with the cache.
struct Delivered {
    /// The version in the last acknowledged event, else in the first event.
    sent: Arc<DynamicObject>,
    /// Whether the plugin has acknowledged an event of this object.
    acknowledged: bool,
    /// The type of the last event.
    r#type: EventType,
    /// The last version in the cache, for DELETED.
    latest: Arc<DynamicObject>,
}

impl<P: Plugin> Dispatcher<P> {
    /// Creates a dispatcher that has delivered nothing yet.
    pub fn new(store: Arc<Store<DynamicObject>>, resource: Arc<Resource>, plugin: Arc<P>, config: Config) -> Self {
        Dispatcher { store, resource: Mutex::new(resource), plugin, config, delivered: PerKey::default() }
    }

    /// Sets the resource of the next events, after it has moved to another version.
    pub fn set_resource(&self, resource: Arc<Resource>) {
        *self.resource.lock() = resource;
    }

    /// Keeps the latest version of a delivered object for DELETED, because a deletion removes the object from the cache.
    /// Call it with each change of the cache, before enqueueing the key.
    pub fn track(&self, change: &Change<DynamicObject>) {
        let (Change::Added { new, .. } | Change::Updated { new, .. }) = change else { return };
        self.delivered.update(new.key(), |entry| {
            if let Some(delivered) = entry.as_mut().filter(|delivered| delivered.latest.uid() == new.uid()) {
                delivered.latest = new.clone();
            }
        });
    }

    /// Returns the next event of this object and stores it. One lock for both: a deletion in between would lose the
    /// latest version.
    fn next_event(&self, key: &Key) -> Option<(EventType, Arc<DynamicObject>)> {
        self.delivered.update(key, |entry| {
            let cached = self.store.get(key);
            let Some(delivered) = entry else {
                let (r#type, new) = (EventType::Added, cached?);
                *entry = Some(Delivered { sent: new.clone(), acknowledged: false, r#type, latest: new.clone() });
                return Some((r#type, new));
            };
            let (r#type, object) = match cached {
                Some(new) if new.uid() != delivered.sent.uid() => (EventType::Deleted, delivered.latest.clone()),
                None => (EventType::Deleted, delivered.latest.clone()),
                Some(new) if !delivered.acknowledged => (EventType::Added, new),
                Some(new) if new.resource_version() != delivered.sent.resource_version() => (EventType::Modified, new),
                Some(_) => return None,
            };
            delivered.r#type = r#type;
            Some((r#type, object))
        })
    }

    fn acknowledge(&self, key: &Key, event: &Event) -> Action {
        if event.r#type == EventType::Deleted {
            return self.remove_deleted(key);
        }
        self.delivered.update(key, |entry| {
            if let Some(delivered) = entry {
                (delivered.sent, delivered.acknowledged) = (event.object.clone(), true);
            }
        });
        Action::AwaitChange
    }

    /// Removes the entry of an object whose DELETED was acknowledged or dropped. After any other dropped event the entry
    /// stays, and the next change is sent. If another object has the name now, its ADDED is next, with its own retries.
    fn remove_deleted(&self, key: &Key) -> Action {
        self.delivered.update(key, |entry| {
            let deleted = entry.take_if(|delivered| delivered.r#type == EventType::Deleted);
            match deleted.and_then(|_| self.store.get(key)) {
                Some(_) => Action::RequeueAfter(Duration::ZERO),
                None => Action::AwaitChange,
            }
        })
    }
}

impl<P: Plugin> Reconciler<Key> for Dispatcher<P> {
    async fn reconcile(&self, key: &Key) -> Result<Action, ReconcileError> {
        let Some((r#type, object)) = self.next_event(key) else { return Ok(Action::AwaitChange) };
        let event = Event { r#type, object, resource: self.resource.lock().clone() };
        let r#type = r#type.as_str();
        explain!(Reconcile, object = %key, r#type, "the cache differs from what was delivered: send an event to the plugin");
        match self.plugin.handle_event(&event, &self.config).await {
            Ok((message, level)) => {
                log_response(level, &message, key, r#type);
                Ok(self.acknowledge(key, &event))
            }
            Err(ReconcileError::Permanent { why, .. }) => {
                tracing::error!(object = %key, r#type, error = why, "the plugin rejected the event, it is dropped");
                let requeue_after = match self.remove_deleted(key) {
                    Action::RequeueAfter(time) => Some(time),
                    Action::AwaitChange => None,
                };
                Err(ReconcileError::Permanent { why, requeue_after })
            }
            Err(error) => Err(error),
        }
    }

    /// The worker logs the error.
    async fn on_retries_exhausted(&self, key: &Key, _why: &str) -> Result<Action, ReconcileError> {
        Ok(self.remove_deleted(key))
    }
}

/// Logs the plugin's response. (`tracing` needs the level at compile time.)
fn log_response(level: Level, message: &str, key: &Key, r#type: &str) {
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(object = %key, r#type, "{message}")
        };
    }
    match level {
        Level::Trace => line!(trace),
        Level::Debug => line!(debug),
        Level::Info => line!(info),
        Level::Warn => line!(warn),
        Level::Error => line!(error),
    }
}

#[cfg(test)]
mod tests;
