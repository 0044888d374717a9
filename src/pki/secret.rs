//! The Secret of a certificate, and whether a Pki controls it.

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::{API_VERSION, KIND, Pki, certificate::Data};
use crate::informer::{Key, Object};

/// Returns a new Secret. The admission policy in demo-controller.yaml allows no other type and label.
///
/// The garbage collector deletes it after its owner. There is no `blockOwnerDeletion`, because some clusters require the right
/// to update the owner's finalizers for it.
pub fn build(key: &Key, data: &Data, owner: Option<&Pki>) -> Secret {
    let owners = owner.map(|pki| {
        let (name, uid) = (pki.key().name(), pki.uid());
        json!([{ "apiVersion": API_VERSION, "kind": KIND, "name": name, "uid": uid, "controller": true }])
    });
    let secret = json!({
        "metadata": {
            "name": key.name(),
            "namespace": key.namespace(),
            "labels": { "app.kubernetes.io/managed-by": "demo-controller" },
            "ownerReferences": owners,
        },
        "type": "kubernetes.io/tls",
        "data": data,
    });
    serde_json::from_value(secret).expect("the fields of a Secret")
}

/// Returns why a Secret cannot be used for a Pki, and whether that is temporary.
///
/// The owner is compared by UID: an earlier Pki may have had the same name.
pub fn find_conflict(secret: &Secret, pki: &Pki) -> Option<(String, bool)> {
    let owners = secret.metadata.owner_references.as_deref().unwrap_or_default();
    match owners.iter().find(|owner| owner.controller == Some(true)) {
        Some(owner) if owner.uid == pki.uid() => {
            let is_deleted = secret.metadata.deletion_timestamp.is_some();
            is_deleted.then(|| ("its Secret is being deleted".to_owned(), true))
        }
        Some(owner) if (&*owner.api_version, &*owner.kind, &*owner.name) == (API_VERSION, KIND, pki.key().name()) => {
            Some(("the Secret of an earlier Pki of this name is not deleted yet".to_owned(), true))
        }
        _ => {
            let exists = format!("Secret {} exists and does not belong to this Pki", pki.key().name());
            Some((exists + ": delete it, or choose another name", false))
        }
    }
}
