//! Keys that are due later: a pure priority queue of (due, key).
//!
//! 1. A key has one due time. A second one for the same key counts only if it is **earlier**: whoever asked to look in
//!    a minute is served by a look in a second, but not the other way round.
//! 2. Keys come out in the order of their due times, and in the order of their insertion where those are the same.
//! 3. A key that is cancelled leaves nothing behind.
//!
//! The road not taken for the third: a binary heap cannot remove from its middle, so a cancelled or brought-forward
//! entry would stay in it until it is due. With timers of days (the renewal of a certificate), for objects that come
//! and go in seconds, that is a leak. A B-tree finds its smallest entry as fast as a heap does, for practical sizes,
//! and any other too.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use tokio::time::Instant;

/// A due time, and a number that tells entries with the same due time apart, by age.
type Slot = (Instant, u64);

/// See the [module's documentation](self).
#[derive(Debug)]
pub struct Delay<K> {
    /// What is due, earliest first. Has exactly the entries of `slots`, turned round.
    line: BTreeMap<Slot, K>,
    slots: HashMap<K, Slot>,
    inserted: u64,
}

impl<K: Clone + Eq + Hash> Delay<K> {
    /// Nothing is due.
    pub fn new() -> Self {
        Delay { line: BTreeMap::new(), slots: HashMap::new(), inserted: 0 }
    }

    /// The key is due at that time, or earlier if it was due earlier already.
    pub fn insert(&mut self, key: K, due: Instant) {
        if let Some(slot) = self.slots.get(&key) {
            if slot.0 <= due {
                return;
            }
            self.line.remove(slot);
        }
        let slot = (due, self.inserted);
        self.inserted += 1;
        self.slots.insert(key.clone(), slot);
        self.line.insert(slot, key);
    }

    /// The key is not due any more.
    pub fn cancel(&mut self, key: &K) {
        if let Some(slot) = self.slots.remove(key) {
            self.line.remove(&slot);
        }
    }

    /// Takes out the key that has been due longest, if one is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let first = self.line.first_entry().filter(|entry| entry.key().0 <= now)?;
        let key = first.remove();
        self.slots.remove(&key);
        Some(key)
    }

    /// When the next key is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.line.first_key_value().map(|(slot, _)| slot.0)
    }

    /// How many keys are due, now or later.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// Nothing is due any more.
    pub fn clear(&mut self) {
        self.line.clear();
        self.slots.clear();
    }
}
