//! A Pki as the cache holds it.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::informer::{Key, Object};

/// A Pki, reduced to the fields that this project uses.
///
/// The spec stays undecoded. If it has wrong types (the CRD in the cluster may be older than this program), the reconcile
/// reports that to the owner.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Wire")]
pub struct Pki {
    key: Key,
    uid: Box<str>,
    resource_version: Box<str>,
    /// The generation: it increases when the spec changes.
    pub generation: i64,
    /// Whether it has a deletionTimestamp.
    pub is_deleting: bool,
    /// Null if absent.
    pub spec: Value,
    /// Null if absent.
    pub status: Value,
}

impl Object for Pki {
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

#[derive(Deserialize)]
struct Wire {
    metadata: Metadata,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    uid: Box<str>,
    resource_version: Box<str>,
    generation: i64,
    deletion_timestamp: Option<IgnoredAny>,
}

impl From<Wire> for Pki {
    fn from(Wire { metadata, spec, status }: Wire) -> Self {
        Pki {
            key: Key::new(&metadata.namespace, &metadata.name),
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            generation: metadata.generation,
            is_deleting: metadata.deletion_timestamp.is_some(),
            spec,
            status,
        }
    }
}
