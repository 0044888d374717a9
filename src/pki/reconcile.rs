//! The reconcile of a Pki: issues its certificate into its Secret, or reports the error.
//!
//! It always has the same steps: the object, the spec, the allowed names, the Secret, the status. They do not depend on the
//! change that caused the reconcile. If a reconcile is interrupted (by `kill -9` after writing the Secret, for example), the
//! next one completes it, because each step compares the current state with the spec.
//!
//! Each write carries the version that it is based on, so a decision based on an old version fails (409) and overwrites
//! nothing: a Secret is created by POST, and Secret and status are patched with the resourceVersion that was read.

use std::{fmt::Display, sync::Arc, time::Duration};

use daemon::Telemetry;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use kube::{Api, Client, api::Patch, core};
use serde_json::json;

use super::{
    API_VERSION, Config, GROUP_PATH, KIND, PLURAL, Pki,
    allowed::AllowedNamesFile,
    ca::{CaError, CaSecret},
    certificate::{self, Certificate, inspect},
    metrics::CertificateMetrics,
    mutation_cache::MutationCache,
    patch_params, post_params,
    reported::{self, ReportedError},
    secret,
    status::{self, INVALID_SPEC, ISSUE_FAILED, ISSUED, NAME_NOT_ALLOWED, SECRET_CONFLICT, SECRET_TERMINATING},
    validate::CertificateRequest,
};
use crate::{
    events::{self, EventType, MESSAGE_LIMIT, Recorder},
    explain,
    informer::{Key, Object, PerKey, Store, collection_path},
    request::{Failure, with_timeout},
    worker::{Action, ReconcileError, Reconciler},
};

/// Returns the pods that mount a Secret.
pub type WaitingPods = Arc<dyn Fn(&Key) -> Vec<ObjectReference> + Send + Sync>;

/// The reason of the event for a name that is not allowed. Its text is that of Box's example.
const NOT_ALLOWED_EVENT: &str = "pki ServiceName error";
/// The reason of the event if a valid certificate cannot be replaced. The Pki stays ready.
const RENEW_FAILED_EVENT: &str = "RenewFailed";
/// Time until a conflicting Secret is read again. No watch shows its deletion.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// A temporary rejection is reported if it lasts longer than this.
const REPORT_AFTER: Duration = Duration::from_secs(4);

/// The reconciler of Pkis.
pub struct PkiReconciler {
    client: Client,
    pkis: Arc<Store<Pki>>,
    waiting_pods: WaitingPods,
    recorder: Recorder,
    config: Config,
    allowed: AllowedNamesFile,
    ca: CaSecret,
    reported: PerKey<ReportedError>,
    written: MutationCache,
    metrics: CertificateMetrics,
}

/// Why a Pki gets no new certificate.
struct Rejection {
    /// The reason of the condition.
    reason: &'static str,
    message: String,
    /// Whether it is expected to end by itself: then it is retried, and reported only after [`REPORT_AFTER`].
    is_temporary: bool,
    /// The certificate in the Secret, if it is still valid: then the Pki stays ready.
    valid: Option<Certificate>,
}

/// A reconcile that ended early.
enum CertifyError {
    Rejected(Rejection),
    /// A request failed, with the message.
    Failed(Failure, String),
}

/// The Secret of a Pki, compared with the request.
struct Present {
    request: CertificateRequest,
    secret: Option<Secret>,
    /// The certificate in the Secret, or why it is not valid.
    certificate: certificate::Result<Certificate>,
}

impl Reconciler<Key> for PkiReconciler {
    async fn reconcile(&self, key: &Key) -> Result<Action, ReconcileError> {
        // 1. The object, from the cache. If it is deleted or being deleted, write nothing: the garbage collector deletes its
        //    Secret.
        let Some(pki) = self.current(key) else {
            self.reported.forget(key);
            self.written.forget(key);
            self.metrics.set(key, None, None);
            return Ok(Action::AwaitChange);
        };
        // 2. to 4. are in `certify`.
        match self.certify(&pki).await {
            Ok(certificate) => {
                // 5. The status.
                self.reported.forget(key);
                self.write_status(&pki, Ok(&certificate)).await?;
                // Not a retry: that reconcile will find the certificate due for renewal.
                Ok(Action::RequeueAfter(duration_until(certificate.renewal)))
            }
            // A retry has the same result until the Pki, the list or the Secret changes. The first two enqueue the key.
            Err(CertifyError::Rejected(rejection)) => {
                let remind = self.report(&pki, &rejection).await?;
                if rejection.is_temporary {
                    return Err(ReconcileError::Unavailable(rejection.message));
                }
                let next = if rejection.reason == SECRET_CONFLICT { remind.min(READ_AGAIN_AFTER) } else { remind };
                Err(ReconcileError::Permanent { why: rejection.message, requeue_after: Some(next) })
            }
            // The Pki will be deleted with its namespace.
            Err(CertifyError::Failed(failure, _)) if failure.is_namespace_terminating() => Ok(Action::AwaitChange),
            Err(CertifyError::Failed(failure, why)) if failure.is_unavailable() => {
                Err(ReconcileError::Unavailable(why))
            }
            Err(CertifyError::Failed(_, why)) => Err(ReconcileError::Transient(why)),
        }
    }

    async fn on_retries_exhausted(&self, key: &Key, why: &str) -> Result<Action, ReconcileError> {
        let Some(pki) = self.current(key) else { return Ok(Action::AwaitChange) };
        // The certificate in the Secret may still be valid.
        let valid = match self.read_present(&pki, false).await {
            Ok(present) => present.certificate.ok(),
            Err(CertifyError::Failed(failure, _)) if failure.is_unavailable() => return Err(failure.into()),
            Err(_) => None,
        };
        self.report(&pki, &Rejection { valid, ..Rejection::new(ISSUE_FAILED, why) }).await.map(Action::RequeueAfter)
    }
}

impl PkiReconciler {
    /// Creates the reconciler. It reads the list of allowed names, and sends no request.
    pub fn new(
        client: Client,
        pkis: Arc<Store<Pki>>,
        waiting_pods: WaitingPods,
        recorder: Recorder,
        config: &Config,
        telemetry: &Telemetry,
    ) -> Self {
        PkiReconciler {
            ca: CaSecret::new(client.clone(), config.ca_secret.clone(), config.dry_run),
            client,
            pkis,
            waiting_pods,
            recorder,
            allowed: AllowedNamesFile::new(config.allowed_names.clone()),
            reported: PerKey::default(),
            config: config.clone(),
            written: MutationCache::default(),
            metrics: telemetry.metrics(),
        }
    }

    /// Reads the list of allowed names again, forever. Calls `changed` after each change of it.
    pub async fn follow_allowed_names(&self, changed: impl Fn()) {
        self.allowed.follow(changed).await;
    }

    /// Returns the newest known state of a Pki. None: it is deleted or being deleted.
    fn current(&self, key: &Key) -> Option<Arc<Pki>> {
        let cached = self.pkis.get(key).filter(|pki| !pki.is_deleting)?;
        Some(self.written.latest(cached))
    }

    /// Steps 2 to 4: validates the spec, and reads the Secret, unless there is none yet.
    async fn read_present(&self, pki: &Pki, is_new: bool) -> Result<Present, CertifyError> {
        let key = pki.key();
        // 2. The spec.
        let request = CertificateRequest::new(&pki.spec, key.namespace(), &self.config.cluster_domain)
            .map_err(|why| Rejection::new(INVALID_SPEC, why))?;

        // 3. The allowed names.
        self.allowed.current().check(&request, key).map_err(|why| Rejection::new(NAME_NOT_ALLOWED, why))?;

        // 4. The Secret.
        if *key == self.ca.key {
            let message = format!("Secret {key} holds this controller's own CA: choose another name for this Pki");
            Err(Rejection::new(SECRET_CONFLICT, message))?;
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), key.namespace());
        let secret = if is_new { None } else { with_timeout(api.get_opt(key.name())).await? };
        if let Some((reason, message)) = secret.as_ref().and_then(|secret| secret::find_conflict(secret, pki)) {
            Err(Rejection { is_temporary: reason == SECRET_TERMINATING, ..Rejection::new(reason, message) })?;
        }
        let data = secret.as_ref().and_then(|secret| secret.data.clone()).unwrap_or_default();
        Ok(Present { certificate: inspect(&data, &request, Timestamp::now()), request, secret })
    }

    /// Steps 2 to 4: issues a certificate into the Secret, if one is needed.
    ///
    /// A Pki without a status is new, so there is probably no Secret, and a GET is not needed. If there is one, the POST fails
    /// (409). After any failure, the Secret is read.
    async fn certify(&self, pki: &Pki) -> Result<Certificate, CertifyError> {
        if pki.status.is_null()
            && let Ok(certificate) = self.certify_once(pki, true).await
        {
            return Ok(certificate);
        }
        self.certify_once(pki, false).await
    }

    async fn certify_once(&self, pki: &Pki, is_new: bool) -> Result<Certificate, CertifyError> {
        let (key, now) = (pki.key(), Timestamp::now());
        let Present { request, secret, certificate } = self.read_present(pki, is_new).await?;
        // A valid certificate stays, whatever fails below.
        let valid = certificate.as_ref().ok().cloned();
        let reject = |why: &dyn Display| Rejection { valid: valid.clone(), ..Rejection::new(ISSUE_FAILED, why) };
        let authority = match self.ca.get().await {
            Err(CaError::Failed(failure)) if !failure.is_namespace_terminating() => {
                let why = format!("cannot read or create the CA in Secret {}: {failure}", self.ca.key);
                return Err(CertifyError::Failed(failure, why));
            }
            ca => ca.map_err(|e| Rejection { is_temporary: matches!(e, CaError::Failed(_)), ..reject(&e) })?,
        };
        let why = match certificate {
            Ok(certificate) => match authority.why_replace(&certificate, now) {
                None => return Ok(certificate),
                Some(why) => why.to_owned(),
            },
            Err(_) if secret.is_none() => "there is no Secret".to_owned(),
            Err(why) => why.to_string(),
        };
        let (certificate, data) = authority.issue(&request, now, rand::random()).map_err(|why| reject(&why))?;
        let api: Api<Secret> = Api::namespaced(self.client.clone(), key.namespace());
        let (event, written) = match secret {
            // 409: another writer was faster. The next reconcile checks its Secret.
            None => {
                let secret = secret::build(key, &data, Some(pki));
                ("Issued", with_timeout(api.create(&post_params(self.config.dry_run), &secret)).await)
            }
            Some(secret) => {
                let version = secret.metadata.resource_version;
                let patch = Patch::Merge(json!({ "metadata": { "resourceVersion": version }, "data": data }));
                ("Renewed", with_timeout(api.patch(key.name(), &patch_params(self.config.dry_run), &patch)).await)
            }
        };
        match written {
            // The Secret is immutable, or the admission policy denies it: a retry does not help.
            Err(failure) if failure.code() == Some(422) => Err(reject(&failure))?,
            written => written?,
        };
        let Certificate { serial, not_after, renewal, .. } = &certificate;
        let dry_run = self.config.dry_run.then_some(true);
        tracing::info!(pki = %key, why, serial, %not_after, %renewal, dry_run, "certificate {}", event.to_lowercase());
        explain!(Record, pki = %key, "an event on the Pki reports the certificate");
        let message = format!("certificate {serial} is valid until {not_after}");
        self.recorder.record(&events::object_ref(API_VERSION, KIND, pki), EventType::Normal, event, &message);
        Ok(certificate)
    }

    /// Step 5 after a rejection: events, log and status. Returns the time until the next reminder.
    async fn report(&self, pki: &Pki, rejection: &Rejection) -> Result<Duration, ReconcileError> {
        let Rejection { reason, message, is_temporary, valid } = rejection;
        let reason = if valid.is_some() { RENEW_FAILED_EVENT } else { *reason };
        let (mut event, mut objects) = (reason, vec![events::object_ref(API_VERSION, KIND, pki)]);
        if event == NAME_NOT_ALLOWED {
            event = NOT_ALLOWED_EVENT;
            objects.extend((self.waiting_pods)(pki.key()));
        }
        let times = (if *is_temporary { REPORT_AFTER } else { Duration::ZERO }, self.config.remind);
        let error = format!("{event}: {message}");
        let due =
            self.reported.update(pki.key(), |reported| reported::select_due(reported, &error, times, &mut objects));
        let Some(remind) = due else { return Ok(REPORT_AFTER) };
        for object in objects {
            explain!(Record, pki = %pki.key(), object = object.name, kind = object.kind, "an event reports what to fix");
            if object.uid.as_deref() == Some(pki.uid()) {
                tracing::warn!(pki = %pki.key(), reason, error = message, "no certificate issued");
            }
            self.recorder.record(&object, EventType::Warning, event, message);
        }
        self.write_status(pki, Err(rejection)).await?;
        Ok(valid.as_ref().map_or(remind, |certificate| remind.min(duration_until(certificate.not_after))))
    }

    /// Writes the status, unless it is already right.
    async fn write_status(&self, pki: &Pki, result: Result<&Certificate, &Rejection>) -> Result<(), ReconcileError> {
        let key = pki.key();
        let (reason, message, certificate) = match result {
            Ok(certificate) | Err(Rejection { valid: Some(certificate), .. }) => {
                let message = match certificate.is_renewed_early {
                    false => "the certificate is in the Secret of the same name",
                    true => {
                        "the certificate is in the Secret of the same name; it is renewed 5m before its end, because \
                         spec.renewBefore is less: expected at least 5m"
                    }
                };
                (ISSUED, message, Some(certificate))
            }
            Err(Rejection { reason, message, .. }) => (*reason, message.as_str(), None),
        };
        let last = |field| pki.status[field].as_str()?.parse().ok();
        let not_after = certificate.map(|c| c.not_after).or_else(|| last("notAfter"));
        self.metrics.set(key, not_after, certificate.map(|c| c.renewal).or_else(|| last("renewalTime")));
        let Some(patch) = status::patch(pki, reason, message, certificate, Timestamp::now()) else { return Ok(()) };
        let request = core::Request::new(collection_path(GROUP_PATH, Some(key.namespace()), PLURAL))
            .patch_subresource("status", key.name(), &patch_params(self.config.dry_run), &Patch::Merge(patch))
            .map_err(|error| ReconcileError::Transient(error.to_string()))?;
        match with_timeout(self.client.request::<Pki>(request)).await {
            Ok(after) => {
                self.written.record_write(pki, after);
                Ok(())
            }
            Err(failure) if is_not_found(&failure, key) => Ok(()),
            // Retried without a limit. Otherwise the last retry would report that a good certificate was not issued.
            Err(failure) => Err(ReconcileError::Unavailable(format!("cannot write the status: {failure}"))),
        }
    }
}

/// Returns whether the response says that the Pki does not exist. The watch will show its deletion.
///
/// The response is the same if the CRD in the cluster has no status subresource.
fn is_not_found(failure: &Failure, pki: &Key) -> bool {
    let Failure::Status { status, .. } = failure else { return false };
    status.code == 404 && status.details.as_ref().is_some_and(|d| (&*d.kind, &*d.name) == (PLURAL, pki.name()))
}

impl Rejection {
    /// Creates a rejection. Its message becomes one line, at most as long as that of an event.
    fn new(reason: &'static str, message: impl Display) -> Self {
        let mut message = message.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        message.truncate(message.floor_char_boundary(MESSAGE_LIMIT));
        Rejection { reason, message, is_temporary: false, valid: None }
    }
}

impl From<Rejection> for CertifyError {
    fn from(rejection: Rejection) -> Self {
        CertifyError::Rejected(rejection)
    }
}

impl From<Failure> for CertifyError {
    fn from(failure: Failure) -> Self {
        let why = failure.to_string();
        CertifyError::Failed(failure, why)
    }
}

fn duration_until(time: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or_default()
}

#[cfg(test)]
mod tests;
