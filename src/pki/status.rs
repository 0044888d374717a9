//! The patch of a Pki's status.
//!
//! Pitfall: a status that differs at each reconcile, such as a "last checked" time. Its write changes the object, the change
//! causes a reconcile, and the reconcile writes the status again: a loop without a backoff, because nothing fails. So the
//! transition time changes only with the condition, and a status that is already right is not written.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Pki, certificate::Certificate};
use crate::informer::Object;

/// The Secret has a valid certificate.
pub const ISSUED: &str = "Issued";
/// A name is not on the list of allowed names.
pub const NAME_NOT_ALLOWED: &str = "NameNotAllowed";
/// Another field of the spec is wrong.
pub const INVALID_SPEC: &str = "InvalidSpec";
/// The Secret of this name is not controlled by the Pki.
pub const SECRET_CONFLICT: &str = "SecretConflict";
/// The Secret of this name is being deleted, or will be.
pub const SECRET_TERMINATING: &str = "SecretTerminating";
/// The certificate could not be issued.
pub const ISSUE_FAILED: &str = "IssueFailed";

/// Returns a merge patch for the status subresource, or None if the status is already right.
///
/// It carries the resourceVersion of the Pki that was read, so that it fails (409) if the Pki has changed. Conditions of other
/// types are kept. Without a certificate the dates of the last one stay, like the Secret.
pub fn patch(pki: &Pki, reason: &str, message: &str, valid: Option<&Certificate>, now: Timestamp) -> Option<Value> {
    let ready = if reason == ISSUED { "True" } else { "False" };
    let (ours, mut conditions): (Vec<_>, Vec<_>) =
        pki.status["conditions"].as_array().into_iter().flatten().cloned().partition(|c| c["type"] == "Ready");
    let since = match ours.first() {
        Some(before) if before["status"] == ready => before["lastTransitionTime"].clone(),
        _ => rfc3339(now),
    };
    conditions.push(json!({
        "type": "Ready", "status": ready, "reason": reason, "message": message,
        "lastTransitionTime": since, "observedGeneration": pki.generation,
    }));
    let mut status = json!({ "observedGeneration": pki.generation, "conditions": conditions });
    if let Some(certificate) = valid {
        status["serialNumber"] = certificate.serial.as_str().into();
        status["notBefore"] = rfc3339(certificate.not_before);
        status["notAfter"] = rfc3339(certificate.not_after);
        status["renewalTime"] = rfc3339(certificate.renewal);
    }
    let is_right = status.as_object()?.iter().all(|(name, value)| pki.status[name] == *value);
    (!is_right).then(|| json!({ "metadata": { "resourceVersion": pki.resource_version() }, "status": status }))
}

/// RFC 3339 in whole seconds, as Kubernetes writes times.
fn rfc3339(time: Timestamp) -> Value {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}

#[cfg(test)]
mod tests;
