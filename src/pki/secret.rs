//! The Secret of a certificate: what it looks like, and whose it is.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};

use super::Pki;
use crate::informer::{Key, Object};

/// Marks what is ours. The admission policy in demo-controller.yaml allows this controller to write no other Secret.
const LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "demo-controller");

/// Whose a Secret is, seen from a Pki.
#[derive(Debug, PartialEq, Eq)]
pub enum Owner {
    /// This very Pki's.
    Us,
    /// That of a Pki of the same name which is no more. The garbage collector is on its way.
    Predecessor,
    /// Someone else's, or nobody's.
    Other,
}

/// A Secret as this controller writes it.
pub fn build(key: &Key, data: BTreeMap<String, ByteString>, owner: Option<&Pki>) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(key.name().into()),
            namespace: Some(key.namespace().into()),
            labels: Some(BTreeMap::from([(LABEL.0.into(), LABEL.1.into())])),
            owner_references: owner.map(|pki| vec![reference(pki)]),
            ..ObjectMeta::default()
        },
        type_: Some("kubernetes.io/tls".into()),
        data: Some(data),
        ..Secret::default()
    }
}

/// "This Pki controls it": with the Pki goes the Secret, by garbage collection, and we need no right to delete any.
///
/// No `blockOwnerDeletion`: it would only make a foreground deletion of the Pki wait for the Secret, and setting it
/// needs the right to update the Pki's finalizers where OwnerReferencesPermissionEnforcement is on (on OpenShift it
/// is).
fn reference(pki: &Pki) -> OwnerReference {
    OwnerReference {
        api_version: super::API_VERSION.into(),
        kind: super::KIND.into(),
        name: pki.key().name().into(),
        uid: pki.uid().into(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

/// Whose it is. By UID: a name says nothing, the Pki may have been deleted and created again.
pub fn owner(secret: &Secret, pki: &Pki) -> Owner {
    let owners = secret.metadata.owner_references.as_deref().unwrap_or_default();
    match owners.iter().find(|owner| owner.controller == Some(true)) {
        Some(owner) if owner.uid == pki.uid() => Owner::Us,
        Some(owner)
            if owner.kind == super::KIND
                && owner.api_version.split('/').next() == super::API_VERSION.split('/').next()
                && owner.name == pki.key().name() =>
        {
            Owner::Predecessor
        }
        _ => Owner::Other,
    }
}
