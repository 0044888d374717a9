//! Exercise 10, solution.

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
        // 1. The present state. None: it is deleted.
        let found = self.config_maps.get(key);
        let mut totals = self.totals.lock().expect("no panic under the lock");
        totals.remove(key);
        // 2. Act on it.
        let Some(map) = found else { return Ok(Action::AwaitChange) };
        if map.entries > LIMIT {
            let why = format!("{key} has {} entries, at most {LIMIT}", map.entries);
            return Err(ReconcileError::Permanent { why, requeue_after: None });
        }
        totals.insert(key.clone(), map.entries);
        Ok(Action::AwaitChange)
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
