//! Delayed keys: a pure priority queue of keys by due time.
//!
//! 1. A key has one due time. A second one for the same key replaces it only if it is **earlier**.
//! 2. Keys are returned in the order of their due times, then in the order of their insertion.
//! 3. A cancelled key uses no memory.
//!
//! Why not a binary heap? It cannot remove an entry from its middle, so a cancelled renewal would stay for months. A B-tree
//! can remove any entry.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use tokio::time::Instant;

/// A due time, and a number that orders entries with the same due time by age.
type Slot = (Instant, u64);

/// Keys by due time.
#[derive(Debug)]
pub struct DelayQueue<K> {
    /// The keys by due time, earliest first. It always has the same entries as `slots`.
    by_time: BTreeMap<Slot, K>,
    slots: HashMap<K, Slot>,
    inserted: u64,
}

impl<K: Clone + Eq + Hash> DelayQueue<K> {
    /// Creates an empty queue.
    pub fn new() -> Self {
        DelayQueue { by_time: BTreeMap::new(), slots: HashMap::new(), inserted: 0 }
    }

    /// Inserts a key, unless it is due earlier already.
    pub fn insert(&mut self, key: K, due: Instant) {
        if let Some(slot) = self.slots.get(&key) {
            if slot.0 <= due {
                return;
            }
            self.by_time.remove(slot);
        }
        let slot = (due, self.inserted);
        self.inserted += 1;
        self.slots.insert(key.clone(), slot);
        self.by_time.insert(slot, key);
    }

    /// Removes a key.
    pub fn cancel(&mut self, key: &K) {
        if let Some(slot) = self.slots.remove(key) {
            self.by_time.remove(&slot);
        }
    }

    /// Removes and returns the key that has been due longest, if one is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let first = self.by_time.first_entry().filter(|entry| entry.key().0 <= now)?;
        let key = first.remove();
        self.slots.remove(&key);
        Some(key)
    }

    /// When the next key is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.by_time.first_key_value().map(|(slot, _)| slot.0)
    }

    /// The number of keys.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Removes every key.
    pub fn clear(&mut self) {
        self.by_time.clear();
        self.slots.clear();
    }
}
