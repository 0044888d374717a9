//! The patch that makes the status of a Pki right.
//!
//! Pitfall: a status that differs each time that it is computed. The write changes the object, the change is an event, the
//! event is a reconcile, and the reconcile writes the status again: a loop that no backoff slows down, because nothing
//! fails. So there is no "last checked" time, the transition time changes only with the condition, and nothing is written if
//! the status is already right.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Pki, certificate::Certificate};
use crate::informer::Object;

/// There is a valid certificate.
pub const ISSUED: &str = "Issued";
/// A name is not on the list of allowed names.
pub const NAME_NOT_ALLOWED: &str = "NameNotAllowed";
/// Anything else in the spec is wrong.
pub const INVALID_SPEC: &str = "InvalidSpec";
/// There is a Secret of this name that the Pki does not control.
pub const SECRET_CONFLICT: &str = "SecretConflict";
/// The certificate could not be issued.
pub const ISSUE_FAILED: &str = "IssueFailed";

/// Returns a merge patch for the status subresource, or None if the status is already right.
///
/// It carries the resourceVersion of the Pki that was judged, so that a newer one is judged again (409). Conditions of other
/// types are kept. Without a certificate the dates of the last one stay, like the Secret itself.
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
