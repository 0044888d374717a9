//! Writes: create, replace, patch and delete, with their consequences.
//!
//! ```text
//!  create  --> decode, set system fields, validate -----------.
//!  replace --> check version, keep system fields, validate ---+--> put, remove --> finish: garbage collection,
//!  patch   --> apply, then like replace ----------------------|                    namespaces, definitions
//!  delete  --> grace period, finalizers ----------------------'
//! ```
//!
//! In a real cluster, controllers process the consequences of a write later. Here [`Writer::finish`] processes them within
//! the same write: a client receives the same changes in the same order, but sooner.

mod binding;
mod create;
mod definitions;
mod delete;
mod garbage_collector;
mod meta;
mod namespaces;
mod options;
mod strategy;
mod update;

pub use meta::generate_uid;

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};

use self::garbage_collector::QueuedChange;
use crate::{
    list::Page,
    object::{GroupResource, Key, Object},
    request::RequestInfo,
    resource::Resource,
    state::State,
    user::User,
};

/// One write. Call one method that writes, then [`Writer::finish`].
pub struct Writer<'a> {
    state: &'a mut State,
    /// Already authorized for this request; a replace that creates needs the right to create, too.
    user: &'a User,
    now: Timestamp,
    /// Changes of this write whose consequences are not processed yet.
    changes: VecDeque<QueuedChange>,
    /// Warnings for the client, of a successful or a failed write.
    warnings: Vec<String>,
}

/// The response to a write.
pub enum WriteResult {
    /// An object, with the code.
    Object(u16, Arc<Object>),
    /// A Status, with the code: for a completed deletion or a binding.
    Status(u16, Value),
    /// The objects of a deleted collection.
    Page(Page),
}

impl<'a> Writer<'a> {
    pub fn new(state: &'a mut State, user: &'a User, now: Timestamp) -> Self {
        Writer { state, user, now, changes: VecDeque::new(), warnings: Vec::new() }
    }

    /// Creates one of the initial namespaces.
    pub fn create_namespace(mut self, name: &str) {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        if let Some(resource) = self.state.catalog.find_kind("v1", "Namespace") {
            // The only possible error is that the namespace exists.
            let _ = self.insert(&resource, "", namespace, false);
        }
        self.finish();
    }

    /// The latest version.
    fn get(&self, id: &ObjectId) -> Option<&Arc<Object>> {
        self.state.store.get(&id.resource, &id.key)
    }

    /// Stores an object and queues the change.
    fn put(&mut self, id: &ObjectId, value: Value) -> Arc<Object> {
        let before = self.get(id).cloned();
        let after = self.state.store.put(&id.resource, id.key.clone(), value);
        self.changes.push_back(QueuedChange { id: id.clone(), before, after: Some(after.clone()) });
        after
    }

    /// Stores an object, or removes it if its last finalizer is gone.
    fn put_or_delete(&mut self, id: &ObjectId, object: Value, old: &Value) {
        if update::should_delete_during_update(id, &object, old) {
            self.remove(id);
        } else {
            self.put(id, object);
        }
    }

    /// Removes an object and queues the change. Returns the last version with the revision of the deletion.
    fn remove(&mut self, id: &ObjectId) -> Option<Arc<Object>> {
        let last = self.state.store.remove(&id.resource, &id.key)?;
        self.changes.push_back(QueuedChange { id: id.clone(), before: Some(last.clone()), after: None });
        Some(last)
    }
}

/// The collection and the key of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
struct ObjectId {
    resource: GroupResource,
    key: Key,
}

impl ObjectId {
    fn new(resource: &Resource, namespace: &str, name: &str) -> Self {
        let namespace = if resource.namespaced { namespace } else { "" };
        ObjectId { resource: resource.id(), key: Key::new(namespace, name) }
    }

    fn of(resource: &Resource, info: &RequestInfo) -> Self {
        ObjectId::new(resource, &info.namespace, &info.name)
    }
}

#[cfg(test)]
mod tests;
