//! Objects, one revision counter, and the log of what changed.
//!
//! Promises:
//! * every change has a revision of its own, one more than the last; it is the object's resourceVersion;
//! * the log holds every change since the last compaction, in order: whoever knows a revision can learn everything
//!   since, or is told that it is too late ([`Compacted`]);
//! * any revision that the log still reaches back to can be read as it was ([`Store::at`]).
//!
//! A watch is a cursor in the log, not a queue of its own. So a slow watcher delays nobody and has no queue that grows; one so
//! slow that the log has moved on is told that it is too late, like one that comes back after a long time away.
//!
//! A pure data structure: it does no I/O, reads no clock and draws no random number.

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

/// What happened to one object. No `before` means created, no `after` means deleted.
#[derive(Debug)]
pub struct Change {
    pub revision: u64,
    pub resource: GroupResource,
    pub key: Key,
    pub before: Option<Arc<Object>>,
    pub after: Option<Arc<Object>>,
    /// At a deletion: the last version, with the deletion's own revision, as watchers get it.
    pub tombstone: Option<Arc<Object>>,
    /// What the log alone keeps alive, in bytes of JSON: of what is there now, the store has the same copy. Counted once,
    /// which is nearly free: who asked for the version before has had its text made.
    weight: usize,
}

/// A collection, in order.
pub type Collection = BTreeMap<Key, Arc<Object>>;

/// The revision asked for is from before the last compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The oldest revision that can still be asked for.
    pub oldest: u64,
}

/// See the module.
pub struct Store {
    revision: u64,
    objects: HashMap<GroupResource, Collection>,
    owners: Owners,
    /// Revisions without a gap; the last is [`Store::revision`].
    log: VecDeque<Arc<Change>>,
    /// Of all changes in the log.
    weight: usize,
    bounds: Bounds,
}

/// How much the log keeps: what is older is compacted away.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// So many changes.
    pub changes: usize,
    /// So many bytes of JSON that only the log holds: a thousand changes of a large object are more than of a small one.
    pub bytes: usize,
}

impl Store {
    /// An empty store.
    pub fn new(bounds: Bounds) -> Self {
        let (objects, owners, log) = (HashMap::new(), Owners::default(), VecDeque::new());
        // Not 0: to a client, version 0 means "any". Nor 1: an empty etcd begins with 1, a server with its own objects.
        Store { revision: 1, objects, owners, log, weight: 0, bounds }
    }

    /// The revision of the latest change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The oldest revision that [`Store::since`] and [`Store::at`] accept.
    pub fn oldest(&self) -> u64 {
        self.revision - self.log.len() as u64
    }

    /// The present version of an object.
    pub fn get(&self, resource: &GroupResource, key: &Key) -> Option<&Arc<Object>> {
        self.objects.get(resource)?.get(key)
    }

    /// The present collection; None if nothing was ever in it.
    pub fn collection(&self, resource: &GroupResource) -> Option<&Collection> {
        self.objects.get(resource)
    }

    /// Every collection that was ever written to.
    pub fn collections(&self) -> impl Iterator<Item = (&GroupResource, &Collection)> {
        self.objects.iter()
    }

    /// What a collection holds in one namespace; costs nothing for those that it does not.
    pub fn names(&self, resource: &GroupResource, namespace: &str) -> impl Iterator<Item = &Key> {
        let from = self.objects.get(resource).map(|objects| objects.range(Key::new(namespace, "")..));
        from.into_iter().flatten().map(|(key, _)| key).take_while(move |key| key.namespace == namespace)
    }

    /// Everything that names this UID as an owner.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = &(GroupResource, Key)> {
        self.owners.dependents(uid)
    }

    /// Creates or replaces, under the next revision, which it writes into the object.
    pub fn put(&mut self, resource: &GroupResource, key: Key, mut value: Value) -> Arc<Object> {
        let revision = self.revision + 1;
        value["metadata"]["resourceVersion"] = revision.to_string().into();
        let object = Arc::new(Object::new(value));
        let collection = self.objects.entry(resource.clone()).or_default();
        let before = collection.insert(key.clone(), object.clone());
        self.owners.change(resource, &key, before.as_deref().map(Object::value), Some(object.value()));
        let (after, weight) = (Some(object.clone()), before.as_ref().map_or(0, |before| before.size()));
        self.append(Change { revision, resource: resource.clone(), key, before, after, tombstone: None, weight });
        object
    }

    /// Deletes, and returns the last version under the deletion's own revision, as watchers get it.
    pub fn remove(&mut self, resource: &GroupResource, key: &Key) -> Option<Arc<Object>> {
        let before = self.objects.get_mut(resource)?.remove(key)?;
        self.owners.change(resource, key, Some(before.value()), None);
        let revision = self.revision + 1;
        let mut value = before.value().clone();
        value["metadata"]["resourceVersion"] = revision.to_string().into();
        let tombstone = Arc::new(Object::new(value));
        let (resource, key) = (resource.clone(), key.clone());
        // The tombstone is as large.
        let weight = 2 * before.size();
        let (before, tombstone) = (Some(before), Some(tombstone));
        self.append(Change { revision, resource, key, before, after: None, tombstone: tombstone.clone(), weight });
        tombstone
    }

    fn append(&mut self, change: Change) {
        self.revision = change.revision;
        self.weight += change.weight;
        self.log.push_back(Arc::new(change));
        while self.log.len() > self.bounds.changes || self.weight > self.bounds.bytes {
            let Some(oldest) = self.log.pop_front() else { break };
            self.weight -= oldest.weight;
        }
    }

    /// Everything after `revision`, oldest first.
    ///
    /// # Errors
    /// When the log no longer reaches back so far.
    pub fn since(&self, revision: u64) -> Result<impl Iterator<Item = &Arc<Change>>, Compacted> {
        let oldest = self.oldest();
        let skip = revision.checked_sub(oldest).ok_or(Compacted { oldest })?;
        Ok(self.log.range((skip as usize).min(self.log.len())..))
    }

    /// A collection as it was at `revision`: the present one, with everything since undone.
    ///
    /// # Errors
    /// When the log no longer reaches back so far.
    pub fn at(&self, resource: &GroupResource, revision: u64) -> Result<Snapshot<'_>, Compacted> {
        let mut then = BTreeMap::new();
        for change in self.since(revision)?.filter(|change| &change.resource == resource) {
            // Of several changes of one object the first one knows what was there before them all.
            then.entry(&change.key).or_insert(change.before.as_ref());
        }
        Ok(Snapshot { now: self.objects.get(resource), then })
    }

    /// Forgets everything but the present.
    pub fn compact(&mut self) {
        self.log.clear();
        self.weight = 0;
    }
}

/// A collection as it was: nothing is copied, what has changed since is laid over the present.
pub struct Snapshot<'a> {
    now: Option<&'a Collection>,
    /// None: there was no such object then.
    then: BTreeMap<&'a Key, Option<&'a Arc<Object>>>,
}

impl<'a> Snapshot<'a> {
    /// In order, from a key on.
    pub fn range(&self, from: Bound<&Key>) -> impl Iterator<Item = (&'a Key, &'a Arc<Object>)> {
        let same = self.now.into_iter().flat_map(move |now| now.range((from, Bound::Unbounded)));
        let mut same = same.filter(|(key, _)| !self.then.contains_key(key)).peekable();
        let other = self.then.range::<Key, _>((from, Bound::Unbounded));
        let mut other = other.filter_map(|(key, object)| Some((*key, (*object)?))).peekable();
        std::iter::from_fn(move || match (same.peek(), other.peek()) {
            (Some((here, _)), Some((there, _))) if here > there => other.next(),
            (Some(_), _) => same.next(),
            (None, _) => other.next(),
        })
    }
}

#[cfg(test)]
mod tests;
