//! Exercise 2, build it: replace the content of a store by a new list.
//!
//! Write `replace`. It stores the list, and returns what has changed: deletions first, then the rest in the order of the list.
//! An object whose version is the same is not a change. Predict: which of the changes can a watch never report?

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
        todo!("write this function")
    }
}
