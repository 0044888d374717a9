//! The certificate job: a `Pki` object asks for a certificate, and gets it in a Secret of the same name.
//!
//! ```text
//!  Pki --spec--> validate --request--> allowed names --> certificate --Secret, status--> API server
//!                   | InvalidSpec         | NameNotAllowed  | SecretConflict, IssueFailed
//!                   +---------------------+-----------------+----> condition, events (also on the pods that wait)
//! ```
//!
//! `reconcile.rs` has all steps of the job. It and `ca.rs` send all requests. The other files are functions of their
//! arguments, the time included:
//!
//! * `types.rs`: a [`Pki`] as the cache holds it.
//! * `validate.rs`: checks the spec. The result is a request, or a message. `crd.yaml` has the same rules.
//! * `allowed.rs`: the list of allowed names, and the file that it comes from.
//! * `certificate.rs`: issues certificates, and inspects the ones in Secrets. `ca.rs`: where the CA is kept.
//! * `secret.rs`: the Secret of a certificate, and whether a Pki controls it.
//! * `status.rs`, `reported.rs`: the patch of the status, and the events that are due.
//! * `mutation_cache.rs`: our own writes, until the cache shows them.
//!
//! The most important promise is that **reconciling twice writes once**. A certificate that was just issued is found valid;
//! the time of its renewal follows from the certificate alone; a status that is already right is not written. Without one of
//! these, the controller writes, sees its own write as a change, and writes again.

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
pub use reconcile::{Certificates, PodsMounting};
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

/// The settings of the certificate job.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file with the allowed names; None: the sample's names.
    pub allowed_names: Option<PathBuf>,
    /// The Secret that the CA is kept in.
    pub ca_secret: Key,
    /// The domain of the cluster, usually `cluster.local`.
    pub cluster_domain: String,
    /// Time after which an error that persists is recorded again.
    pub remind: Duration,
    /// The API server checks every write but stores none.
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
