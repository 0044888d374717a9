//! Objects, one revision counter, and the log of what changed.
//!
//! Promises:
//! * every change has its own revision, one more than the last; it is the object's resourceVersion;
//! * the log holds every change since the last compaction, in order; reading from an older revision fails with
//!   [`Compacted`];
//! * a collection can be read at any revision that the log still covers ([`Store::at`]).
//!
//! A watch is a cursor in the log, so a slow watch delays neither writes nor other watches. If the log is compacted past
//! its cursor, the watch gets an error and the client lists again.
//!
//! The store does no I/O, reads no clock and draws no random number.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
    sync::Arc,
};

use serde_json::Value;

use crate::{
    object::{GroupResource, Key, Object},
    owners::Owners,
};

/// A change of one object. No `before` means created, no `after` means deleted.
#[derive(Debug)]
pub struct Change {
    pub revision: u64,
    pub resource: GroupResource,
    pub key: Key,
    pub before: Option<Arc<Object>>,
    pub after: Option<Arc<Object>>,
    /// For a deletion: the last version with the revision of the deletion, for watches.
    pub tombstone: Option<Arc<Object>>,
    /// Size of the old versions that only the log still holds, as JSON. Computed once, because it may change later.
    size: usize,
}

/// The objects of a resource, in list order.
pub type Collection = BTreeMap<Key, Arc<Object>>;

/// The requested revision is from before the last compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The oldest available revision.
    pub oldest: u64,
}

/// All objects and the log of their changes.
pub struct Store {
    revision: u64,
    objects: HashMap<GroupResource, Collection>,
    owners: Owners,
    /// The revisions have no gap; the last one is [`Store::revision`].
    log: VecDeque<Arc<Change>>,
    /// The sum over all changes in the log.
    size: usize,
    limits: LogLimits,
}

/// Limits of the log; older changes are compacted.
#[derive(Clone, Copy, Debug)]
pub struct LogLimits {
    /// Maximum number of changes.
    pub changes: usize,
    /// Maximum size of the old versions, as JSON.
    pub bytes: usize,
}

impl Store {
    /// Creates an empty store.
    pub fn new(limits: LogLimits) -> Self {
        let (objects, owners, log) = (HashMap::new(), Owners::default(), VecDeque::new());
        // Not 0: to a client, version 0 means "any".
        Store { revision: 1, objects, owners, log, size: 0, limits }
    }

    /// The revision of the latest change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The oldest revision that [`Store::since`] and [`Store::at`] accept.
    pub fn oldest(&self) -> u64 {
        self.revision - self.log.len() as u64
    }

    /// The latest version of an object.
    pub fn get(&self, resource: &GroupResource, key: &Key) -> Option<&Arc<Object>> {
        self.objects.get(resource)?.get(key)
    }

    /// The latest collection; None if it was never written to.
    pub fn collection(&self, resource: &GroupResource) -> Option<&Collection> {
        self.objects.get(resource)
    }

    /// Every collection that was ever written to.
    pub fn collections(&self) -> impl Iterator<Item = (&GroupResource, &Collection)> {
        self.objects.iter()
    }

    /// The keys of a collection in one namespace.
    pub fn keys(&self, resource: &GroupResource, namespace: &str) -> impl Iterator<Item = &Key> {
        let from = self.objects.get(resource).map(|objects| objects.range(Key::new(namespace, "")..));
        from.into_iter().flatten().map(|(key, _)| key).take_while(move |key| key.namespace == namespace)
    }

    /// The objects with this UID in their owner references.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = &(GroupResource, Key)> {
        self.owners.dependents(uid)
    }

    /// Creates or replaces an object and sets its resourceVersion to the next revision.
    pub fn put(&mut self, resource: &GroupResource, key: Key, mut value: Value) -> Arc<Object> {
        let revision = self.revision + 1;
        value["metadata"]["resourceVersion"] = revision.to_string().into();
        let object = Arc::new(Object::new(value));
        let collection = self.objects.entry(resource.clone()).or_default();
        let before = collection.insert(key.clone(), object.clone());
        self.owners.change(resource, &key, before.as_deref().map(Object::value), Some(object.value()));
        let (after, size) = (Some(object.clone()), before.as_ref().map_or(0, |before| before.size()));
        self.append(Change { revision, resource: resource.clone(), key, before, after, tombstone: None, size });
        object
    }

    /// Deletes an object; returns the last version with the revision of the deletion.
    pub fn remove(&mut self, resource: &GroupResource, key: &Key) -> Option<Arc<Object>> {
        let before = self.objects.get_mut(resource)?.remove(key)?;
        self.owners.change(resource, key, Some(before.value()), None);
        let revision = self.revision + 1;
        let mut value = before.value().clone();
        value["metadata"]["resourceVersion"] = revision.to_string().into();
        let tombstone = Arc::new(Object::new(value));
        let (resource, key) = (resource.clone(), key.clone());
        // The tombstone has the same size.
        let size = 2 * before.size();
        let (before, tombstone) = (Some(before), Some(tombstone));
        self.append(Change { revision, resource, key, before, after: None, tombstone: tombstone.clone(), size });
        tombstone
    }

    fn append(&mut self, change: Change) {
        self.revision = change.revision;
        self.size += change.size;
        self.log.push_back(Arc::new(change));
        while self.log.len() > self.limits.changes || self.size > self.limits.bytes {
            let Some(oldest) = self.log.pop_front() else { break };
            self.size -= oldest.size;
        }
    }

    /// The changes after `revision`, oldest first.
    ///
    /// # Errors
    /// If the log does not cover `revision` any more.
    pub fn since(&self, revision: u64) -> Result<impl Iterator<Item = &Arc<Change>>, Compacted> {
        let oldest = self.oldest();
        let skip = revision.checked_sub(oldest).ok_or(Compacted { oldest })?;
        Ok(self.log.range((skip as usize).min(self.log.len())..))
    }

    /// A collection at `revision`: the latest one, with all later changes undone.
    ///
    /// # Errors
    /// If the log does not cover `revision` any more.
    pub fn at(&self, resource: &GroupResource, revision: u64) -> Result<Snapshot<'_>, Compacted> {
        let mut then = BTreeMap::new();
        for change in self.since(revision)?.filter(|change| &change.resource == resource) {
            // The first of several changes of an object has the version at `revision`.
            then.entry(&change.key).or_insert(change.before.as_ref());
        }
        Ok(Snapshot { now: self.objects.get(resource), then })
    }

    /// Clears the log; only the latest versions remain.
    pub fn compact(&mut self) {
        self.log.clear();
        self.size = 0;
    }
}

/// A collection at an older revision: the latest collection with old versions on top, without copies.
pub struct Snapshot<'a> {
    now: Option<&'a Collection>,
    /// None: the object did not exist.
    then: BTreeMap<&'a Key, Option<&'a Arc<Object>>>,
}

impl<'a> Snapshot<'a> {
    /// The objects from a key on, in list order.
    pub fn range(&self, from: Bound<&Key>) -> impl Iterator<Item = (&'a Key, &'a Arc<Object>)> {
        let same = self.now.into_iter().flat_map(move |now| now.range((from, Bound::Unbounded)));
        let mut same = same.filter(|(key, _)| !self.then.contains_key(key)).peekable();
        let other = self.then.range::<Key, _>((from, Bound::Unbounded));
        let mut other = other.filter_map(|(key, object)| Some((*key, (*object)?))).peekable();
        std::iter::from_fn(move || match (same.peek(), other.peek()) {
            (Some((same_key, _)), Some((other_key, _))) if same_key > other_key => other.next(),
            (Some(_), _) => same.next(),
            (None, _) => other.next(),
        })
    }
}

#[cfg(test)]
mod tests;
