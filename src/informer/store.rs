//! The store: the last known state of every object, and an index.
//!
//! The index finds objects by something else than their key. Pods are indexed by the Secrets that they mount, so the
//! question "which pods mount this Secret?" costs one look-up, not a scan of every pod.
//!
//! Its promises, one test each:
//!
//! * **Swap**: [`replace`](Store::replace) replaces the content by a new list at once; no reader ever sees half of it.
//! * **Deletions**: `replace` returns a deletion for each object that is not in the new list. It was deleted while the watch
//!   was disconnected, and no watch event will report that.
//! * **Stingy**: an object with the cached resourceVersion, or without a difference in the fields that are used, is not a change.
//! * **Index**: the index and the objects change under one lock and never disagree.
//!
//! The store lags behind the API server: usually by milliseconds, by minutes when the connection is down. So each write of
//! a reconciler carries the `resourceVersion` that it is based on: a write based on an old version fails (409).

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
};

use parking_lot::RwLock;

use super::{Key, Object};

/// The cached objects of one resource. One reflector writes, any number of readers read.
///
/// A reader gets an `Arc`, not a copy, and cannot modify the object in the cache. (In Go, such a write is a common bug; here
/// it does not compile.)
pub struct Store<T> {
    /// Not tokio's lock: it is never held across an await, and only for the time of a map operation.
    inner: RwLock<Inner<T>>,
}

struct Inner<T> {
    objects: HashMap<Key, Arc<T>>,
    /// Indexed value -> keys of the objects that have it. An empty set is removed, so that the map does not grow forever.
    index: HashMap<Key, HashSet<Key>>,
    /// Whether the first list has arrived.
    is_listed: bool,
}

/// A change of the cache.
///
/// Computed from the old and the new content, so it is also right after a reconnect, when the watch's own ADDED and MODIFIED
/// are not.
#[derive(Debug)]
pub enum Change<T> {
    /// An object that was not in the cache.
    Added {
        /// The object.
        new: Arc<T>,
        /// Whether it is from the first list: then it existed before this process started.
        is_in_initial_list: bool,
    },
    /// An object in another version. Pitfall: it may have another UID, if it was deleted and created again before the watch
    /// showed the deletion. See [`Change::is_replacement`].
    Updated {
        /// As it was in the cache until now.
        old: Arc<T>,
        /// As it is now.
        new: Arc<T>,
    },
    /// A deleted object, in its last known state.
    Deleted(Arc<T>),
}

impl<T: Object> Change<T> {
    /// The key of the object that changed.
    pub fn key(&self) -> &Key {
        match self {
            Change::Added { new, .. } | Change::Updated { new, .. } => new.key(),
            Change::Deleted(old) => old.key(),
        }
    }

    /// Whether the object was deleted and created again: the same name, another UID.
    pub fn is_replacement(&self) -> bool {
        matches!(self, Change::Updated { old, new } if old.uid() != new.uid())
    }
}

impl<T: Object> Default for Store<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Object> Store<T> {
    /// An empty store.
    pub fn new() -> Self {
        Store { inner: RwLock::new(Inner { objects: HashMap::new(), index: HashMap::new(), is_listed: false }) }
    }

    /// The object with this key. None: it is deleted, or not listed yet.
    pub fn get(&self, key: &Key) -> Option<Arc<T>> {
        self.inner.read().objects.get(key).cloned()
    }

    /// The objects that have this [indexed value](Object::indexed_values), in no particular order.
    pub fn by_index(&self, indexed_value: &Key) -> Vec<Arc<T>> {
        let inner = self.inner.read();
        inner.index.get(indexed_value).into_iter().flatten().filter_map(|key| inner.objects.get(key).cloned()).collect()
    }

    /// Every key, in no particular order.
    pub fn keys(&self) -> Vec<Key> {
        self.inner.read().objects.keys().cloned().collect()
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.inner.read().objects.len()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds or updates an object of the watch. None: this version is already cached.
    pub fn apply(&self, object: T) -> Option<Change<T>> {
        let new = Arc::new(object);
        let mut inner = self.inner.write();
        let old = inner.objects.get(new.key()).cloned();
        if old.as_ref().is_some_and(|old| is_same::<T>(old, &new)) {
            return None;
        }
        if let Some(old) = &old {
            inner.unindex(old);
        }
        inner.index(&new);
        inner.objects.insert(new.key().clone(), new.clone());
        Some(match old {
            Some(old) => Change::Updated { old, new },
            None => Change::Added { new, is_in_initial_list: false },
        })
    }

    /// Removes an object. None: it was not cached.
    pub fn delete(&self, key: &Key) -> Option<Change<T>> {
        let mut inner = self.inner.write();
        let old = inner.objects.remove(key)?;
        inner.unindex(&old);
        Some(Change::Deleted(old))
    }

    /// Replaces everything by a complete new list, and returns the changes: deletions first, so that a reader of the changes
    /// never has more objects than exist.
    ///
    /// `undecodable`: objects of the list that do not decode. Their last good version stays.
    pub fn replace(&self, list: Vec<T>, undecodable: &[Key]) -> Vec<Change<T>> {
        // All slow work happens before the write lock. That is safe, because only the reflector writes.
        let mut fresh: Inner<T> =
            Inner { objects: HashMap::with_capacity(list.len()), index: HashMap::new(), is_listed: true };
        let mut changes = Vec::new();
        {
            let present = self.inner.read();
            for object in list {
                let new = Arc::new(object);
                let new = match present.objects.get(new.key()) {
                    // The same version: keep the cached object, so that equal stays pointer-equal.
                    Some(old) if is_same::<T>(old, &new) => old.clone(),
                    Some(old) => {
                        changes.push(Change::Updated { old: old.clone(), new: new.clone() });
                        new
                    }
                    None => {
                        changes.push(Change::Added { new: new.clone(), is_in_initial_list: !present.is_listed });
                        new
                    }
                };
                fresh.index(&new);
                fresh.objects.insert(new.key().clone(), new);
            }
            for old in undecodable.iter().filter_map(|key| present.objects.get(key)) {
                fresh.index(old);
                fresh.objects.insert(old.key().clone(), old.clone());
            }
        }
        let before = mem::replace(&mut *self.inner.write(), fresh);

        let present = self.inner.read();
        let gone = before.objects.into_values().filter(|old| !present.objects.contains_key(old.key()));
        let mut all: Vec<_> = gone.map(Change::Deleted).collect();
        all.append(&mut changes);
        all
    }
}

/// Versions are opaque: only equality has a meaning.
fn is_same<T: Object>(old: &T, new: &T) -> bool {
    (old.resource_version() == new.resource_version() && old.uid() == new.uid()) || old.is_unchanged_in(new)
}

impl<T: Object> Inner<T> {
    fn index(&mut self, object: &T) {
        for key in object.indexed_values() {
            self.index.entry(key.clone()).or_default().insert(object.key().clone());
        }
    }

    fn unindex(&mut self, object: &T) {
        for key in object.indexed_values() {
            if let Some(keys) = self.index.get_mut(key) {
                keys.remove(object.key());
                if keys.is_empty() {
                    self.index.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
