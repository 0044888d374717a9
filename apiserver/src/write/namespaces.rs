//! Deletes the contents of a terminating namespace, then the namespace.
//!
//! Promises, as in the real namespace controller:
//! * pods are deleted first, gracefully; everything else stays until they are removed;
//! * while objects with finalizers remain, the conditions of the namespace list them;
//! * when the namespace is empty, the finalizer `kubernetes` in its **spec** is removed; without other finalizers, the
//!   namespace is removed, too.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ObjectId, Writer, meta, options::DeleteOptions};
use crate::object::{GroupResource, Key, Meta, items, time};

/// The conditions in the real controller's order: type, reason and message without an error.
const CONDITIONS: [(&str, &str, &str); 5] = [
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    (CONTENT, "ContentRemoved", "All content successfully removed"),
    (FINALIZERS, "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
];
const CONTENT: &str = "NamespaceContentRemaining";
const FINALIZERS: &str = "NamespaceFinalizersRemaining";

/// The finalizer in `spec.finalizers`.
const KUBERNETES: &str = "kubernetes";

impl ObjectId {
    pub(super) fn is_namespace(&self) -> bool {
        self.resource.is("", "namespaces")
    }
}

impl Writer<'_> {
    /// Handles a stored object: a terminating namespace.
    pub(super) fn namespace_stored(&mut self, id: &ObjectId, after: &Value) {
        if after.is_terminating() && id.is_namespace() {
            self.sync_namespace(id);
        }
    }

    /// Handles the removal of an object: its terminating namespace may have waited for it.
    pub(super) fn namespaced_object_removed(&mut self, id: &ObjectId) {
        if id.key.namespace.is_empty() {
            return;
        }
        // While pods remain, nothing changes.
        let is_last = self.state.store.keys(&id.resource, &id.key.namespace).next().is_none();
        if is_last || !id.resource.is("", "pods") {
            let namespace = ObjectId::namespace(&id.key.namespace);
            if self.get(&namespace).is_some_and(|object| object.value().is_terminating()) {
                self.sync_namespace(&namespace);
            }
        }
    }

    fn sync_namespace(&mut self, id: &ObjectId) {
        let Some(old) = self.get(id).cloned() else { return };
        if !spec_finalizers(old.value()).iter().any(|f| f == KUBERNETES) {
            return;
        }
        let name = id.key.name.as_str();
        let mut resources: Vec<GroupResource> =
            self.state.store.collections().map(|(resource, _)| resource.clone()).collect();
        // A HashMap has a random order.
        resources.sort();
        let pods = GroupResource::new("", "pods");
        if self.delete_contents(&pods, name) > 0 {
            return self.set_conditions(id, &BTreeMap::new(), &BTreeMap::new());
        }
        let (mut remaining, mut finalizers) = (BTreeMap::new(), BTreeMap::new());
        for resource in resources.iter().filter(|resource| **resource != pods) {
            if self.delete_contents(resource, name) > 0 {
                self.count_remaining(resource, name, &mut remaining, &mut finalizers);
            }
        }
        self.set_conditions(id, &remaining, &finalizers);
        if remaining.is_empty() {
            self.finalize_namespace(id);
        }
    }

    /// Deletes all objects of one resource; returns the number of remaining ones.
    fn delete_contents(&mut self, resource: &GroupResource, namespace: &str) -> usize {
        let keys: Vec<Key> = self.state.store.keys(resource, namespace).cloned().collect();
        for key in keys {
            let id = ObjectId { resource: resource.clone(), key };
            // Skip objects that are already being deleted.
            if self.get(&id).is_some_and(|object| !object.value().is_terminating()) {
                self.delete_internally(&id, DeleteOptions::default());
            }
        }
        self.state.store.keys(resource, namespace).count()
    }

    fn count_remaining(
        &self,
        resource: &GroupResource,
        namespace: &str,
        remaining: &mut BTreeMap<String, usize>,
        finalizers: &mut BTreeMap<String, usize>,
    ) {
        let Some(served) = self.state.catalog.find_any_version(resource) else { return };
        for key in self.state.store.keys(resource, namespace) {
            *remaining.entry(format!("{}.{}", served.plural, served.group)).or_default() += 1;
            let Some(object) = self.state.store.get(resource, key) else { continue };
            for finalizer in meta::finalizers(object.value()) {
                *finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
    }

    /// Stores the conditions if they have changed.
    fn set_conditions(
        &mut self,
        id: &ObjectId,
        remaining: &BTreeMap<String, usize>,
        finalizers: &BTreeMap<String, usize>,
    ) {
        let Some(old) = self.get(id).cloned() else { return };
        let listed = |map: &BTreeMap<String, usize>, word: &str| {
            map.iter().map(|(what, n)| format!("{what} {word} {n} resource instances")).collect::<Vec<_>>().join(", ")
        };
        let mut object = old.value().clone();
        let now = time(self.now);
        let status = meta::ensure_object(&mut object, "status");
        let before = status.get("conditions").cloned().unwrap_or_default();
        let before = items(&before);
        let after: Vec<Value> = CONDITIONS
            .iter()
            .map(|(kind, reason, message)| {
                let (state, reason, message) = match *kind {
                    CONTENT if !remaining.is_empty() => {
                        let message = format!("Some resources are remaining: {}", listed(remaining, "has"));
                        ("True", "SomeResourcesRemain", message)
                    }
                    FINALIZERS if !finalizers.is_empty() => {
                        let what = listed(finalizers, "in");
                        let message = format!("Some content in the namespace has finalizers remaining: {what}");
                        ("True", "SomeFinalizersRemain", message)
                    }
                    _ => ("False", *reason, (*message).to_owned()),
                };
                let same = before.iter().find(|c| c["type"] == *kind && c["status"] == state);
                let since = same.map_or(&now, |c| &c["lastTransitionTime"]);
                json!({
                    "type": kind, "status": state, "lastTransitionTime": since, "reason": reason, "message": message,
                })
            })
            .collect();
        if before != after {
            status.insert("conditions".into(), after.into());
            self.put(id, object);
        }
    }

    /// Removes the finalizer of an empty namespace.
    fn finalize_namespace(&mut self, id: &ObjectId) {
        let Some(old) = self.get(id).cloned() else { return };
        let mut object = old.value().clone();
        let remaining: Vec<Value> = spec_finalizers(&object).iter().filter(|f| **f != KUBERNETES).cloned().collect();
        let spec = meta::ensure_object(&mut object, "spec");
        if remaining.is_empty() {
            spec.remove("finalizers");
        } else {
            spec.insert("finalizers".into(), remaining.into());
        }
        self.put_or_delete(id, object, old.value());
    }
}

pub fn spec_finalizers(namespace: &Value) -> &[Value] {
    items(&namespace["spec"]["finalizers"])
}
