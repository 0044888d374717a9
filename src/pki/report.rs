//! What becomes of a Pki, in words: the log, the events, the status.
//!
//! All three say the same. The events are for the people whom it concerns, now; the status is for whoever asks later;
//! the log is for the operator.

use std::time::Duration;

use jiff::Timestamp;
use kube::{api::Patch, core};
use tokio::time::Instant;

use super::{Certificate, Certificates, Pki, Reason, status};
use crate::{
    events::{Kind, MESSAGE_LIMIT, ObjectRef},
    explain,
    informer::Object,
    request::{Failure, bounded},
    worker::Error,
};

/// The reason of the event for a name that is not on the list. Not UpperCamelCase like all others: it is the
/// original's, to the letter, so that people find what they search for.
const NOT_ALLOWED: &str = "pki ServiceName error";

/// A Pki that cannot have what it asks for, until someone changes something.
pub(super) struct Rejected {
    /// For the condition.
    pub reason: Reason,
    /// For everyone: condition, event, log.
    pub message: String,
    /// The event's reason.
    event: &'static str,
    /// Whether the pods that wait for the Secret have to hear it as well.
    tell_pods: bool,
}

/// Why a look ended early.
pub(super) enum Stop {
    Rejected(Rejected),
    /// A request failed.
    Failed(Failure),
    /// All is well but for the status, which could not be written.
    Unwritten(Failure),
    /// Nothing is wrong, but it is not our turn yet.
    Wait(&'static str),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failed(failure)
    }
}

impl Rejected {
    /// The usual case: the event has the condition's reason, and is for the owner alone. The message is cut as that of
    /// an event is, so that both say the same (what a server answers may be of any length).
    pub fn because(reason: Reason, message: impl Into<String>) -> Self {
        // In one line: a proxy's page of HTML has many.
        let mut message = message.into().split_whitespace().collect::<Vec<_>>().join(" ");
        message.truncate(message.floor_char_boundary(MESSAGE_LIMIT));
        Rejected { reason, message, event: reason.as_str(), tell_pods: false }
    }

    /// A name that is not on the list: the pods that wait have to hear it as well.
    pub fn not_allowed(message: String) -> Self {
        Rejected { reason: Reason::NameNotAllowed, message, event: NOT_ALLOWED, tell_pods: true }
    }
}

impl From<Rejected> for Stop {
    fn from(rejected: Rejected) -> Self {
        Stop::Rejected(rejected)
    }
}

impl Certificates {
    /// Tells the owner, and writes it into the status. Returns when to remind.
    pub(super) async fn reject(&self, pki: &Pki, rejected: &Rejected) -> Result<Duration, Error> {
        let mut audience = vec![reference(pki)];
        if rejected.tell_pods {
            audience.extend((self.mounts)(pki.key()));
        }
        let remind = self.told.tell(pki.key(), &rejected.message, &audience, Instant::now(), self.remind, |object| {
            explain!(Tell, pki = %pki.key(), object = object.name, kind = object.kind, "an event says what to fix");
            // Logged when it is told, so not at each resync.
            if object.uid == pki.uid() {
                let (reason, error) = (rejected.reason.as_str(), &rejected.message);
                tracing::warn!(pki = %pki.key(), reason, error, "no certificate");
            }
            self.recorder.record(object, Kind::Warning, rejected.event, &rejected.message)
        });
        match self.write_status(pki, rejected.reason, &rejected.message, None).await {
            Ok(()) => Ok(remind),
            Err(failure) => unwritten(&failure).map(|()| remind),
        }
    }

    /// Writes the status, if it does not say so already.
    pub(super) async fn write_status(
        &self,
        pki: &Pki,
        reason: Reason,
        message: &str,
        issued: Option<&Certificate>,
    ) -> Result<(), Failure> {
        let Some(patch) = status::patch(pki, reason, message, issued, Timestamp::now()) else { return Ok(()) };
        let collection = format!("/apis/{}/namespaces/{}/{}", super::API_VERSION, pki.key().namespace(), super::PLURAL);
        let params = super::patching(self.dry_run);
        let request = core::Request::new(collection)
            .patch_subresource("status", pki.key().name(), &params, &Patch::Merge(patch))
            .map_err(|e| Failure::Malformed(e.to_string()))?;
        match bounded(self.client.request::<Pki>(request)).await {
            Ok(after) => {
                tracing::debug!(pki = %pki.key(), reason = reason.as_str(), "status written");
                self.written.wrote(pki, after);
                Ok(())
            }
            // Deleted in the meantime: the watch is about to tell. (A CRD without a status says 404 in other words.)
            Err(Failure::Status { status, .. }) if status.code == 404 && status.message.ends_with("not found") => {
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }
}

/// A status that could not be written. What there was to do is done and told, so this does not count: giving up would
/// say of a good certificate, or of a clear verdict, that "it went wrong too often".
///
/// # Errors
/// To be tried again. Not when the Pki is about to go as well.
pub(super) fn unwritten(failure: &Failure) -> Result<(), Error> {
    if failure.is_namespace_terminating() {
        return Ok(());
    }
    Err(Error::Unavailable(format!("the status cannot be written: {failure}")))
}

/// The Pki, as an event names it.
pub(super) fn reference(pki: &Pki) -> ObjectRef {
    ObjectRef::of(super::API_VERSION, super::KIND, pki)
}
