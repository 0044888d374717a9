//! Exercise 5, solution.

mod tests;

use std::collections::{HashSet, VecDeque};

#[derive(Default)]
pub struct Queue {
    /// Keys that need to be processed.
    dirty: HashSet<String>,
    /// Keys that a worker has.
    processing: HashSet<String>,
    /// Keys that `get` may return, in order.
    queue: VecDeque<String>,
}

impl Queue {
    /// The object of this key has changed.
    pub fn add(&mut self, key: &str) {
        // A dirty key is already queued, or will be when it is done.
        if self.dirty.insert(key.to_owned()) && !self.processing.contains(key) {
            self.queue.push_back(key.to_owned());
        }
    }

    /// Returns the next key for a worker.
    pub fn get(&mut self) -> Option<String> {
        let key = self.queue.pop_front()?;
        self.dirty.remove(&key);
        self.processing.insert(key.clone());
        Some(key)
    }

    /// The worker has finished this key.
    pub fn done(&mut self, key: &str) {
        self.processing.remove(key);
        if self.dirty.contains(key) {
            self.queue.push_back(key.to_owned());
        }
    }
}
