//! A value per object, beside the cache.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::Key;

/// A value per object, such as its state that was last logged.
///
/// The reconciler that owns it forgets an object's value when the object is gone, so there are never more values than
/// objects. No two workers have the same key at once; the lock is for workers that have different keys.
pub struct PerKey<V>(Mutex<HashMap<Key, V>>);

impl<V> PerKey<V> {
    /// Calls `change` with the key's value, which it may add, replace or take. `change` must be quick: it holds the lock.
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
