//! The certificate job: make the Secret of one Pki what the Pki asks for, or say why not.
//!
//! The steps are always the same, always all of them, and in this order: the object, the spec, the list, the Secret,
//! the status. None of them cares why it runs. A reconcile that was interrupted anywhere (kill -9 between the Secret
//! and the status, say) is mended by the next one, because it compares and never assumes.
//!
//! Every write carries the version of what it is based on, so that what is decided on an old copy is refused (409)
//! instead of overwriting something newer: a Secret is created by POST, patched at the resourceVersion that was
//! checked, and the status is patched at that of the Pki that was judged.

use std::{sync::Arc, time::Duration};

use super::{
    Allowed, Certificate, Metrics, Pki, Reason,
    authority::{Authority, Issued},
    ca::{CaSecret, NoCa},
    inspect::Verdict,
    report::{Rejected, Stop, reference, unwritten},
    secret::{self, Owner},
    told::Told,
    validate::{Request, validate},
    written::Written,
};
use crate::{
    events::{Kind, ObjectRef, Recorder},
    explain,
    informer::{Key, Object, Store},
    request::{Failure, bounded},
    worker::{Error, Outcome, Reconciler},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, api::Patch};
use serde_json::json;

/// Answers "which pods wait for this Secret?". The pods' cache knows; this room does not need to know whose cache it
/// is.
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

impl Reconciler<Key> for Certificates {
    async fn reconcile(&self, key: &Key) -> Result<Outcome, Error> {
        // 1. The object, as the cache has it now. Gone, or on its way out (a finalizer may hold it for long): nothing
        //    is written for it any more. Its Secret goes by garbage collection.
        let Some(pki) = self.present(key) else {
            self.told.forget(key);
            self.written.forget(key);
            self.metrics.forget(key);
            return Ok(Outcome::Settled);
        };
        explain!(Reconcile, pki = %key, "the present state is looked up in the cache, whatever the reason for the look");
        match self.look(&pki).await {
            Ok(certificate) => {
                self.told.forget(key);
                self.metrics.expires(key, certificate.not_after, certificate.renewal);
                // Not a retry: nothing failed. Renewal is a look at the right time, and the look finds it due.
                Ok(Outcome::RequeueAfter(until(certificate.renewal)))
            }
            // Absorbed: trying again gives the same answer until the Pki, the list or the Secret changes. The first two
            // bring a new look by themselves, the Secret (which is not watched) is looked at again with each resync.
            Err(Stop::Rejected(rejected)) => {
                // An earlier certificate, if there is one, is left alone and will end.
                let time = |field: &str| pki.status[field].as_str().and_then(|text| text.parse().ok());
                match (time("notAfter"), time("renewalTime")) {
                    (Some(not_after), Some(renewal)) => self.metrics.expires(key, not_after, renewal),
                    _ => self.metrics.forget(key),
                }
                let remind = self.reject(&pki, &rejected).await?;
                Err(Error::Permanent { why: rejected.message, requeue_after: Some(remind) })
            }
            // Retried, for as long as it takes: it says nothing about this Pki.
            Err(Stop::Wait(why)) => Err(Error::Unavailable(why.into())),
            Err(Stop::Failed(failure)) => failed(failure),
            Err(Stop::Unwritten(failure)) => unwritten(&failure).map(|()| Outcome::Settled),
        }
    }

    /// The worker has no more patience. Tell the owner what it looks like from here; the next change, resync or
    /// reminder tries again.
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
            return Err(Rejected::not_allowed(message).into());
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
        self.metrics.ca_expires(authority.not_after);
        let certificate = self.secret(pki, &request, &authority).await?;

        // 5. The status.
        let message = "the certificate is in the Secret of the same name";
        self.write_status(pki, Reason::Issued, message, Some(&certificate)).await.map_err(Stop::Unwritten)?;
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
            let params = super::creating(self.dry_run);
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
        let params = super::patching(self.dry_run);
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
        let done = if event == "Issued" { "issued" } else { "renewed" };
        let would = if self.dry_run { " (dry run: not stored)" } else { "" };
        tracing::info!(pki = %pki.key(), why, serial, %not_after, %renewal, "certificate {done}{would}");
        let message = format!("certificate {serial} is valid until {not_after}");
        explain!(Tell, pki = %pki.key(), kind = super::KIND, "an event says what was done");
        self.recorder.record(&reference(pki), Kind::Normal, event, &message);
    }
}

/// What a failed request means for the Pki: retry or absorb, and whether it counts.
fn failed(failure: Failure) -> Result<Outcome, Error> {
    if failure.is_namespace_terminating() {
        return Ok(Outcome::Settled); // absorbed: the Pki is about to go as well
    }
    Err(failure.into())
}

fn until(time: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
#[path = "reconcile_rig.rs"]
mod rig;
#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "reconcile_secret_tests.rs"]
mod secret_tests;
#[cfg(test)]
#[path = "reconcile_ca_tests.rs"]
mod ca_tests;
