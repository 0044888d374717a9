//! Every change: create, replace, patch, delete, and what follows from it.
//!
//! ```text
//!  create  --> decode, fill in, validate --------------------.
//!  replace --> same version? what is not the sender's stays --+--> put, remove --> collect: what follows,
//!  patch   --> apply, then like replace ---------------------'                    a revision for each
//!  delete  --> gracefully? finalizers? ----------------------'
//! ```
//!
//! The real server is done when the one object is written; controllers look after the rest, a moment later. Here
//! [`collect`] does it within the same write: a client sees the same revisions in the same order, only sooner.

mod binding;
mod collect;
mod create;
mod definitions;
mod delete;
mod meta;
mod namespaces;
mod options;
mod strategy;
mod update;

pub use meta::uid;

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    list::Page,
    object::{GroupResource, Key, Object},
    request::Target,
    resource::Resource,
    state::State,
    user::User,
};

/// One write: where, whose, when. Create, replace, patch, delete or delete_collection, then [`Writer::finish`].
pub struct Writer<'a> {
    state: &'a mut State,
    /// They may write this at all; what remains to be asked is whether they give away more than they have.
    user: &'a User,
    now: Timestamp,
    /// What changed in this write and has not been followed up.
    changed: VecDeque<collect::Changed>,
    /// What the sender is warned of, whether the write is carried out or refused.
    warnings: Vec<String>,
}

/// What has been written, as the client gets it.
pub enum Written {
    /// An object, and the code that tells what became of it.
    Object(u16, Arc<Object>),
    /// A Status: of a deletion that is done, of a binding.
    Status(u16, Value),
    /// What a collection had and has no more.
    Page(Page),
}

impl<'a> Writer<'a> {
    pub fn new(state: &'a mut State, user: &'a User, now: Timestamp) -> Self {
        Writer { state, user, now, changed: VecDeque::new(), warnings: Vec::new() }
    }

    /// One of the namespaces that are there from the beginning.
    pub fn found_namespace(mut self, name: &str) {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        if let Some(resource) = self.state.catalog.of_kind("v1", "Namespace") {
            // It can only be there already.
            let _ = self.insert(&resource, "", namespace, false);
        }
        self.finish();
    }

    /// The present version.
    fn get(&self, place: &Place) -> Option<&Arc<Object>> {
        self.state.store.get(&place.id, &place.key)
    }

    /// Stores, and remembers to follow it up.
    fn put(&mut self, place: &Place, value: Value) -> Arc<Object> {
        let before = self.get(place).cloned();
        let after = self.state.store.put(&place.id, place.key.clone(), value);
        self.changed.push_back(collect::Changed { place: place.clone(), before, after: Some(after.clone()) });
        after
    }

    /// Stores an object that may just have lost the last finalizer it waited for: then it goes.
    fn put_or_release(&mut self, place: &Place, object: Value, old: &Value) {
        if update::is_released(place, &object, old) {
            self.remove(place);
        } else {
            self.put(place, object);
        }
    }

    /// Removes, and remembers to follow it up. Returns the last version, under the deletion's revision.
    fn remove(&mut self, place: &Place) -> Option<Arc<Object>> {
        let last = self.state.store.remove(&place.id, &place.key)?;
        self.changed.push_back(collect::Changed { place: place.clone(), before: Some(last.clone()), after: None });
        Some(last)
    }
}

/// Where an object is.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    id: GroupResource,
    key: Key,
}

impl Place {
    fn new(resource: &Resource, namespace: &str, name: &str) -> Self {
        let namespace = if resource.namespaced { namespace } else { "" };
        Place { id: resource.id(), key: Key::new(namespace, name) }
    }

    fn of(resource: &Resource, target: &Target) -> Self {
        Place::new(resource, &target.namespace, &target.name)
    }
}

#[cfg(test)]
mod tests;
