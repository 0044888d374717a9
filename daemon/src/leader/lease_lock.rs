//! The requests for the Lease. The callers set a time limit for each.

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::Lease,
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};

use super::{
    LEASE_NAME,
    machine::{LeaseRequest, LeaseResponse, released},
};
use crate::error_chain;

pub(super) struct LeaseLock {
    api: Api<Lease>,
    namespace: String,
}

impl LeaseLock {
    pub fn new(client: Client, namespace: &str) -> Self {
        LeaseLock { api: Api::namespaced(client, namespace), namespace: namespace.to_owned() }
    }

    /// Returns `namespace/name`.
    pub fn describe(&self) -> String {
        format!("{}/{LEASE_NAME}", self.namespace)
    }

    /// Sends a request once. The error is for the log and `/readyz`.
    pub async fn send(&self, request: &LeaseRequest) -> Result<LeaseResponse, String> {
        match request {
            LeaseRequest::Get => {
                let found = self.api.get_opt(LEASE_NAME).await.map_err(|e| format_error(&e))?;
                Ok(found.map_or(LeaseResponse::Absent, LeaseResponse::Found))
            }
            LeaseRequest::Write(lease) => match self.write(Lease::clone(lease)).await {
                Ok(lease) => Ok(LeaseResponse::Written(lease)),
                // 404 to a POST means that the namespace does not exist.
                Err(kube::Error::Api(s)) if s.code == 409 || s.code == 404 && !is_new(lease) => {
                    Ok(LeaseResponse::Conflict)
                }
                Err(e) => Err(format_error(&e)),
            },
        }
    }

    /// Releases the Lease. Returns false if this candidate does not hold it.
    pub async fn release(&self, identity: &str) -> Result<bool, String> {
        loop {
            let found = self.api.get_opt(LEASE_NAME).await.map_err(|e| format_error(&e))?;
            let Some(free) = found.and_then(|lease| released(lease, identity)) else { return Ok(false) };
            match self.write(free).await {
                Ok(_) => return Ok(true),
                // Usually the API server has just applied a renewal of this process.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(e) => return Err(format_error(&e)),
            }
        }
    }

    /// Writes the Lease at its version, which the API server compares.
    async fn write(&self, mut lease: Lease) -> Result<Lease, kube::Error> {
        // The times are information only: no candidate reads them.
        let now = MicroTime(Timestamp::now());
        if let Some(spec) = &mut lease.spec {
            spec.acquire_time.get_or_insert_with(|| now.clone());
            spec.renew_time = Some(now);
        }
        let params = PostParams::default();
        if is_new(&lease) {
            lease.metadata = ObjectMeta { name: Some(LEASE_NAME.to_owned()), ..ObjectMeta::default() };
            return self.api.create(&params, &lease).await;
        }
        self.api.replace(LEASE_NAME, &params, &lease).await
    }
}

fn is_new(lease: &Lease) -> bool {
    lease.metadata.resource_version.is_none()
}

fn format_error(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} {}: {}", status.code, status.reason, status.message),
        other => error_chain(other),
    }
}
