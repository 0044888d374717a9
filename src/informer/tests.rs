//! An object for the tests of the informer.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Change, Key, Object};

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub struct TestObject {
    pub key: Key,
    pub uid: String,
    pub version: String,
    pub value: u32,
    pub indexed_values: Vec<Key>,
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

impl From<Wire> for TestObject {
    fn from(wire: Wire) -> Self {
        let key = Key::new(&wire.metadata.namespace, &wire.metadata.name);
        TestObject {
            key,
            uid: wire.metadata.uid,
            version: wire.metadata.resource_version,
            value: wire.value,
            indexed_values: vec![],
        }
    }
}

impl Object for TestObject {
    fn key(&self) -> &Key {
        &self.key
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn resource_version(&self) -> &str {
        &self.version
    }
    fn indexed_values(&self) -> &[Key] {
        &self.indexed_values
    }
}

/// `test_object("a", 7)`: the object `ns/a` in version 7, with the value 7.
pub fn test_object(name: &str, version: u32) -> TestObject {
    let key = Key::new("ns", name);
    TestObject { key, uid: format!("uid-{name}"), version: version.to_string(), value: version, indexed_values: vec![] }
}

/// The same object as the API server sends it.
pub fn test_json(name: &str, version: u32) -> Value {
    json!({ "metadata": { "namespace": "ns", "name": name, "uid": format!("uid-{name}"),
            "resourceVersion": version.to_string() }, "value": version })
}

impl TestObject {
    pub fn uid(mut self, uid: &str) -> Self {
        self.uid = uid.into();
        self
    }

    pub fn indexed_by(mut self, keys: &[&str]) -> Self {
        self.indexed_values = keys.iter().map(|key| Key::new("ns", key)).collect();
        self
    }
}

/// A change in few characters: `*a7` initial, `+a7` added, `a7>8` updated, `-a8` deleted.
pub fn summary(change: &Change<TestObject>) -> String {
    let name = change.key().name();
    match change {
        Change::Added { new, is_in_initial_list: true } => format!("*{name}{}", new.version),
        Change::Added { new, is_in_initial_list: false } => format!("+{name}{}", new.version),
        Change::Updated { old, new } => format!("{name}{}>{}", old.version, new.version),
        Change::Deleted(old) => format!("-{name}{}", old.version),
    }
}
