//! The requests about the Lease. The callers limit each of them in time.

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::Lease,
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};

use super::{
    LEASE,
    machine::{Answer, Request, released},
};
use crate::error_chain;

pub(super) struct Requests {
    api: Api<Lease>,
    namespace: String,
}

impl Requests {
    pub fn new(client: Client, namespace: &str) -> Self {
        Requests { api: Api::namespaced(client, namespace), namespace: namespace.to_owned() }
    }

    /// Returns `namespace/name`.
    pub fn lease(&self) -> String {
        format!("{}/{LEASE}", self.namespace)
    }

    /// Sends a request once. The error is for people.
    pub async fn send(&self, request: &Request) -> Result<Answer, String> {
        match request {
            Request::Get => {
                let found = self.api.get_opt(LEASE).await.map_err(|e| text(&e))?;
                Ok(found.map_or(Answer::Absent, Answer::Found))
            }
            Request::Write(lease) => match self.write(Lease::clone(lease)).await {
                Ok(lease) => Ok(Answer::Written(lease)),
                // 404 to a POST: there is no such namespace.
                Err(kube::Error::Api(s)) if s.code == 409 || s.code == 404 && !is_new(lease) => Ok(Answer::Conflict),
                Err(e) => Err(text(&e)),
            },
        }
    }

    /// Releases the Lease if it is this candidate's, and returns whether it was.
    pub async fn release(&self, identity: &str) -> Result<bool, String> {
        loop {
            let found = self.api.get_opt(LEASE).await.map_err(|e| text(&e))?;
            let Some(free) = found.and_then(|lease| released(lease, identity)) else { return Ok(false) };
            match self.write(free).await {
                Ok(_) => return Ok(true),
                // Usually a renewal of this process that was on its way.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(e) => return Err(text(&e)),
            }
        }
    }

    /// The API server compares the version in the Lease.
    async fn write(&self, mut lease: Lease) -> Result<Lease, kube::Error> {
        // Times are for people only.
        let now = MicroTime(Timestamp::now());
        if let Some(spec) = &mut lease.spec {
            spec.acquire_time.get_or_insert_with(|| now.clone());
            spec.renew_time = Some(now);
        }
        let params = PostParams::default();
        if is_new(&lease) {
            lease.metadata = ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() };
            return self.api.create(&params, &lease).await;
        }
        self.api.replace(LEASE, &params, &lease).await
    }
}

fn is_new(lease: &Lease) -> bool {
    lease.metadata.resource_version.is_none()
}

fn text(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} {}: {}", status.code, status.reason, status.message),
        other => error_chain(other),
    }
}
