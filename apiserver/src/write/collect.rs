//! The garbage collector: what follows from a change for owners and dependents.
//!
//! An object names its owners in `metadata.ownerReferences`. Promises:
//! * when an object's last owner is gone, it is deleted; while one is left, references to those that are gone go;
//! * `Background` (the default): an owner goes at once, its dependents after it;
//! * `Foreground`: the owner stays, marked, until every dependent with `blockOwnerDeletion` is gone;
//! * `Orphan`: the owner stays, marked, until no dependent names it any more;
//! * an owner is meant by its UID: another object of the same name is another owner.
//!
//! Each step is a change of its own, and is followed up in its turn ([`Writer::finish`]): a queue, no recursion. It comes
//! to an end since every step marks, removes, or takes away a reference or a finalizer, and nothing here adds any.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Place, Writer,
    delete::{FOREGROUND, ORPHAN},
    meta,
    options::{DeleteOptions, Propagation},
};
use crate::{
    object::{Meta, Object, text},
    owners::references,
};

/// A change to follow up. No `before` means created, no `after` means deleted.
pub struct Changed {
    pub place: Place,
    pub before: Option<Arc<Object>>,
    pub after: Option<Arc<Object>>,
}

/// What has become of an owner.
enum Owner {
    /// It is there, and does not wait for its dependents' end.
    Solid,
    /// It is not there, or another one is there in its place.
    Gone,
    /// It is there until its dependents are gone.
    Waits,
}

impl Writer<'_> {
    /// Carries out what follows from what changed, and what follows from that: before, a write is not done. Returns what
    /// its sender is warned of.
    pub fn finish(mut self) -> Vec<String> {
        while let Some(Changed { place, before, after }) = self.changed.pop_front() {
            match (before, after) {
                (before, Some(after)) => self.stored(&place, before.as_deref(), after.value()),
                (Some(last), None) => self.removed(&place, last.value()),
                (None, None) => (),
            }
        }
        self.warnings
    }

    fn stored(&mut self, place: &Place, before: Option<&Object>, after: &Value) {
        let had: &[Value] = before.map_or(&[], |before| references(before.value()));
        if had != references(after) {
            self.tell_owners(place, had);
            self.look(place);
        }
        if after.is_ending() {
            let finalizers = meta::finalizers(after);
            if finalizers.contains(&ORPHAN) {
                self.orphan_dependents(place, after.uid());
            }
            if finalizers.contains(&FOREGROUND) {
                for dependent in self.dependents(after.uid()) {
                    self.look(&dependent);
                }
                self.finish_foreground(place);
            }
        }
        self.namespace_stored(place, after);
        self.definition_stored(place, after);
    }

    fn removed(&mut self, place: &Place, last: &Value) {
        for dependent in self.dependents(last.uid()) {
            self.look(&dependent);
        }
        self.tell_owners(place, references(last));
        self.namespace_lost(place);
        self.definition_lost(place, last);
    }

    fn dependents(&self, uid: &str) -> Vec<Place> {
        let places = self.state.store.dependents(uid);
        places.map(|(id, key)| Place { id: id.clone(), key: key.clone() }).collect()
    }

    /// Is this object's time over, with its owners'?
    fn look(&mut self, place: &Place) {
        let Some(object) = self.get(place).cloned() else { return };
        let (object, owners) = (object.value(), references(object.value()));
        if owners.is_empty() {
            return;
        }
        if object.is_ending() {
            // Once its own dependents are gone it goes; otherwise its end is others' business already.
            return self.finish_foreground(place);
        }
        let (mut solid, mut waits, mut fading) = (false, false, Vec::new());
        for reference in owners {
            match self.owner(place, reference) {
                // Of a kind that is not served: nobody knows whether it is there. The real one waits for ever, too.
                None => return,
                Some(Owner::Solid) => solid = true,
                Some(Owner::Gone) => fading.push(reference),
                Some(Owner::Waits) => {
                    waits = true;
                    fading.push(reference);
                }
            }
        }
        if solid {
            if !fading.is_empty() {
                self.set_owners(place, object, owners.iter().filter(|r| !fading.contains(r)).cloned().collect());
            }
            return;
        }
        let dependents = self.dependents(object.uid());
        let policy = if waits && !dependents.is_empty() {
            if dependents.iter().any(|dependent| self.waits_for_dependents(dependent)) {
                self.unblock_owners(place, object);
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
        self.delete_for(place, DeleteOptions::propagating(policy));
    }

    /// A deletion by the server itself. Refusals are final, so nobody is told.
    pub(super) fn delete_for(&mut self, place: &Place, options: DeleteOptions) {
        if let Some(resource) = self.state.catalog.of(&place.id) {
            let _ = self.delete_one(&resource, place, &options);
        }
    }

    /// None if its kind is unknown, or cannot own this object.
    fn owner(&self, dependent: &Place, reference: &Value) -> Option<Owner> {
        let place = self.owner_place(dependent, reference)?;
        let Some(owner) = self.get(&place).filter(|owner| reference["uid"] == owner.value().uid()) else {
            return Some(Owner::Gone);
        };
        let owner = owner.value();
        let waits = owner.is_ending() && meta::finalizers(owner).contains(&FOREGROUND);
        Some(if waits { Owner::Waits } else { Owner::Solid })
    }

    /// Owners are in the dependent's namespace, or in none.
    fn owner_place(&self, dependent: &Place, reference: &Value) -> Option<Place> {
        let text = |field: &str| text(&reference[field]);
        let resource = self.state.catalog.of_kind(text("apiVersion"), text("kind"))?;
        let fits = !resource.namespaced || !dependent.key.namespace.is_empty();
        fits.then(|| Place::new(&resource, &dependent.key.namespace, text("name")))
    }

    /// A dependent is gone, or no longer is one: an owner may have waited for that.
    fn tell_owners(&mut self, dependent: &Place, references: &[Value]) {
        for reference in references {
            if let Some(owner) = self.owner_place(dependent, reference) {
                self.finish_foreground(&owner);
            }
        }
    }

    fn waits_for_dependents(&self, place: &Place) -> bool {
        let object = self.get(place).map(|object| object.value());
        object.is_some_and(|object| object.is_ending() && meta::finalizers(object).contains(&FOREGROUND))
    }

    /// Ends the wait for dependents if nothing is left to wait for.
    fn finish_foreground(&mut self, place: &Place) {
        if !self.waits_for_dependents(place) {
            return;
        }
        let Some(owner) = self.get(place).cloned() else { return };
        let uid = owner.value().uid();
        let blocks = |reference: &Value| reference["uid"] == uid && reference["blockOwnerDeletion"] == true;
        // Not all of them are looked at: this is asked for each dependent that goes.
        let is_blocked = self.state.store.dependents(uid).any(|(id, key)| {
            let dependent = self.state.store.get(id, key);
            dependent.is_some_and(|object| references(object.value()).iter().any(blocks))
        });
        if !is_blocked {
            self.remove_finalizer(place, FOREGROUND);
        }
    }

    /// Takes the owner out of its dependents, then lets it go.
    fn orphan_dependents(&mut self, place: &Place, uid: &str) {
        for dependent in self.dependents(uid) {
            if let Some(object) = self.get(&dependent).cloned() {
                let left = references(object.value()).iter().filter(|r| r["uid"] != uid).cloned().collect();
                self.set_owners(&dependent, object.value(), left);
            }
        }
        self.remove_finalizer(place, ORPHAN);
    }

    pub(super) fn remove_finalizer(&mut self, place: &Place, finalizer: &str) {
        let Some(old) = self.get(place).cloned() else { return };
        let mut object = old.value().clone();
        let left = meta::finalizers(&object).into_iter().filter(|f| *f != finalizer).map(str::to_owned).collect();
        meta::set_finalizers(&mut object, left);
        self.put_or_release(place, object, old.value());
    }

    fn set_owners(&mut self, place: &Place, object: &Value, owners: Vec<Value>) {
        let mut object = object.clone();
        let metadata = meta::metadata(&mut object);
        if owners.is_empty() {
            metadata.remove("ownerReferences");
        } else {
            metadata.insert("ownerReferences".into(), owners.into());
        }
        self.put(place, object);
    }

    /// Owners that wait for each other in a circle would wait for ever: this one no longer blocks its owners.
    fn unblock_owners(&mut self, place: &Place, object: &Value) {
        let mut owners = references(object).to_vec();
        for reference in &mut owners {
            if reference["blockOwnerDeletion"] == true {
                reference["blockOwnerDeletion"] = false.into();
            }
        }
        if owners != references(object) {
            self.set_owners(place, object, owners);
        }
    }
}
