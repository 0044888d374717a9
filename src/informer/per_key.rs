//! The state that a reconciler keeps for each object.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::Key;

/// A value per key, such as the last logged state of a pod.
///
/// The reconciler removes the value when the object is deleted, so there are never more values than objects. The lock is for workers with different keys: no two workers have the same key at once.
pub struct PerKey<V>(Mutex<HashMap<Key, V>>);

impl<V> PerKey<V> {
    /// Calls `change` with the key's value, which it may set, replace or take. It runs under the lock, so it must be quick.
    pub fn update<R>(&self, key: &Key, change: impl FnOnce(&mut Option<V>) -> R) -> R {
        let mut values = self.0.lock();
        let mut value = values.remove(key);
        let result = change(&mut value);
        if let Some(value) = value {
            values.insert(key.clone(), value);
        }
        result
    }

    /// Removes the key's value.
    pub fn forget(&self, key: &Key) {
        self.0.lock().remove(key);
    }

    /// Returns whether no key has a value.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

impl<V> Default for PerKey<V> {
    fn default() -> Self {
        PerKey(Mutex::default())
    }
}
