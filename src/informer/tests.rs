//! The object of the tests: a name, a version, a number and index keys. And tests of the module itself.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Change, Key, Object};

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct Thing {
    pub key: Key,
    pub uid: String,
    pub version: String,
    pub value: u32,
    pub index_keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Wire {
    metadata: Meta,
    value: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    uid: String,
    resource_version: String,
}

impl From<Wire> for Thing {
    fn from(wire: Wire) -> Self {
        let key = Key::new(&wire.metadata.namespace, &wire.metadata.name);
        Thing {
            key,
            uid: wire.metadata.uid,
            version: wire.metadata.resource_version,
            value: wire.value,
            index_keys: vec![],
        }
    }
}

impl Object for Thing {
    fn key(&self) -> &Key {
        &self.key
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn resource_version(&self) -> &str {
        &self.version
    }
    fn index_keys(&self) -> &[Key] {
        &self.index_keys
    }
}

/// `thing("a", 7)`: the thing `ns/a` in version 7, with the value 7.
pub fn thing(name: &str, version: u32) -> Thing {
    let key = Key::new("ns", name);
    Thing { key, uid: format!("uid-{name}"), version: version.to_string(), value: version, index_keys: vec![] }
}

/// The same on the wire.
pub fn wire(name: &str, version: u32) -> Value {
    json!({ "metadata": { "namespace": "ns", "name": name, "uid": format!("uid-{name}"),
            "resourceVersion": version.to_string() }, "value": version })
}

impl Thing {
    pub fn uid(mut self, uid: &str) -> Self {
        self.uid = uid.into();
        self
    }

    pub fn indexed_by(mut self, keys: &[&str]) -> Self {
        self.index_keys = keys.iter().map(|key| Key::new("ns", key)).collect();
        self
    }
}

/// `+a7`, `a7>8`, `-a8`: short enough to compare lists of them.
pub fn short(change: &Change<Thing>) -> String {
    let name = change.key().name();
    match change {
        Change::Added { new, initial: true } => format!("*{name}{}", new.version),
        Change::Added { new, initial: false } => format!("+{name}{}", new.version),
        Change::Updated { old, new } => format!("{name}{}>{}", old.version, new.version),
        Change::Deleted(old) => format!("-{name}{}", old.version),
    }
}
