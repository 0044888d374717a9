//! The Secret of a certificate, and whether a Pki controls it.

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::{API_VERSION, KIND, Pki, certificate::Data, status};
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

/// Returns why a Secret cannot be used for a Pki: the reason and the message of the condition.
///
/// The owner is compared by UID: an earlier Pki may have had the same name.
pub fn find_conflict(secret: &Secret, pki: &Pki) -> Option<(&'static str, String)> {
    let (name, metadata) = (pki.key().name(), &secret.metadata);
    let finalizers = metadata.finalizers.as_deref().unwrap_or_default().join(", ");
    let waits_for = match metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true)) {
        _ if metadata.deletion_timestamp.is_some() => {
            format!("is being deleted and waits for its finalizers [{finalizers}]: check the programs that remove them")
        }
        Some(owner) if owner.uid == pki.uid() => return None,
        Some(owner) if (&*owner.api_version, &*owner.kind, &*owner.name) == (API_VERSION, KIND, name) => {
            "belongs to an earlier Pki and waits for the garbage collector: delete it if that takes long".to_owned()
        }
        _ => {
            let exists = format!("Secret {name} exists and does not belong to this Pki");
            let advice = ": delete it, or choose another name. It is checked again once a minute";
            return Some((status::SECRET_CONFLICT, exists + advice));
        }
    };
    Some((status::SECRET_TERMINATING, format!("Secret {name} {waits_for}. A new one follows within a minute")))
}
