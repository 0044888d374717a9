//! Exercise 5, build it: the states of a key in a work queue.
//!
//! Write `add`, `get` and `done`. Predict, and draw a table first: two properties (dirty, processing) make four states. What
//! does each call do in each state?

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
        todo!("write this function")
    }

    /// Returns the next key for a worker.
    pub fn get(&mut self) -> Option<String> {
        todo!("write this function")
    }

    /// The worker has finished this key.
    pub fn done(&mut self, key: &str) {
        todo!("write this function")
    }
}
