//! The job: compares what the plugin knows with what the cache contains, and sends the difference as an event.
//!
//! The watch itself has ADDED, MODIFIED and DELETED, but after a reconnect it may repeat an event or lack one. The comparison is
//! right in both cases. Its promises:
//!
//! * **Nothing repeated**: an object in a version that the plugin has acknowledged is no event.
//! * **Nothing lost**: the last event of each object is its last state, or DELETED. States in between may be skipped.
//! * **DELETED has the last known object**, which may be newer than the version that the plugin knows.
//! * **Another object of the same name** (a new UID) is DELETED, then ADDED.
//! * **A failed ADDED stays an ADDED** at the next change. It may have had its effect, so DELETED follows as well.

use std::{sync::Arc, time::Duration};

use demo_controller::{
    explain,
    informer::{Change, Key, Object, PerKey, Store},
    worker::{Outcome, ReconcileError, Reconciler},
};
use parking_lot::Mutex;

use crate::{
    dynamic::Dynamic,
    plugin::{Config, Event, EventType, Level, Plugin},
    resource::Resource,
};

/// Sends events to a plugin, and its answers to the log.
pub struct Dispatcher<P> {
    store: Arc<Store<Dynamic>>,
    resource: Mutex<Arc<Resource>>,
    plugin: Arc<P>,
    config: Config,
    /// What the plugin knows. An entry is created with its first event and removed after DELETED.
    known: PerKey<Known>,
}

/// What the plugin knows of one object. The objects are usually shared with the cache.
struct Known {
    /// The version of the last event.
    sent: Arc<Dynamic>,
    /// The plugin has answered an event of this object.
    acknowledged: bool,
    /// The type of the last event.
    r#type: EventType,
    /// The last version in the cache, for DELETED.
    last: Arc<Dynamic>,
}

impl<P: Plugin> Dispatcher<P> {
    /// Creates a dispatcher whose plugin knows nothing yet.
    pub fn new(store: Arc<Store<Dynamic>>, resource: Arc<Resource>, plugin: Arc<P>, config: Config) -> Self {
        Dispatcher { store, resource: Mutex::new(resource), plugin, config, known: PerKey::default() }
    }

    /// Sets the resource of the next events, which is served in another version now.
    pub fn set_resource(&self, resource: Arc<Resource>) {
        *self.resource.lock() = resource;
    }

    /// Keeps the last version of an object that the plugin knows. Call it with each change of the cache, before its key is
    /// enqueued: a deletion removes the object from the cache.
    pub fn track(&self, change: &Change<Dynamic>) {
        let (Change::Added { new, .. } | Change::Updated { new, .. }) = change else { return };
        self.known.update(new.key(), |known| {
            if let Some(known) = known.as_mut().filter(|known| known.last.uid() == new.uid()) {
                known.last = new.clone();
            }
        });
    }

    /// Returns the next event of this object and notes it. One lock around both: a deletion in between would lose the last
    /// version.
    fn next(&self, key: &Key) -> Option<(EventType, Arc<Dynamic>)> {
        self.known.update(key, |entry| {
            let cached = self.store.get(key);
            let Some(known) = entry else {
                let (r#type, new) = (EventType::Added, cached?);
                *entry = Some(Known { sent: new.clone(), acknowledged: false, r#type, last: new.clone() });
                return Some((r#type, new));
            };
            let (r#type, object) = match cached {
                Some(new) if new.uid() != known.sent.uid() => (EventType::Deleted, known.last.clone()),
                None => (EventType::Deleted, known.last.clone()),
                Some(new) if !known.acknowledged => (EventType::Added, new),
                Some(new) if new.resource_version() != known.sent.resource_version() => (EventType::Modified, new),
                Some(_) => return None,
            };
            known.r#type = r#type;
            Some((r#type, object))
        })
    }

    fn acknowledge(&self, key: &Key, event: &Event) -> Outcome {
        if event.r#type == EventType::Deleted {
            return self.drop_deletion(key);
        }
        self.known.update(key, |known| {
            if let Some(known) = known {
                (known.sent, known.acknowledged) = (event.object.clone(), true);
            }
        });
        Outcome::AwaitChange
    }

    /// Forgets an object whose DELETED was answered or dropped. Any other event comes again when the object changes. If another
    /// object has the name now, its ADDED is next, with retries of its own.
    fn drop_deletion(&self, key: &Key) -> Outcome {
        self.known.update(key, |known| {
            let deleted = known.take_if(|known| known.r#type == EventType::Deleted);
            match deleted.and_then(|_| self.store.get(key)) {
                Some(_) => Outcome::RequeueAfter(Duration::ZERO),
                None => Outcome::AwaitChange,
            }
        })
    }
}

impl<P: Plugin> Reconciler<Key> for Dispatcher<P> {
    async fn reconcile(&self, key: &Key) -> Result<Outcome, ReconcileError> {
        let Some((r#type, object)) = self.next(key) else { return Ok(Outcome::AwaitChange) };
        let event = Event { r#type, object, resource: self.resource.lock().clone() };
        let r#type = r#type.as_str();
        explain!(Reconcile, object = %key, r#type, "the cache differs from what the plugin knows: the plugin gets an event");
        match self.plugin.handle_event(&event, &self.config).await {
            Ok((message, level)) => {
                log(level, &message, key, r#type);
                Ok(self.acknowledge(key, &event))
            }
            Err(ReconcileError::Permanent { why, .. }) => {
                tracing::error!(object = %key, r#type, error = why, "the plugin refuses this event, it is dropped");
                let requeue_after = match self.drop_deletion(key) {
                    Outcome::RequeueAfter(time) => Some(time),
                    Outcome::AwaitChange => None,
                };
                Err(ReconcileError::Permanent { why, requeue_after })
            }
            Err(error) => Err(error),
        }
    }

    /// The worker logs the ERROR line.
    async fn on_retries_exhausted(&self, key: &Key, _why: &str) -> Result<Outcome, ReconcileError> {
        Ok(self.drop_deletion(key))
    }
}

/// Logs the plugin's answer. (`tracing` needs the level at compile time.)
fn log(level: Level, message: &str, key: &Key, r#type: &str) {
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
