//! The certificate job: a `Pki` object asks for a certificate, a Secret of the same name is the answer.
//!
//! ```text
//!  Pki --spec--> validate --Request--> allowed --yes--> authority --Secret, status--> API server
//!                   | InvalidSpec         | NameNotAllowed
//!                   +---------------------+----> condition, events (on the pods that wait, too)
//! ```
//!
//! `reconcile.rs` is the job itself, `report.rs` says what became of it. These two and `ca.rs` talk to the API server,
//! `allowed_file.rs` reads a file; all the rest are functions of what they are given, the time included, and can be
//! read and tested one by one:
//!
//! * [`validate`]: what the owner wrote, turned into a [`Request`](validate::Request) or into one sentence that says
//!   what is wrong. The same rules stand in `crd.yaml` ([`crd`]), so that the API server refuses most mistakes as they
//!   are made.
//! * [`allowed`]: the list of names that may be asked for. [`allowed_file`]: how it follows its file.
//! * [`secret`]: what the Secret looks like, and whose it is.
//! * [`authority`]: the CA issues; `inspect.rs`: looks at what is in a Secret and says whether that will do. [`ca`]:
//!   where the CA is kept.
//! * [`status`] and [`told`]: what is said about it, and to whom. [`written`]: what we have said that the cache does not
//!   show yet.
//!
//! What holds the room together is one promise: **looking twice writes once**. Whatever `authority` has just issued,
//! `inspect` finds valid; the time of renewal follows from the certificate alone; a status that says so already is not
//! written. Break any of these and the controller writes, sees its own write, and writes again.

use kube::api::{PatchParams, PostParams};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::informer::{Key, Object};

pub mod allowed;
pub mod allowed_file;
pub mod authority;
pub mod ca;
pub mod crd;
mod inspect;
mod metrics;
pub mod reconcile;
mod report;
pub mod secret;
pub mod status;
pub mod told;
pub mod validate;
pub mod written;

pub use allowed_file::Allowed;
pub use ca::CaSecret;
pub use crd::CRD;
pub use metrics::Metrics;
pub use reconcile::Certificates;
pub use status::{Certificate, Reason};
pub use told::Told;
pub use written::Written;

/// Group and version, as in a manifest.
pub const API_VERSION: &str = "box.com/v1";
/// As in a manifest.
pub const KIND: &str = "Pki";
/// As in a URL.
pub const PLURAL: &str = "pkis";
/// Where the API server serves the group.
pub const GROUP_PATH: &str = "/apis/box.com/v1";
/// Under this name the API server notes which fields we have written.
pub const FIELD_MANAGER: &str = "demo-controller";

/// How everything in this room is created.
fn creating(dry_run: bool) -> PostParams {
    PostParams { dry_run, field_manager: Some(FIELD_MANAGER.into()) }
}

/// How everything in this room is patched.
fn patching(dry_run: bool) -> PatchParams {
    PatchParams { dry_run, ..PatchParams::apply(FIELD_MANAGER) }
}

/// A Pki as the cache holds it: decoded straight from the wire, only what is used.
///
/// **The spec stays undecoded.** A spec of the wrong types (the CRD may be older than this program, or someone
/// else's) is no reason for the reflector to stumble. It has to reach the reconcile, which alone can tell the owner.
/// So the reflector refuses only what it could not even name: an object without a name or a UID.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Wire")]
pub struct Pki {
    key: Key,
    uid: Box<str>,
    resource_version: Box<str>,
    /// Counts the changes of the spec.
    pub generation: i64,
    /// Has a deletionTimestamp: on its way out, held by a finalizer or by its namespace. Nothing is written for it
    /// any more.
    pub deleting: bool,
    /// As the owner wrote it; Null if there is none.
    pub spec: Value,
    /// As it was written last; Null if there is none.
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
    #[serde(default)]
    namespace: String,
    uid: Box<str>,
    #[serde(default)]
    resource_version: Box<str>,
    #[serde(default)]
    generation: i64,
    deletion_timestamp: Option<IgnoredAny>,
}

impl TryFrom<Wire> for Pki {
    type Error = &'static str;

    fn try_from(Wire { metadata, spec, status }: Wire) -> Result<Self, Self::Error> {
        if metadata.name.is_empty() || metadata.uid.is_empty() {
            return Err("an object without a name or a uid");
        }
        Ok(Pki {
            key: Key::new(&metadata.namespace, &metadata.name),
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            generation: metadata.generation,
            deleting: metadata.deletion_timestamp.is_some(),
            spec,
            status,
        })
    }
}

#[cfg(test)]
mod specs;
#[cfg(test)]
mod tests;
