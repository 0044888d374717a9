//! Exercise 2, solution.

mod tests;

use std::collections::HashMap;

#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    pub name: String,
    pub version: String,
}

#[derive(Debug, PartialEq)]
pub enum Change {
    Added(String),
    Updated(String),
    Deleted(String),
}

/// The pods by name.
#[derive(Default)]
pub struct Store(pub HashMap<String, Pod>);

impl Store {
    pub fn replace(&mut self, list: Vec<Pod>) -> Vec<Change> {
        let mut old = std::mem::take(&mut self.0);
        let mut changes = Vec::new();
        for pod in list {
            match old.remove(&pod.name) {
                Some(before) if before.version == pod.version => {}
                Some(_) => changes.push(Change::Updated(pod.name.clone())),
                None => changes.push(Change::Added(pod.name.clone())),
            }
            self.0.insert(pod.name.clone(), pod);
        }
        // The rest was deleted while no watch was open.
        let mut all: Vec<_> = old.into_keys().map(Change::Deleted).collect();
        all.extend(changes);
        all
    }
}
