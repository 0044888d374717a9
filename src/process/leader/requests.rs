//! The requests about the one Lease. The loop bounds each of them.

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
use crate::request::Failure;

/// Where the Lease is.
pub struct Requests {
    api: Api<Lease>,
    namespace: String,
}

impl Requests {
    pub fn new(client: Client, namespace: &str) -> Self {
        Requests { api: Api::namespaced(client, namespace), namespace: namespace.to_owned() }
    }

    /// `namespace/name`, for people.
    pub fn lease(&self) -> String {
        format!("{}/{LEASE}", self.namespace)
    }

    /// One attempt.
    pub async fn send(&self, request: &Request) -> Answer {
        match request {
            Request::Look => match self.api.get_opt(LEASE).await {
                Ok(Some(lease)) => Answer::Found(lease),
                Ok(None) => Answer::Absent,
                Err(error) => Answer::Failed(error.into()),
            },
            Request::Write(lease) => match self.write(Lease::clone(lease)).await {
                Ok(lease) => Answer::Written(lease),
                // 404 to a POST is another one: there is no such namespace.
                Err(failure) if failure.code() == Some(404) && !is_new(lease) => Answer::Conflict,
                Err(failure) if failure.code() == Some(409) => Answer::Conflict,
                Err(failure) => Answer::Failed(failure),
            },
        }
    }

    /// Gives the Lease back, if it is this candidate's. Returns whether it was.
    ///
    /// # Errors
    /// It is not known.
    pub async fn release(&self, identity: &str) -> Result<bool, Failure> {
        loop {
            let Some(free) = self.api.get_opt(LEASE).await?.and_then(|lease| released(lease, identity)) else {
                return Ok(false);
            };
            match self.write(free).await {
                Ok(_) => return Ok(true),
                // A renewal of ours that was still on its way, as a rule. Look again.
                Err(failure) if failure.code() == Some(409) => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The version that the Lease carries is what the API server compares.
    async fn write(&self, mut lease: Lease) -> Result<Lease, Failure> {
        // Only people look at these.
        let now = MicroTime(Timestamp::now());
        if let Some(spec) = &mut lease.spec {
            spec.acquire_time.get_or_insert_with(|| now.clone());
            spec.renew_time = Some(now);
        }
        let params = PostParams::default();
        if is_new(&lease) {
            lease.metadata = ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() };
            return Ok(self.api.create(&params, &lease).await?);
        }
        Ok(self.api.replace(LEASE, &params, &lease).await?)
    }
}

fn is_new(lease: &Lease) -> bool {
    lease.metadata.resource_version.is_none()
}
