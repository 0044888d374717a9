//! The status of a Pki: what it should say, and the patch that makes it say so.
//!
//! Pitfall: a status that differs each time that it is computed. Writing it changes the object, the change is an event,
//! the event is a reconcile, the reconcile writes the status: a loop that no backoff slows down, because nothing fails.
//! Hence: no "last checked" time; a transition time that moves only when the condition flips; and no write at all when
//! the cache already says what would be written.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Pki;

/// The one condition that this controller speaks about.
const READY: &str = "Ready";

/// Why a Pki is ready, or is not: the condition's reason, and of an event where nothing else is prescribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is a valid certificate.
    Issued,
    /// A name that it asks for is not on the list.
    NameNotAllowed,
    /// Something in the spec makes no sense.
    InvalidSpec,
    /// There is a Secret of its name that belongs to someone else.
    SecretConflict,
    /// It went wrong too often, or in a way that trying again does not mend.
    IssueFailed,
}

impl Reason {
    /// As in the condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Issued => "Issued",
            Reason::NameNotAllowed => "NameNotAllowed",
            Reason::InvalidSpec => "InvalidSpec",
            Reason::SecretConflict => "SecretConflict",
            Reason::IssueFailed => "IssueFailed",
        }
    }
}

/// The dates of the certificate that is in the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Hexadecimal.
    pub serial: String,
    /// When it begins to be valid.
    pub not_before: Timestamp,
    /// When it ends to be.
    pub not_after: Timestamp,
    /// When it will be replaced.
    pub renewal: Timestamp,
}

/// A merge patch for the status subresource, or None if the Pki says so already.
///
/// It carries the resourceVersion of the Pki that was judged: if that has changed since, the server answers 409 and the
/// judgement is made afresh. Conditions of other types (other controllers may add theirs) are handed on as they are.
/// Without a certificate the dates of the last one stay: an existing Secret is left alone, and so is what is said of
/// it.
pub fn patch(pki: &Pki, reason: Reason, message: &str, issued: Option<&Certificate>, now: Timestamp) -> Option<Value> {
    let ready = if reason == Reason::Issued { "True" } else { "False" };
    let conditions = pki.status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let before = conditions.iter().find(|condition| condition["type"] == READY);
    let since = match before {
        Some(before) if before["status"] == ready => before["lastTransitionTime"].clone(),
        _ => text(now).into(),
    };
    let condition = json!({
        "type": READY,
        "status": ready,
        "reason": reason.as_str(),
        "message": message,
        "lastTransitionTime": since,
        "observedGeneration": pki.generation,
    });
    let mut status = json!({ "observedGeneration": pki.generation });
    if let Some(certificate) = issued {
        status["serialNumber"] = certificate.serial.as_str().into();
        status["notBefore"] = text(certificate.not_before).into();
        status["notAfter"] = text(certificate.not_after).into();
        status["renewalTime"] = text(certificate.renewal).into();
    }
    let says_so = before == Some(&condition)
        && status.as_object().is_some_and(|fields| fields.iter().all(|(name, value)| pki.status[name] == *value));
    if says_so {
        return None;
    }
    let others = conditions.iter().filter(|condition| condition["type"] != READY).cloned();
    status["conditions"] = others.chain([condition]).collect();
    Some(json!({ "metadata": { "resourceVersion": pki.resource_version }, "status": status }))
}

/// RFC 3339 in whole seconds, as Kubernetes writes times.
fn text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
