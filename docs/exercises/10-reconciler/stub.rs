//! Exercise 10, build it: a third reconciler, for ConfigMaps.
//!
//! Write `reconcile`: `totals` has the number of entries of each ConfigMap that exists, and no other key. A ConfigMap with more
//! than `LIMIT` entries is a permanent error, and has no total. Predict: what must happen if the ConfigMap is deleted?

mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use demo_controller::{
    informer::{Key, Object, Store},
    worker::{Action, ReconcileError, Reconciler},
};

pub const LIMIT: usize = 3;

/// A ConfigMap as the cache holds it.
#[derive(serde::Deserialize)]
#[serde(from = "Wire")]
pub struct ConfigMap {
    key: Key,
    uid: String,
    version: String,
    pub entries: usize,
}

pub struct Totals {
    pub config_maps: Arc<Store<ConfigMap>>,
    pub totals: Mutex<HashMap<Key, usize>>,
}

impl Reconciler<Key> for Totals {
    async fn reconcile(&self, key: &Key) -> Result<Action, ReconcileError> {
        todo!("write this function")
    }
}

impl Object for ConfigMap {
    fn key(&self) -> &Key {
        &self.key
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn resource_version(&self) -> &str {
        &self.version
    }
}

#[derive(serde::Deserialize)]
struct Wire {
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    namespace: String,
    name: String,
    uid: String,
    resource_version: String,
}

impl From<Wire> for ConfigMap {
    fn from(Wire { metadata, data }: Wire) -> Self {
        let key = Key::new(&metadata.namespace, &metadata.name);
        ConfigMap { key, uid: metadata.uid, version: metadata.resource_version, entries: data.len() }
    }
}
