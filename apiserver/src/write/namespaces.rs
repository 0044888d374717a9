//! The end of a namespace: first its contents, then itself.
//!
//! Promises, as the real namespace controller's:
//! * pods go first, and gracefully; everything else stays until they are gone;
//! * while something remains (a finalizer), the namespace's conditions say what and why;
//! * when nothing remains, the finalizer `kubernetes` in its **spec** goes, and with it the namespace, unless there are
//!   other finalizers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Place, Writer, meta, options::DeleteOptions};
use crate::object::{GroupResource, Key, Meta, items, time};

/// What the real one reports, in its order: type, and reason and message when all is well.
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

/// Its finalizer in `spec.finalizers`.
const KUBERNETES: &str = "kubernetes";

impl Place {
    pub(super) fn is_namespace(&self) -> bool {
        self.id.is("", "namespaces")
    }
}

impl Writer<'_> {
    /// Something was written: a namespace whose end was decided?
    pub(super) fn namespace_stored(&mut self, place: &Place, after: &Value) {
        if after.is_ending() && place.is_namespace() {
            self.end_namespace(place);
        }
    }

    /// Something is gone: was it what its namespace waited for?
    pub(super) fn namespace_lost(&mut self, place: &Place) {
        if place.key.namespace.is_empty() {
            return;
        }
        // It goes on when the last pod is gone; until then there is nothing to do or to say.
        let is_last = self.state.store.names(&place.id, &place.key.namespace).next().is_none();
        if is_last || !place.id.is("", "pods") {
            let namespace = Place::namespace(&place.key.namespace);
            if self.get(&namespace).is_some_and(|object| object.value().is_ending()) {
                self.end_namespace(&namespace);
            }
        }
    }

    fn end_namespace(&mut self, place: &Place) {
        let Some(old) = self.get(place).cloned() else { return };
        if !spec_finalizers(old.value()).iter().any(|f| f == KUBERNETES) {
            return;
        }
        let name = place.key.name.as_str();
        let mut resources: Vec<GroupResource> = self.state.store.collections().map(|(id, _)| id.clone()).collect();
        // The map's order changes from run to run.
        resources.sort();
        let pods = GroupResource::new("", "pods");
        if self.empty(&pods, name) > 0 {
            return self.report(place, &BTreeMap::new(), &BTreeMap::new());
        }
        let (mut left, mut finalizers) = (BTreeMap::new(), BTreeMap::new());
        for id in resources.iter().filter(|id| **id != pods) {
            if self.empty(id, name) > 0 {
                self.count(id, name, &mut left, &mut finalizers);
            }
        }
        self.report(place, &left, &finalizers);
        if left.is_empty() {
            self.finalize(place);
        }
    }

    /// Deletes everything of one resource; returns how many are left.
    fn empty(&mut self, id: &GroupResource, namespace: &str) -> usize {
        let keys: Vec<Key> = self.state.store.names(id, namespace).cloned().collect();
        for key in keys {
            let place = Place { id: id.clone(), key };
            // What waits already need not be told again.
            if self.get(&place).is_some_and(|object| !object.value().is_ending()) {
                self.delete_for(&place, DeleteOptions::default());
            }
        }
        self.state.store.names(id, namespace).count()
    }

    fn count(
        &self,
        id: &GroupResource,
        namespace: &str,
        left: &mut BTreeMap<String, usize>,
        finalizers: &mut BTreeMap<String, usize>,
    ) {
        let Some(resource) = self.state.catalog.of(id) else { return };
        for key in self.state.store.names(id, namespace) {
            *left.entry(format!("{}.{}", resource.plural, resource.group)).or_default() += 1;
            let Some(object) = self.state.store.get(id, key) else { continue };
            for finalizer in meta::finalizers(object.value()) {
                *finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
    }

    /// Writes the conditions, if they say something new.
    fn report(&mut self, place: &Place, left: &BTreeMap<String, usize>, finalizers: &BTreeMap<String, usize>) {
        let Some(old) = self.get(place).cloned() else { return };
        let listed = |map: &BTreeMap<String, usize>, word: &str| {
            map.iter().map(|(what, n)| format!("{what} {word} {n} resource instances")).collect::<Vec<_>>().join(", ")
        };
        let mut object = old.value().clone();
        let now = time(self.now);
        let status = meta::object_in(&mut object, "status");
        let before = status.get("conditions").cloned().unwrap_or_default();
        let before = items(&before);
        let after: Vec<Value> = CONDITIONS
            .iter()
            .map(|(kind, reason, message)| {
                let (state, reason, message) = match *kind {
                    CONTENT if !left.is_empty() => {
                        let message = format!("Some resources are remaining: {}", listed(left, "has"));
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
            self.put(place, object);
        }
    }

    /// Nothing is left in it.
    fn finalize(&mut self, place: &Place) {
        let Some(old) = self.get(place).cloned() else { return };
        let mut object = old.value().clone();
        let left: Vec<Value> = spec_finalizers(&object).iter().filter(|f| **f != KUBERNETES).cloned().collect();
        let spec = meta::object_in(&mut object, "spec");
        if left.is_empty() {
            spec.remove("finalizers");
        } else {
            spec.insert("finalizers".into(), left.into());
        }
        self.put_or_release(place, object, old.value());
    }
}

pub fn spec_finalizers(namespace: &Value) -> &[Value] {
    items(&namespace["spec"]["finalizers"])
}
