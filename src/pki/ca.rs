//! Where the authority lives: a Secret that is created once and never overwritten.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::{sync::Mutex, time::Instant};

use super::authority::Authority;
use crate::{
    informer::Key,
    request::{Failure, bounded},
};

/// A copy of the CA that is older than this is read again before a certificate is looked at. So a CA that was replaced
/// shows in every certificate at its next look, without watching any Secret.
const FRESH: Duration = Duration::from_secs(60);

/// When the API server is away, everyone who stands in line for the CA is told so at once, instead of finding it out
/// one after the other.
const FRESH_FAILURE: Duration = Duration::from_secs(1);

/// So long before its end people are told, in seconds: 60 days. Twice the default `renewBefore`, so that it is known
/// before the first certificate cannot be renewed for as long as it asks for.
const ENDS_SOON: i64 = 60 * 24 * 3600;
const WARN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// The CA's Secret, and a copy of what is in it.
pub struct CaSecret {
    client: Client,
    key: Key,
    dry_run: bool,
    /// A tokio lock, and held across the requests on purpose: when a thousand Pkis want the CA at once, one of them
    /// asks and the others wait for its answer.
    copy: Mutex<Copy>,
}

#[derive(Default)]
struct Copy {
    authority: Option<(Instant, Arc<Authority>)>,
    failure: Option<(Instant, NoCa)>,
    /// When it was last said that the CA ends soon.
    warned: Option<Instant>,
}

/// Why there is no CA.
#[derive(Clone, Debug)]
pub enum NoCa {
    /// The Secret is there, but it is no use, for this reason. Someone put it there: it is for them to mend.
    Unusable(String),
    /// It could not be asked for.
    Failed(Failure),
}

impl CaSecret {
    /// Nothing is asked for before the first certificate is.
    pub fn new(client: Client, key: Key, dry_run: bool) -> Self {
        CaSecret { client, key, dry_run, copy: Mutex::default() }
    }

    /// Where it lives.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The CA, no older than a minute; created if there is none.
    ///
    /// Cancellation: safe; a Secret that was just created is found by the next call.
    pub async fn get(&self) -> Result<Arc<Authority>, NoCa> {
        let arrived = Instant::now();
        let mut copy = self.copy.lock().await;
        match &*copy {
            // Whatever it is: it was found out while we stood in line. To ask again, one after the other, would take
            // the last in line for as many slow answers as there are workers.
            Copy { failure: Some((when, no_ca)), .. } if *when >= arrived => return Err(no_ca.clone()),
            Copy { failure: Some((when, NoCa::Failed(failure))), .. }
                if failure.is_unavailable() && when.elapsed() < FRESH_FAILURE =>
            {
                return Err(NoCa::Failed(failure.clone()));
            }
            Copy { authority: Some((when, ca)), .. } if when.elapsed() < FRESH => return Ok(ca.clone()),
            _ => {}
        }
        let before = copy.authority.as_ref().map(|(_, ca)| ca.clone());
        let read = self.read_or_create(before).await;
        match &read {
            Ok(ca) => {
                (copy.authority, copy.failure) = (Some((Instant::now(), ca.clone())), None);
                self.warn_in_time(&mut copy.warned, ca);
            }
            Err(no_ca) => copy.failure = Some((Instant::now(), no_ca.clone())),
        }
        read
    }

    /// Certificates of a CA that is about to end are cut short, and then there are none. A new CA has to be there before,
    /// and whoever trusts the old one needs time to learn of it: a task for people, who have to be told.
    fn warn_in_time(&self, warned: &mut Option<Instant>, ca: &Authority) {
        let left = ca.not_after.saturating_sub(jiff::Timestamp::now().as_second());
        if left < ENDS_SOON && warned.is_none_or(|when| when.elapsed() >= WARN_EVERY) {
            *warned = Some(Instant::now());
            let not_after = jiff::Timestamp::from_second(ca.not_after).ok().map(tracing::field::display);
            tracing::warn!(
                secret = %self.key,
                not_after,
                days_left = left / (24 * 3600),
                "the CA ends soon, and every certificate with it: put another one into its Secret, or delete the \
                 Secret to have one made; every certificate is then issued anew"
            );
        }
    }

    async fn read_or_create(&self, before: Option<Arc<Authority>>) -> Result<Arc<Authority>, NoCa> {
        match (self.read().await?, before) {
            (Some(ca), _) => Ok(ca),
            // After a dry run there is still no Secret: the CA that was made up for it goes on.
            (None, Some(made_up)) if self.dry_run => Ok(made_up),
            (None, before) => {
                if before.is_some() {
                    let secret = &self.key;
                    tracing::warn!(%secret, "the CA's Secret is gone: with a new CA every certificate is issued anew");
                }
                self.create().await
            }
        }
    }

    fn api(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), self.key.namespace())
    }

    async fn read(&self) -> Result<Option<Arc<Authority>>, NoCa> {
        let Some(secret) = bounded(self.api().get_opt(self.key.name())).await.map_err(NoCa::Failed)? else {
            return Ok(None);
        };
        let data = secret.data.unwrap_or_default();
        let unusable = |why| NoCa::Unusable(format!("the CA in Secret {} cannot be used: {why}", self.key));
        let now = jiff::Timestamp::now();
        let authority = Authority::from_secret(&data, now).map_err(unusable)?;
        authority.try_out(now).map_err(unusable)?;
        Ok(Some(Arc::new(authority)))
    }

    /// POST, not apply: of two controllers that start together one gets 409, and takes what the other has created.
    async fn create(&self) -> Result<Arc<Authority>, NoCa> {
        let made = Authority::create(jiff::Timestamp::now(), rand::random()).map_err(NoCa::Unusable)?;
        let secret = super::secret::build(&self.key, made.secret_data(), None);
        let params = super::creating(self.dry_run);
        match bounded(self.api().create(&params, &secret)).await {
            Ok(_) => {
                tracing::info!(secret = %self.key, dry_run = self.dry_run.then_some(true), "certificate authority created");
                Ok(Arc::new(made))
            }
            Err(failure) if failure.code() == Some(409) => match self.read().await? {
                Some(theirs) => Ok(theirs),
                None => Err(NoCa::Failed(failure)), // created and deleted in between: look again
            },
            Err(failure) => Err(NoCa::Failed(failure)),
        }
    }
}

#[cfg(test)]
#[path = "ca_tests.rs"]
mod tests;
