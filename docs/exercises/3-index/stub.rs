//! Exercise 3, build it: find the pods that mount a Secret, without reading every pod.
//!
//! Write `put` and `remove`, so that `mounting` is always right. Predict: a pod changes from Secret a to Secret b. Which
//! entries of the index change?

mod tests;

use std::collections::{BTreeSet, HashMap};

#[derive(Default)]
pub struct Pods {
    /// The Secrets of each pod.
    pub secrets: HashMap<String, Vec<String>>,
    /// The pods of each Secret.
    pub index: HashMap<String, BTreeSet<String>>,
}

impl Pods {
    /// Adds or updates a pod.
    pub fn put(&mut self, pod: &str, secrets: &[&str]) {
        todo!("write this function")
    }

    pub fn remove(&mut self, pod: &str) {
        todo!("write this function")
    }

    /// The pods that mount this Secret. One look-up.
    pub fn mounting(&self, secret: &str) -> BTreeSet<String> {
        self.index.get(secret).cloned().unwrap_or_default()
    }
}
