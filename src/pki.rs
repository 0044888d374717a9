//! The certificate controller: a `Pki` object requests a certificate, and gets it in a Secret of the same name.
//!
//! ```text
//!  Pki --spec--> validate --request--> allowed names --> certificate --Secret, status--> API server
//!                   | InvalidSpec         | NameNotAllowed  | SecretConflict, SecretTerminating, IssueFailed
//!                   +---------------------+-----------------+----> condition, events (also on the waiting pods)
//! ```
//!
//! Read `reconcile.rs`: it has all steps. The other files are its parts, and may be read when you meet them:
//!
//! * `types.rs`: a [`Pki`] as the cache holds it.
//! * `validate.rs`: validates the spec. The result is a request for a certificate, or a message. `crd.yaml` has the same rules.
//! * `allowed.rs`: the list of allowed names, and its file.
//! * `certificate.rs`: issues certificates, and inspects the certificates in Secrets. `ca.rs`: the CA and its Secret.
//! * `secret.rs`: the Secret of a certificate, and whether a Pki controls it.
//! * `status.rs`, `reported.rs`: the patch of the status, and which events are due.
//! * `mutation_cache.rs`: our own writes, until the cache shows them.
//!
//! The most important promise is that **two reconciles write once**. The second one finds the certificate valid, computes the
//! same renewal time from it, and does not write a status that is already right. Otherwise each write would be a change, and
//! each change would cause a write.
//!
//! The next module is [`crate::controller`].

use std::{path::PathBuf, time::Duration};

use kube::api::{PatchParams, PostParams};

use crate::informer::Key;

mod allowed;
mod ca;
mod certificate;
mod metrics;
mod mutation_cache;
mod reconcile;
mod reported;
mod secret;
mod status;
mod types;
mod validate;

pub use allowed::read_allowed_names;
pub use reconcile::{PkiReconciler, WaitingPods};
pub use types::Pki;

/// The CustomResourceDefinition, as `demo-controller crd` prints it.
pub const CRD: &str = include_str!("pki/crd.yaml");
/// Group and version of a Pki.
pub const API_VERSION: &str = "box.com/v1";
/// The kind of a Pki.
pub const KIND: &str = "Pki";
/// The resource of a Pki, as in a URL.
pub const PLURAL: &str = "pkis";
/// Where the API server serves the group.
pub const GROUP_PATH: &str = "/apis/box.com/v1";
/// The field manager of all writes.
const FIELD_MANAGER: &str = "demo-controller";

/// The settings of the certificate controller.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file with the allowed names; None: the sample's names.
    pub allowed_names: Option<PathBuf>,
    /// The Secret of the CA.
    pub ca_secret: Key,
    /// The domain of the cluster, usually `cluster.local`.
    pub cluster_domain: String,
    /// Time after which the event of a persistent error is recorded again.
    pub remind: Duration,
    /// The API server validates every write but stores none.
    pub dry_run: bool,
}

fn post_params(dry_run: bool) -> PostParams {
    PostParams { dry_run, field_manager: Some(FIELD_MANAGER.into()) }
}

fn patch_params(dry_run: bool) -> PatchParams {
    PatchParams { dry_run, ..PatchParams::apply(FIELD_MANAGER) }
}

#[cfg(test)]
mod tests;
