//! What the plugin is told: a comparison of what it was told last with what the cache holds now.
//!
//! The watch itself says ADDED, MODIFIED and DELETED, but its words are not ours: after a reconnect it repeats what we
//! know, and what happened while it was away it never says. The comparison is right in both cases. Its promises, one
//! test each:
//!
//! * **Nothing repeated**: an object in a version that the plugin has acknowledged is no event.
//! * **Nothing lost**: the plugin's last word on each object is its last state, or that it is gone. States in between
//!   may be skipped, and an object that came and went before the plugin heard of it is not mentioned.
//! * **DELETED brings the object as it was last known**, which may be newer than what the plugin was told of.
//! * **Another object of the same name** (a new UID) is DELETED, then ADDED.
//! * **In order**: the queue never lets two workers at one object.
//! * **Unacknowledged is not told**: an ADDED that the plugin failed at stays an ADDED at the next change. But it may have
//!   had its effect before it failed, so that the end of such an object is told, too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Config, Dynamic, Event, EventType, Level, Plugin, Resource};
use crate::{
    explain,
    informer::{Change, Key, Object, Store},
    text::one_line,
    worker::{Error, Outcome, Reconciler},
};

/// The job, as the worker sees it.
pub struct Deliver<P> {
    store: Arc<Store<Dynamic>>,
    resource: Mutex<Arc<Resource>>,
    plugin: Arc<P>,
    config: Config,
    /// What the plugin knows, for each object that it was told of. Pointers into the cache, as a rule, so that an entry
    /// costs no copy. Entries go with their objects.
    told: Mutex<HashMap<Key, Told>>,
}

/// What the plugin was told of an object.
struct Told {
    /// The version that it was told of.
    version: Arc<Dynamic>,
    /// It has said that it is done with it.
    acknowledged: bool,
    /// What it is being told, or was told last.
    r#type: EventType,
    /// The last version that we heard of, of this very object. It is what DELETED brings.
    last: Arc<Dynamic>,
}

impl<P: Plugin> Deliver<P> {
    /// A job that has told nothing yet.
    pub fn new(store: Arc<Store<Dynamic>>, resource: Arc<Resource>, plugin: Arc<P>, config: Config) -> Self {
        Deliver { store, resource: Mutex::new(resource), plugin, config, told: Mutex::default() }
    }

    /// From now on the objects come as this, in another version of the same resource.
    pub fn moved(&self, resource: Arc<Resource>) {
        *self.resource.lock().unwrap_or_else(PoisonError::into_inner) = resource;
    }

    /// Takes notice of a change in the cache, before its key goes on the queue. When the object goes, the cache forgets
    /// it; so its last version is kept here, if the plugin has to be told of the end.
    pub fn notice(&self, change: &Change<Dynamic>) {
        let (Change::Added { new, .. } | Change::Updated { new, .. }) = change else { return };
        if let Some(told) = self.told().get_mut(new.key())
            && told.last.uid() == new.uid()
        {
            told.last = new.clone();
        }
    }

    /// The next thing to tell of this object. Notes that it is being told.
    ///
    /// One lock around the look at the cache and the note. Were the object to go between the two, nobody would keep its
    /// last version.
    fn next(&self, key: &Key) -> Option<(EventType, Arc<Dynamic>)> {
        let mut all = self.told();
        let now = self.store.get(key);
        let Some(told) = all.get_mut(key) else {
            let (r#type, new) = (EventType::Added, now?);
            let told = Told { version: new.clone(), acknowledged: false, r#type, last: new.clone() };
            all.insert(key.clone(), told);
            return Some((r#type, new));
        };
        let (r#type, object) = match now {
            Some(new) if new.uid() != told.version.uid() => (EventType::Deleted, told.last.clone()),
            None => (EventType::Deleted, told.last.clone()),
            Some(new) if !told.acknowledged => (EventType::Added, new),
            Some(new) if new.resource_version() != told.version.resource_version() => (EventType::Modified, new),
            Some(_) => return None,
        };
        told.r#type = r#type;
        Some((r#type, object))
    }

    /// The plugin is done with it.
    fn acknowledge(&self, key: &Key, event: &Event) {
        let mut all = self.told();
        if event.r#type == EventType::Deleted {
            all.remove(key);
        } else if let Some(told) = all.get_mut(key) {
            (told.version, told.acknowledged) = (event.object.clone(), true);
        }
    }

    fn told(&self) -> MutexGuard<'_, HashMap<Key, Told>> {
        // A panic while it was held leaves whole entries: each is written in one go.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Plugin> Reconciler<Key> for Deliver<P> {
    async fn reconcile(&self, key: &Key) -> Result<Outcome, Error> {
        let Some((r#type, object)) = self.next(key) else { return Ok(Outcome::Settled) };
        let resource = self.resource.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let event = Event { r#type, object, resource };
        explain!(Reconcile, object = %key, %r#type, "the cache differs from what the plugin was told: it is told");
        match self.plugin.handle_event(&event, &self.config).await {
            Ok((message, level)) => {
                self.acknowledge(key, &event);
                say(level, &message, key, r#type);
                // An end may be followed by a new beginning. That is a look of its own, with retries of its own.
                Ok(if r#type == EventType::Deleted { self.beginning(key) } else { Outcome::Settled })
            }
            Err(Error::Permanent { why, .. }) => {
                tracing::error!(object = %key, %r#type, error = why, "the plugin refuses this event: given up");
                let requeue_after = match self.forget_end(key) {
                    Outcome::RequeueAfter(time) => Some(time),
                    Outcome::Settled => None,
                };
                Err(Error::Permanent { why, requeue_after })
            }
            Err(error) => Err(error),
        }
    }

    /// The worker's ERROR line tells of it.
    async fn gave_up(&self, key: &Key, _why: &str) -> Result<Outcome, Error> {
        Ok(self.forget_end(key))
    }
}

impl<P: Plugin> Deliver<P> {
    /// What was being told is given up. An end is forgotten for good, as nothing would ever bring it up again. Anything
    /// else stays untold until the object changes.
    fn forget_end(&self, key: &Key) -> Outcome {
        let mut all = self.told();
        if all.get(key).is_none_or(|told| told.r#type != EventType::Deleted) {
            return Outcome::Settled;
        }
        all.remove(key);
        drop(all);
        self.beginning(key)
    }

    /// After an end: if another object has taken the name, it is looked at next.
    fn beginning(&self, key: &Key) -> Outcome {
        match self.store.get(key) {
            Some(_) => Outcome::RequeueAfter(Duration::ZERO),
            None => Outcome::Settled,
        }
    }
}

/// The plugin's answer, as a line of the log. (A macro of `tracing` needs to know its level when it is compiled.)
fn say(level: Level, message: &str, key: &Key, r#type: EventType) {
    let message = one_line(message);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(object = %key, r#type = %r#type, "{message}")
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
#[path = "deliver_tests.rs"]
mod tests;
