//! The garbage collector: the consequences of a change for owners and dependents.
//!
//! An object lists its owners in `metadata.ownerReferences`. Promises:
//! * an object without remaining owners is deleted; while an owner exists, only the dangling references are removed;
//! * `Background` (the default): the owner is removed at once, then its dependents are deleted;
//! * `Foreground`: the owner stays, marked, until every dependent with `blockOwnerDeletion` is removed;
//! * `Orphan`: the owner stays, marked, until no dependent refers to it;
//! * a reference is by UID: a new object of the same name is another owner.
//!
//! Each step is a separate change in the queue of [`Writer::finish`], without recursion. The queue becomes empty: an object
//! is marked and removed at most once, and every other step removes or unblocks a reference, or removes a finalizer.

use std::sync::Arc;

use serde_json::Value;

use super::{
    ObjectId, Writer,
    delete::{FOREGROUND, ORPHAN},
    meta,
    options::{DeleteOptions, Propagation},
};
use crate::{
    object::{Meta, Object, text},
    owners::references,
};

/// A change whose consequences are not processed yet. No `before` means created, no `after` means deleted.
pub struct QueuedChange {
    pub id: ObjectId,
    pub before: Option<Arc<Object>>,
    pub after: Option<Arc<Object>>,
}

/// The state of an owner reference, with the real garbage collector's names.
enum Reference {
    /// The owner exists and does not wait for its dependents.
    Solid,
    /// The owner does not exist, or has another UID.
    Dangling,
    /// The owner is deleted in the foreground.
    WaitingForDependents,
}

impl Writer<'_> {
    /// Processes all consequences of the write. Returns the warnings for the client.
    pub fn finish(mut self) -> Vec<String> {
        while let Some(QueuedChange { id, before, after }) = self.changes.pop_front() {
            match (before, after) {
                (before, Some(after)) => self.handle_stored(&id, before.as_deref(), after.value()),
                (Some(last), None) => self.handle_removed(&id, last.value()),
                (None, None) => (),
            }
        }
        self.warnings
    }

    fn handle_stored(&mut self, id: &ObjectId, before: Option<&Object>, after: &Value) {
        let had: &[Value] = before.map_or(&[], |before| references(before.value()));
        if had != references(after) {
            self.finish_owners(id, had);
            self.attempt_to_delete(id);
        }
        if after.is_terminating() {
            let finalizers = meta::finalizers(after);
            if finalizers.contains(&ORPHAN) {
                self.orphan_dependents(id, after.uid());
            }
            if finalizers.contains(&FOREGROUND) {
                for dependent in self.dependents(after.uid()) {
                    self.attempt_to_delete(&dependent);
                }
                self.finish_foreground(id);
            }
        }
        self.namespace_stored(id, after);
        self.definition_stored(id, after);
    }

    fn handle_removed(&mut self, id: &ObjectId, last: &Value) {
        for dependent in self.dependents(last.uid()) {
            self.attempt_to_delete(&dependent);
        }
        self.finish_owners(id, references(last));
        self.namespaced_object_removed(id);
        self.definition_removed(id, last);
    }

    fn dependents(&self, uid: &str) -> Vec<ObjectId> {
        let dependents = self.state.store.dependents(uid);
        dependents.map(|(resource, key)| ObjectId { resource: resource.clone(), key: key.clone() }).collect()
    }

    /// Deletes the object if no owner remains.
    fn attempt_to_delete(&mut self, id: &ObjectId) {
        let Some(object) = self.get(id).cloned() else { return };
        let (object, owners) = (object.value(), references(object.value()));
        if owners.is_empty() {
            return;
        }
        if object.is_terminating() {
            // The object is already being deleted, but it may wait for its own dependents.
            return self.finish_foreground(id);
        }
        let (mut solid, mut waiting, mut dangling) = (false, false, Vec::new());
        for reference in owners {
            match self.classify_reference(id, reference) {
                // The kind is not served, so the owner may exist. The real garbage collector also waits forever.
                None => return,
                Some(Reference::Solid) => solid = true,
                Some(Reference::Dangling) => dangling.push(reference),
                Some(Reference::WaitingForDependents) => {
                    waiting = true;
                    dangling.push(reference);
                }
            }
        }
        if solid {
            if !dangling.is_empty() {
                let remaining = owners.iter().filter(|r| !dangling.contains(r)).cloned().collect();
                self.set_owner_references(id, object, remaining);
            }
            return;
        }
        let dependents = self.dependents(object.uid());
        let policy = if waiting && !dependents.is_empty() {
            if dependents.iter().any(|dependent| self.is_waiting_for_dependents(dependent)) {
                self.unblock_owner_references(id, object);
            }
            Propagation::Foreground
        } else {
            let finalizers = meta::finalizers(object);
            match () {
                _ if finalizers.contains(&ORPHAN) => Propagation::Orphan,
                _ if finalizers.contains(&FOREGROUND) => Propagation::Foreground,
                _ => Propagation::Background,
            }
        };
        self.delete_internally(id, DeleteOptions::propagating(policy));
    }

    /// Deletes an object on behalf of the server itself; errors are ignored.
    pub(super) fn delete_internally(&mut self, id: &ObjectId, options: DeleteOptions) {
        if let Some(resource) = self.state.catalog.find_any_version(&id.resource) {
            let _ = self.delete_one(&resource, id, &options);
        }
    }

    /// The state of an owner reference; None if the owner's kind is not served or cannot own this object.
    fn classify_reference(&self, dependent: &ObjectId, reference: &Value) -> Option<Reference> {
        let id = self.owner_id(dependent, reference)?;
        let Some(owner) = self.get(&id).filter(|owner| reference["uid"] == owner.value().uid()) else {
            return Some(Reference::Dangling);
        };
        let owner = owner.value();
        let waiting = owner.is_terminating() && meta::finalizers(owner).contains(&FOREGROUND);
        Some(if waiting { Reference::WaitingForDependents } else { Reference::Solid })
    }

    /// The owner of a reference. It is in the dependent's namespace or cluster-scoped.
    fn owner_id(&self, dependent: &ObjectId, reference: &Value) -> Option<ObjectId> {
        let text = |field: &str| text(&reference[field]);
        let resource = self.state.catalog.find_kind(text("apiVersion"), text("kind"))?;
        let is_valid = !resource.namespaced || !dependent.key.namespace.is_empty();
        is_valid.then(|| ObjectId::new(&resource, &dependent.key.namespace, text("name")))
    }

    /// Finishes the deletion of owners that waited for this dependent.
    fn finish_owners(&mut self, dependent: &ObjectId, references: &[Value]) {
        for reference in references {
            if let Some(owner) = self.owner_id(dependent, reference) {
                self.finish_foreground(&owner);
            }
        }
    }

    fn is_waiting_for_dependents(&self, id: &ObjectId) -> bool {
        let object = self.get(id).map(|object| object.value());
        object.is_some_and(|object| object.is_terminating() && meta::finalizers(object).contains(&FOREGROUND))
    }

    /// Removes the finalizer of foreground deletion if no dependent blocks it.
    fn finish_foreground(&mut self, id: &ObjectId) {
        if !self.is_waiting_for_dependents(id) {
            return;
        }
        let Some(owner) = self.get(id).cloned() else { return };
        let uid = owner.value().uid();
        let blocks = |reference: &Value| reference["uid"] == uid && reference["blockOwnerDeletion"] == true;
        // `any` stops at the first one, because this runs for each removed dependent.
        let is_blocked = self.state.store.dependents(uid).any(|(resource, key)| {
            let dependent = self.state.store.get(resource, key);
            dependent.is_some_and(|object| references(object.value()).iter().any(blocks))
        });
        if !is_blocked {
            self.remove_finalizer(id, FOREGROUND);
        }
    }

    /// Removes the references to the owner, then its finalizer.
    fn orphan_dependents(&mut self, id: &ObjectId, uid: &str) {
        for dependent in self.dependents(uid) {
            if let Some(object) = self.get(&dependent).cloned() {
                let left = references(object.value()).iter().filter(|r| r["uid"] != uid).cloned().collect();
                self.set_owner_references(&dependent, object.value(), left);
            }
        }
        self.remove_finalizer(id, ORPHAN);
    }

    pub(super) fn remove_finalizer(&mut self, id: &ObjectId, finalizer: &str) {
        let Some(old) = self.get(id).cloned() else { return };
        let mut object = old.value().clone();
        let left = meta::finalizers(&object).into_iter().filter(|f| *f != finalizer).map(str::to_owned).collect();
        meta::set_finalizers(&mut object, left);
        self.put_or_delete(id, object, old.value());
    }

    fn set_owner_references(&mut self, id: &ObjectId, object: &Value, owners: Vec<Value>) {
        let mut object = object.clone();
        let metadata = meta::metadata_mut(&mut object);
        if owners.is_empty() {
            metadata.remove("ownerReferences");
        } else {
            metadata.insert("ownerReferences".into(), owners.into());
        }
        self.put(id, object);
    }

    /// Sets `blockOwnerDeletion` to false, because a cycle of owners would wait forever.
    fn unblock_owner_references(&mut self, id: &ObjectId, object: &Value) {
        let mut owners = references(object).to_vec();
        for reference in &mut owners {
            if reference["blockOwnerDeletion"] == true {
                reference["blockOwnerDeletion"] = false.into();
            }
        }
        if owners != references(object) {
            self.set_owner_references(id, object, owners);
        }
    }
}
