//! The Secret of the CA: created once, never overwritten.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::{sync::Mutex, time::Instant};

use super::{certificate::Authority, post_params, secret};
use crate::{
    informer::Key,
    request::{Failure, with_timeout},
};

/// An older copy of the CA is read again, so that a replaced CA is used without a watch.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The Secret of the CA, and a copy of the CA.
pub struct CaSecret {
    api: Api<Secret>,
    pub key: Key,
    dry_run: bool,
    /// A tokio lock, because it is held across the requests: if many workers need the CA at once, one of them reads it.
    copy: Mutex<Option<(Instant, CaResult)>>,
}

type CaResult = Result<Arc<Authority>, CaError>;

/// The CA cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CaError {
    /// The Secret has no CA that can sign. It is not replaced.
    #[error("{0}")]
    Unusable(String),
    /// A request failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl CaSecret {
    pub fn new(client: Client, key: Key, dry_run: bool) -> Self {
        CaSecret { api: Api::namespaced(client, key.namespace()), key, dry_run, copy: Mutex::default() }
    }

    /// Returns the CA, at most a minute old; creates it if it does not exist.
    pub async fn get(&self) -> CaResult {
        let called = Instant::now();
        let mut copy = self.copy.lock().await;
        // If another worker got an error while this one waited for the lock, return the same error.
        if let Some((read, ca)) = &*copy
            && (*read >= called || ca.is_ok() && read.elapsed() < MAX_AGE)
        {
            return ca.clone();
        }
        let ca = match self.read().await.transpose() {
            Some(ca) => ca,
            None => self.create().await,
        };
        *copy = Some((Instant::now(), ca.clone()));
        ca
    }

    async fn read(&self) -> Result<Option<Arc<Authority>>, CaError> {
        let Some(secret) = with_timeout(self.api.get_opt(self.key.name())).await? else { return Ok(None) };
        match Authority::load(&secret.data.unwrap_or_default(), Timestamp::now()) {
            Ok(authority) => Ok(Some(Arc::new(authority))),
            Err(why) => Err(CaError::Unusable(format!("the CA in Secret {} cannot be used: {why}", self.key))),
        }
    }

    /// Creates the CA by POST. If two controllers start together, one gets 409, and uses the CA of the other.
    async fn create(&self) -> CaResult {
        let authority = Authority::create(Timestamp::now(), rand::random());
        let authority = authority.map_err(|why| CaError::Unusable(format!("a CA cannot be created: {why}")))?;
        let secret = secret::build(&self.key, &authority.secret_data(), None);
        match with_timeout(self.api.create(&post_params(self.dry_run), &secret)).await {
            Ok(_) => {
                tracing::info!(secret = %self.key, dry_run = self.dry_run.then_some(true), "CA created");
                Ok(Arc::new(authority))
            }
            Err(conflict) if conflict.code() == Some(409) => Ok(self.read().await?.ok_or(conflict)?),
            Err(failure) => Err(failure.into()),
        }
    }
}

#[cfg(test)]
mod tests;
