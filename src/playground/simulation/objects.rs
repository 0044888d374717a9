//! What the caches of the simulation hold.
//!
//! Whole objects, other than in the rest of this crate, which keeps the few fields that it uses: who writes a status by
//! PUT, as the real controllers do, has to send the whole object back, and a simulated cluster is small. Secrets are
//! the exception: of them nothing but the name is kept.

use std::ops::Deref;

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time},
};
use kube::Resource;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::needs::needs;
use crate::{
    events::ObjectRef,
    informer::{Key, Object},
    request::Failure,
    worker::{Error, Outcome},
};

/// A kind that is cached whole.
pub trait Kind: Resource<DynamicType = ()> + DeserializeOwned + Send + Sync + 'static {
    /// What an object is found by, besides its name.
    fn terms(&self) -> Vec<Key> {
        owner_uid(self.meta()).map(|uid| Key::new("", uid)).into_iter().collect()
    }
}

impl Kind for Deployment {}

impl Kind for ReplicaSet {}

impl Kind for Pod {
    /// Its owner, and the Secrets that it waits for.
    fn terms(&self) -> Vec<Key> {
        let owner = owner_uid(&self.metadata).map(|uid| Key::new("", uid));
        owner.into_iter().chain(needs(self).into_iter().map(|need| need.secret)).collect()
    }
}

/// The whole object, and what a cache wants to know about it. Reads like the object itself.
#[derive(Debug)]
pub struct Whole<K> {
    key: Key,
    terms: Box<[Key]>,
    object: K,
}

impl<K: Kind> Whole<K> {
    /// For [`Store::new`](crate::informer::Store::new).
    pub fn terms(&self) -> &[Key] {
        &self.terms
    }

    /// As an event names it.
    pub fn reference(&self) -> ObjectRef {
        ObjectRef::of(&K::api_version(&()), &K::kind(&()), self)
    }

    /// It has a deletionTimestamp: nothing new is made for it.
    pub fn is_deleting(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }
}

impl<K> Deref for Whole<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.object
    }
}

impl<K: Kind> Object for Whole<K> {
    fn key(&self) -> &Key {
        &self.key
    }
    fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }
    fn resource_version(&self) -> &str {
        self.meta().resource_version.as_deref().unwrap_or_default()
    }
}

impl<'de, K: Kind> Deserialize<'de> for Whole<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = K::deserialize(deserializer)?;
        Ok(Whole { key: key(object.meta()), terms: object.terms().into(), object })
    }
}

fn key(meta: &ObjectMeta) -> Key {
    Key::new(meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
}

/// The key of the controller that an object belongs to, if it is of this kind. Its events concern that controller.
pub fn owner<K: Kind, O: Resource<DynamicType = ()>>(object: &Whole<K>) -> Option<Key> {
    let owner = controller(object.meta()).filter(|owner| owner.kind == O::kind(&()));
    owner.map(|owner| Key::new(object.key.namespace(), &owner.name))
}

/// By UID: what an earlier object of the same name has left is not ours.
pub fn owner_uid(meta: &ObjectMeta) -> Option<&str> {
    controller(meta).map(|owner| owner.uid.as_str())
}

/// What says whose part an object is. In the words of the real controllers: when the owner is deleted in the foreground,
/// it waits for its parts.
pub fn owned_by<K: Kind>(owner: &Whole<K>) -> Option<Vec<OwnerReference>> {
    let reference = owner.controller_owner_ref(&())?;
    Some(vec![OwnerReference { block_owner_deletion: Some(true), ..reference }])
}

fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// That there is a Secret of this name. serde skips what is not named here, so no Secret's content ever gets into the
/// cache; nor do its annotations, where `kubectl apply` leaves a copy of it.
#[derive(Debug, Deserialize)]
#[serde(from = "Named")]
pub struct Secret {
    key: Key,
    uid: String,
    resource_version: String,
}

#[derive(Deserialize)]
struct Named {
    metadata: Name,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Name {
    namespace: String,
    name: String,
    uid: String,
    resource_version: String,
}

impl From<Named> for Secret {
    fn from(Named { metadata: Name { namespace, name, uid, resource_version } }: Named) -> Self {
        Secret { key: Key::new(&namespace, &name), uid, resource_version }
    }
}

impl Object for Secret {
    fn key(&self) -> &Key {
        &self.key
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn resource_version(&self) -> &str {
        &self.resource_version
    }
}

/// What a look at an object comes to, for the worker.
///
/// Absorbed: the object, or its namespace, has gone in the meantime. The watch is about to say so, and nothing is left
/// to be done.
pub fn verdict(look: Result<Outcome, Failure>) -> Result<Outcome, Error> {
    match look {
        Err(failure) if failure.code() == Some(404) || failure.is_namespace_terminating() => Ok(Outcome::Settled),
        look => Ok(look?),
    }
}

/// The time, for a status: to the second, as the API server keeps it.
pub fn now() -> Time {
    let now = Timestamp::now();
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}
