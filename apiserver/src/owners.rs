//! Who owns whom: objects by the UIDs in their `ownerReferences`.
//!
//! Kept beside the objects by [`crate::store::Store`], so that the end of an owner costs as much as it has dependents,
//! however many objects there are.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::object::{GroupResource, Key, items};

/// See the module.
#[derive(Default)]
pub struct Owners {
    /// In order, so that what is done to all of them is done in the same order every time.
    dependents: HashMap<String, BTreeSet<(GroupResource, Key)>>,
}

impl Owners {
    /// An object changed. No `before` means created, no `after` means deleted.
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

    /// Everything that names this UID as an owner.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = &(GroupResource, Key)> {
        self.dependents.get(uid).into_iter().flatten()
    }
}

/// An object's `ownerReferences`.
pub fn references(object: &Value) -> &[Value] {
    items(&object["metadata"]["ownerReferences"])
}

fn uid(reference: &Value) -> Option<&str> {
    reference["uid"].as_str()
}
