//! The certificate job: make the Secret of one Pki what the Pki asks for, or say why not.
//!
//! The steps are always the same, always all of them, and in this order: the object, the spec, the list, the Secret, the
//! status. None of them cares why it runs. A reconcile that was interrupted anywhere (kill -9 between the Secret and the
//! status, say) is mended by the next one, because it compares and never assumes.
//!
//! Every write carries the version of what it is based on, so that what is decided on an old copy is refused (409) instead
//! of overwriting something newer: a Secret is created by POST, patched at the resourceVersion that was checked, and the
//! status is patched at that of the Pki that was judged.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core,
};
use serde_json::json;
use tokio::time::Instant;

use super::{
    Allowed, Metrics, Pki, Reason,
    authority::{Authority, Issued},
    ca::{CaSecret, NoCa},
    inspect::Verdict,
    secret::{self, Owner},
    status::{self, Certificate},
    told::Told,
    validate::{Request, validate},
    written::Written,
};
use crate::{
    events::{Kind, MESSAGE_LIMIT, ObjectRef, Recorder},
    explain,
    explain::Step,
    informer::{Key, Object, Store},
    request::{Failure, bounded},
    worker::{Error, Outcome, Reconciler},
};

/// The reason of the event for a name that is not on the list. Not UpperCamelCase like all others: it is the original's, to
/// the letter, so that people find what they search for.
const NOT_ALLOWED: &str = "pki ServiceName error";

/// Answers "which pods wait for this Secret?". The pods' cache knows; this room does not need to know whose cache it is.
pub type Mounts = Arc<dyn Fn(&Key) -> Vec<ObjectRef> + Send + Sync>;

/// The job, as the worker sees it.
pub struct Certificates {
    /// For the writes.
    pub client: Client,
    /// The cache of Pkis.
    pub store: Arc<Store<Pki>>,
    /// Which names may be asked for.
    pub allowed: Arc<Allowed>,
    /// Who signs.
    pub ca: CaSecret,
    /// Who else has to hear of a name that is not allowed.
    pub mounts: Mounts,
    /// Tells them.
    pub recorder: Recorder,
    /// Who has been told.
    pub told: Told,
    /// What we have written that the cache may not show yet.
    pub written: Written,
    /// An error that persists is told again after so long.
    pub remind: Duration,
    /// Say what would be written, and let the server check it, but write nothing.
    pub dry_run: bool,
    /// What is counted.
    pub metrics: Metrics,
}

/// A Pki that cannot have what it asks for, until someone changes something.
struct Rejected {
    /// For the condition.
    reason: Reason,
    /// For everyone: condition, event, log.
    message: String,
    /// The event's reason.
    event: &'static str,
    /// Whether the pods that wait for the Secret have to hear it as well.
    tell_pods: bool,
}

/// Why a look ended early.
enum Stop {
    Rejected(Rejected),
    /// A request failed.
    Failed(Failure),
    /// Nothing is wrong, but it is not our turn yet.
    Wait(&'static str),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failed(failure)
    }
}

impl Rejected {
    /// The usual case: the event has the condition's reason, and is for the owner alone. The message is cut as that of an
    /// event is, so that both say the same (what a server answers may be of any length).
    fn because(reason: Reason, message: impl Into<String>) -> Self {
        // In one line: a proxy's page of HTML has many.
        let mut message = message.into().split_whitespace().collect::<Vec<_>>().join(" ");
        message.truncate(message.floor_char_boundary(MESSAGE_LIMIT));
        Rejected { reason, message, event: reason.as_str(), tell_pods: false }
    }
}

impl From<Rejected> for Stop {
    fn from(rejected: Rejected) -> Self {
        Stop::Rejected(rejected)
    }
}

impl Reconciler<Key> for Certificates {
    async fn reconcile(&self, key: &Key) -> Result<Outcome, Error> {
        // 1. The object, as the cache has it now. Gone, or on its way out (a finalizer may hold it for long): nothing is
        //    written for it any more. Its Secret goes by garbage collection.
        let Some(pki) = self.present(key) else {
            self.told.forget(key);
            self.written.forget(key);
            self.metrics.forget(key);
            return Ok(Outcome::Settled);
        };
        explain!(Step::Reconcile, pki = %key, "the present state is looked up in the cache, whatever the reason for the look");
        match self.look(&pki).await {
            Ok(certificate) => {
                self.told.forget(key);
                self.metrics.expires(key, certificate.not_after);
                // Not a retry: nothing failed. Renewal is a look at the right time, and the look finds it due.
                Ok(Outcome::RequeueAfter(until(certificate.renewal)))
            }
            // Absorbed: trying again gives the same answer until the Pki, the list or the Secret changes. The first two
            // bring a new look by themselves, the Secret (which is not watched) is looked at again with each resync.
            Err(Stop::Rejected(rejected)) => {
                // An earlier certificate, if there is one, is left alone and will end.
                match pki.status["notAfter"].as_str().and_then(|text| text.parse().ok()) {
                    Some(not_after) => self.metrics.expires(key, not_after),
                    None => self.metrics.forget(key),
                }
                let remind = self.reject(&pki, &rejected).await?;
                Err(Error::Permanent { why: rejected.message, requeue_after: Some(remind) })
            }
            // Retried, for as long as it takes: it says nothing about this Pki.
            Err(Stop::Wait(why)) => Err(Error::Unavailable(why.into())),
            Err(Stop::Failed(failure)) => failed(failure),
        }
    }

    /// The worker has no more patience. Tell the owner what it looks like from here; the next change, resync or reminder
    /// tries again.
    async fn gave_up(&self, key: &Key, why: &str) -> Result<Outcome, Error> {
        let Some(pki) = self.present(key) else { return Ok(Outcome::Settled) };
        self.reject(&pki, &Rejected::because(Reason::IssueFailed, why)).await.map(Outcome::RequeueAfter)
    }
}

impl Certificates {
    /// The Pki as it is now, unless it is gone or on its way out.
    fn present(&self, key: &Key) -> Option<Arc<Pki>> {
        let cached = self.store.get(key).filter(|pki| !pki.deleting)?;
        Some(self.written.freshest(cached))
    }

    /// Steps 2 to 5. `Ok` means that the Secret holds what the Pki asks for, and the status says so.
    async fn look(&self, pki: &Pki) -> Result<Certificate, Stop> {
        let key = pki.key();
        // 2. The spec. The API server has checked it by the same rules, if the CRD is ours and up to date: so check.
        let request =
            validate(&pki.spec).map_err(|invalid| Rejected::because(Reason::InvalidSpec, invalid.to_string()))?;

        // 3. The list.
        let allowed = self.allowed.current();
        if let Some(refused) = allowed.refused(&request, key.namespace()) {
            let message = allowed.refusal(&refused, key);
            return Err(
                Rejected { reason: Reason::NameNotAllowed, message, event: NOT_ALLOWED, tell_pods: true }.into()
            );
        }

        // 4. The Secret.
        if key == self.ca.key() {
            let message =
                format!("Secret {key} is where this controller keeps its own CA: choose another name for this Pki");
            return Err(Rejected::because(Reason::SecretConflict, message).into());
        }
        let authority = self.ca.get().await.map_err(|no_ca| match no_ca {
            NoCa::Unusable(why) => Rejected::because(Reason::IssueFailed, why).into(),
            // That namespace is not the Pki's: this is no reason to absorb it.
            NoCa::Failed(failure) if failure.is_namespace_terminating() => {
                Stop::Wait("the namespace of the CA's Secret is being deleted")
            }
            NoCa::Failed(failure) => Stop::Failed(failure),
        })?;
        let certificate = self.secret(pki, &request, &authority).await?;

        // 5. The status.
        self.write_status(pki, Reason::Issued, "the certificate is in the Secret of the same name", Some(&certificate))
            .await?;
        Ok(certificate)
    }

    /// Makes the Secret right, with no write if it is.
    async fn secret(&self, pki: &Pki, request: &Request, authority: &Authority) -> Result<Certificate, Stop> {
        let key = pki.key();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), key.namespace());
        let now = Timestamp::now();
        let Some(present) = bounded(api.get_opt(key.name())).await? else {
            let issued = self.issue(request, key, authority, now)?;
            let secret = secret::build(key, issued.secret_data(), Some(pki));
            let params = PostParams { dry_run: self.dry_run, field_manager: Some(super::FIELD_MANAGER.into()) };
            // 409: someone was faster. The next look finds out who.
            bounded(api.create(&params, &secret)).await?;
            self.wrote(pki, "Issued", "no Secret", &issued);
            return Ok(issued.certificate);
        };
        match secret::owner(&present, pki) {
            Owner::Us if present.metadata.deletion_timestamp.is_some() => {
                return Err(Stop::Wait("its Secret is being deleted"));
            }
            Owner::Us => {}
            Owner::Predecessor => {
                return Err(Stop::Wait("the Secret of an earlier Pki of this name is not collected yet"));
            }
            Owner::Other => {
                let message = format!(
                    "Secret {} exists and does not belong to this Pki: delete it, or choose another name",
                    key.name()
                );
                return Err(Rejected::because(Reason::SecretConflict, message).into());
            }
        }
        let data = present.data.unwrap_or_default();
        let why = match authority.inspect(&data, request, key, now) {
            Verdict::Valid(certificate) => return Ok(certificate),
            verdict => verdict.to_string(),
        };
        // Nothing that is repeated here changes that, so it is not even tried.
        if present.immutable == Some(true) {
            let message = format!("Secret {} is immutable and has to be replaced ({why}): delete it", key.name());
            return Err(Rejected::because(Reason::IssueFailed, message).into());
        }
        let issued = self.issue(request, key, authority, now)?;
        let patch = json!({
            "metadata": { "resourceVersion": present.metadata.resource_version },
            "data": issued.secret_data(),
        });
        let params = PatchParams { dry_run: self.dry_run, ..PatchParams::apply(super::FIELD_MANAGER) };
        match bounded(api.patch(key.name(), &params, &Patch::Merge(patch))).await {
            Ok(_) => {}
            // Someone made it immutable just now, or took our label off, so that the admission policy refuses.
            Err(failure) if failure.code() == Some(422) => {
                return Err(Rejected::because(Reason::IssueFailed, failure.to_string()).into());
            }
            Err(failure) => return Err(failure.into()),
        }
        self.wrote(pki, "Renewed", &why, &issued);
        Ok(issued.certificate)
    }

    fn issue(&self, request: &Request, key: &Key, authority: &Authority, now: Timestamp) -> Result<Issued, Stop> {
        let issued = authority.issue(request, key, now, rand::random());
        issued.map_err(|why| Rejected::because(Reason::IssueFailed, why).into())
    }

    fn wrote(&self, pki: &Pki, event: &'static str, why: &str, issued: &Issued) {
        let Certificate { serial, not_after, renewal, .. } = &issued.certificate;
        tracing::info!(
            pki = %pki.key(), why, serial, %not_after, %renewal, dry_run = self.dry_run.then_some(true),
            "certificate {}", if event == "Issued" { "issued" } else { "renewed" }
        );
        let message = format!("certificate {serial} is valid until {not_after}");
        explain!(Step::Tell, pki = %pki.key(), "an event says what was done");
        self.recorder.record(&reference(pki), Kind::Normal, event, &message);
    }

    /// Tells the owner, and writes it into the status. Returns when to remind.
    async fn reject(&self, pki: &Pki, rejected: &Rejected) -> Result<Duration, Error> {
        let mut audience = vec![reference(pki)];
        if rejected.tell_pods {
            audience.extend((self.mounts)(pki.key()));
        }
        let remind = self.told.tell(pki.key(), &rejected.message, &audience, Instant::now(), self.remind, |object| {
            explain!(Step::Tell, pki = %pki.key(), object = object.name, kind = object.kind, "an event says what to fix");
            // Logged when it is told, so not at each resync.
            if object.uid == pki.uid() {
                let (reason, error) = (rejected.reason.as_str(), &rejected.message);
                tracing::warn!(pki = %pki.key(), reason, error, "no certificate");
            }
            self.recorder.record(object, Kind::Warning, rejected.event, &rejected.message)
        });
        match self.write_status(pki, rejected.reason, &rejected.message, None).await {
            Ok(()) => Ok(remind),
            Err(failure) if failure.is_namespace_terminating() => Ok(remind),
            // The verdict stands and has been told; what failed is writing it down. That is tried again, and does not count:
            // giving up would replace the true reason by "it went wrong too often".
            Err(failure) => {
                Err(Error::Unavailable(format!("{}; the status cannot be written: {failure}", rejected.message)))
            }
        }
    }

    async fn write_status(
        &self,
        pki: &Pki,
        reason: Reason,
        message: &str,
        issued: Option<&Certificate>,
    ) -> Result<(), Failure> {
        let Some(patch) = status::patch(pki, reason, message, issued, Timestamp::now()) else { return Ok(()) };
        let collection = format!("/apis/{}/namespaces/{}/{}", super::API_VERSION, pki.key().namespace(), super::PLURAL);
        let params = PatchParams { dry_run: self.dry_run, ..PatchParams::apply(super::FIELD_MANAGER) };
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

/// What a failed request means for the Pki: retry or absorb, and whether it counts.
fn failed(failure: Failure) -> Result<Outcome, Error> {
    if failure.is_namespace_terminating() {
        return Ok(Outcome::Settled); // absorbed: the Pki is about to go as well
    }
    Err(if failure.is_unavailable() {
        Error::Unavailable(failure.to_string())
    } else {
        Error::Transient(failure.to_string())
    })
}

fn reference(pki: &Pki) -> ObjectRef {
    ObjectRef {
        api_version: super::API_VERSION.into(),
        kind: super::KIND.into(),
        namespace: pki.key().namespace().into(),
        name: pki.key().name().into(),
        uid: pki.uid().into(),
        resource_version: Some(pki.resource_version().into()),
    }
}

fn until(time: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
