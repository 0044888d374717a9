//! CustomResourceDefinitions: serving what they define, and its end with theirs.
//!
//! Promises, as the real controllers':
//! * a definition is accepted, then established, each a revision of its own; from the last on, its objects are served;
//! * a definition that is deleted stays, marked, until its objects are gone, and nothing new is created meanwhile.

use serde_json::{Value, json};

use super::{Place, Writer, delete::Outcome, meta, options::DeleteOptions};
use crate::{
    custom,
    object::{GroupResource, Key, Meta, Object, time},
    resource::Resource,
    status::{Result, Status},
};

/// The finalizer of a definition whose objects are to go first.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

impl Place {
    pub(super) fn is_definition(&self) -> bool {
        self.id.is("apiextensions.k8s.io", "customresourcedefinitions")
    }
}

impl Writer<'_> {
    /// A definition's objects are served as it says from now on.
    pub(super) fn definition_stored(&mut self, place: &Place, after: &Value) {
        if !place.is_definition() {
            return;
        }
        if after.is_ending() {
            return self.end_definition(place);
        }
        let versions = custom::resources(after);
        let mut established = after.clone();
        custom::establish(&mut established, self.now);
        if established != *after {
            self.put(place, established);
        }
        let (group, plural) = custom::names(after);
        self.state.catalog.set_custom(group, plural, versions);
    }

    /// A definition is gone, or the last object of one.
    pub(super) fn definition_lost(&mut self, place: &Place, last: &Value) {
        if place.is_definition() {
            let (group, plural) = custom::names(last);
            self.state.catalog.set_custom(group, plural, vec![]);
        } else if self.state.catalog.of(&place.id).is_some_and(|resource| resource.custom.is_some()) {
            self.finish_definition(&Place::definition(&place.id));
        }
    }

    /// Deletes a definition: marks it at first.
    pub(super) fn delete_definition(
        &mut self,
        place: &Place,
        old: &Object,
        options: &DeleteOptions,
    ) -> Option<Outcome> {
        if old.value().is_ending() {
            return None;
        }
        let mut object = old.value().clone();
        meta::metadata(&mut object).insert("deletionTimestamp".into(), time(self.now));
        let mut finalizers: Vec<String> = meta::finalizers(&object).into_iter().map(str::to_owned).collect();
        if !finalizers.iter().any(|f| f == CLEANUP) {
            finalizers.push(CLEANUP.into());
        }
        meta::set_finalizers(&mut object, finalizers);
        let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        self.set_terminating(&mut object, "InstanceDeletionPending", message);
        Some(Outcome::Waits(self.mark(place, object, options)))
    }

    /// Deletes the objects of a definition that ends.
    fn end_definition(&mut self, place: &Place) {
        let Some(definition) = self.get(place).cloned() else { return };
        if !meta::finalizers(definition.value()).contains(&CLEANUP) {
            return;
        }
        let mut object = definition.value().clone();
        let message = "CustomResource deletion is in progress";
        self.set_terminating(&mut object, "InstanceDeletionInProgress", message);
        if object != *definition.value() {
            self.put(place, object);
            let (group, plural) = custom::names(definition.value());
            let id = GroupResource::new(group, plural);
            let keys: Vec<Key> =
                self.state.store.collection(&id).into_iter().flatten().map(|(k, _)| k.clone()).collect();
            for key in keys {
                self.delete_for(&Place { id: id.clone(), key }, DeleteOptions::default());
            }
        }
        self.finish_definition(place);
    }

    /// Lets the definition go if its objects are gone.
    fn finish_definition(&mut self, place: &Place) {
        let Some(definition) = self.get(place).cloned() else { return };
        let (group, plural) = custom::names(definition.value());
        let objects = self.state.store.collection(&GroupResource::new(group, plural));
        let is_waiting = definition.value().is_ending() && meta::finalizers(definition.value()).contains(&CLEANUP);
        if is_waiting && objects.is_none_or(|objects| objects.is_empty()) {
            self.remove_finalizer(place, CLEANUP);
        }
    }

    fn set_terminating(&self, definition: &mut Value, reason: &str, message: &str) {
        let now = time(self.now);
        let conditions = meta::object_in(definition, "status").entry("conditions").or_insert_with(|| json!([]));
        let Some(list) = conditions.as_array_mut() else { return };
        match list.iter_mut().find(|condition| condition["type"] == "Terminating") {
            Some(condition) => {
                condition["reason"] = reason.into();
                condition["message"] = message.into();
            }
            None => list.push(json!({
                "type": "Terminating", "status": "True", "lastTransitionTime": now, "reason": reason, "message": message,
            })),
        }
    }

    /// Nothing new of a kind whose end is decided.
    pub(super) fn admit_custom(&self, resource: &Resource, name: &str) -> Result<()> {
        let ends = resource.custom.is_some()
            && self.get(&Place::definition(&resource.id())).is_some_and(|object| object.value().is_ending());
        if ends {
            let why = "create not allowed while custom resource definition is terminating";
            return Err(Status::forbidden(&resource.group, &resource.plural, name, why));
        }
        Ok(())
    }
}

impl Place {
    /// Where the definition of a custom resource is: its name is the resource's.
    fn definition(id: &GroupResource) -> Self {
        Place { id: custom::definitions(), key: Key::new("", &id.to_string()) }
    }
}
