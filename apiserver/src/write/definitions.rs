//! CustomResourceDefinitions: serving and deleting custom resources.
//!
//! Promises, as in the real controllers:
//! * a definition is accepted, then established, each with its own revision; after that, its custom resources are served;
//! * a deleted definition stays, marked, until its custom resources are removed; no new ones can be created.

use serde_json::{Value, json};

use super::{ObjectId, Writer, delete::Deletion, meta, options::DeleteOptions};
use crate::{
    custom,
    object::{GroupResource, Key, Meta, Object, time},
    resource::Resource,
    status::{Result, Status},
};

/// The finalizer of a definition that waits for its custom resources.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

impl ObjectId {
    pub(super) fn is_definition(&self) -> bool {
        self.resource.is("apiextensions.k8s.io", "customresourcedefinitions")
    }
}

impl Writer<'_> {
    /// Serves the custom resources of a stored definition.
    pub(super) fn definition_stored(&mut self, id: &ObjectId, after: &Value) {
        if !id.is_definition() {
            return;
        }
        if after.is_terminating() {
            return self.delete_instances(id);
        }
        let versions = custom::resources(after);
        let mut established = after.clone();
        custom::establish(&mut established, self.now);
        if established != *after {
            self.put(id, established);
        }
        let (group, plural) = custom::group_and_plural(after);
        self.state.catalog.set_custom(group, plural, versions);
    }

    /// Handles the removal of a definition or of a custom resource.
    pub(super) fn definition_removed(&mut self, id: &ObjectId, last: &Value) {
        if id.is_definition() {
            let (group, plural) = custom::group_and_plural(last);
            self.state.catalog.set_custom(group, plural, vec![]);
        } else if self.state.catalog.find_any_version(&id.resource).is_some_and(|resource| resource.custom.is_some()) {
            self.finalize_definition(&ObjectId::definition(&id.resource));
        }
    }

    /// Marks a definition for deletion; None if it is marked already.
    pub(super) fn delete_definition(
        &mut self,
        id: &ObjectId,
        old: &Object,
        options: &DeleteOptions,
    ) -> Option<Deletion> {
        if old.value().is_terminating() {
            return None;
        }
        let mut object = old.value().clone();
        meta::metadata_mut(&mut object).insert("deletionTimestamp".into(), time(self.now));
        let mut finalizers: Vec<String> = meta::finalizers(&object).into_iter().map(str::to_owned).collect();
        if !finalizers.iter().any(|f| f == CLEANUP) {
            finalizers.push(CLEANUP.into());
        }
        meta::set_finalizers(&mut object, finalizers);
        let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        self.set_terminating(&mut object, "InstanceDeletionPending", message);
        Some(Deletion::Marked(self.put_unless_dry_run(id, object, options)))
    }

    /// Deletes the custom resources of a marked definition.
    fn delete_instances(&mut self, id: &ObjectId) {
        let Some(definition) = self.get(id).cloned() else { return };
        if !meta::finalizers(definition.value()).contains(&CLEANUP) {
            return;
        }
        let mut object = definition.value().clone();
        let message = "CustomResource deletion is in progress";
        self.set_terminating(&mut object, "InstanceDeletionInProgress", message);
        if object != *definition.value() {
            self.put(id, object);
            let (group, plural) = custom::group_and_plural(definition.value());
            let resource = GroupResource::new(group, plural);
            let keys: Vec<Key> =
                self.state.store.collection(&resource).into_iter().flatten().map(|(k, _)| k.clone()).collect();
            for key in keys {
                self.delete_internally(&ObjectId { resource: resource.clone(), key }, DeleteOptions::default());
            }
        }
        self.finalize_definition(id);
    }

    /// Removes the finalizer of a marked definition when it has no custom resources.
    fn finalize_definition(&mut self, id: &ObjectId) {
        let Some(definition) = self.get(id).cloned() else { return };
        let (group, plural) = custom::group_and_plural(definition.value());
        let objects = self.state.store.collection(&GroupResource::new(group, plural));
        let is_waiting = definition.value().is_terminating() && meta::finalizers(definition.value()).contains(&CLEANUP);
        if is_waiting && objects.is_none_or(|objects| objects.is_empty()) {
            self.remove_finalizer(id, CLEANUP);
        }
    }

    fn set_terminating(&self, definition: &mut Value, reason: &str, message: &str) {
        let now = time(self.now);
        let conditions = meta::ensure_object(definition, "status").entry("conditions").or_insert_with(|| json!([]));
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

    /// Checks that the definition of a custom resource is not marked for deletion.
    pub(super) fn check_definition(&self, resource: &Resource, name: &str) -> Result<()> {
        let is_terminating = resource.custom.is_some()
            && self.get(&ObjectId::definition(&resource.id())).is_some_and(|object| object.value().is_terminating());
        if is_terminating {
            let why = "create not allowed while custom resource definition is terminating";
            return Err(Status::forbidden(&resource.group, &resource.plural, name, why));
        }
        Ok(())
    }
}

impl ObjectId {
    /// The definition of a custom resource.
    fn definition(resource: &GroupResource) -> Self {
        ObjectId { resource: custom::definitions(), key: Key::new("", &resource.to_string()) }
    }
}
