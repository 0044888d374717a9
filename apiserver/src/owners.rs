//! An index of objects by the UIDs in their `ownerReferences`.
//!
//! [`crate::store::Store`] maintains it, so that the deletion of an owner visits only its dependents.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::object::{GroupResource, Key, items};

#[derive(Default)]
pub struct Owners {
    /// Sorted, so that dependents are always processed in the same order.
    dependents: HashMap<String, BTreeSet<(GroupResource, Key)>>,
}

impl Owners {
    /// Updates the index. A create has no `before`, a delete no `after`.
    pub fn change(&mut self, resource: &GroupResource, key: &Key, before: Option<&Value>, after: Option<&Value>) {
        let (before, after) = (before.map(references), after.map(references));
        if before == after {
            return;
        }
        for uid in before.into_iter().flatten().filter_map(uid) {
            if let Some(dependents) = self.dependents.get_mut(uid) {
                dependents.remove(&(resource.clone(), key.clone()));
                if dependents.is_empty() {
                    self.dependents.remove(uid);
                }
            }
        }
        for uid in after.into_iter().flatten().filter_map(uid) {
            self.dependents.entry(uid.to_owned()).or_default().insert((resource.clone(), key.clone()));
        }
    }

    /// The objects that have this UID as an owner.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = &(GroupResource, Key)> {
        self.dependents.get(uid).into_iter().flatten()
    }
}

pub fn references(object: &Value) -> &[Value] {
    items(&object["metadata"]["ownerReferences"])
}

fn uid(reference: &Value) -> Option<&str> {
    reference["uid"].as_str()
}
