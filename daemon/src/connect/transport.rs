//! Sends each request with the current credential, CA certificates and client certificate.
//!
//! A [`kube::Client`] keeps the certificates that it was built with. This one builds another client when they change, or when
//! the client is dead. Requests in progress, such as watches, end on the old client.

use std::{error::Error as StdError, sync::Arc};

use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};
use parking_lot::Mutex;
use tokio::time::Instant;
use tower::buffer::error::Closed;

use super::{
    exec::{Credential, ExecPlugin},
    reload::Reloaded,
    tls::{Tls, TlsSources},
};
use crate::{Error, error_chain};

/// The source of the `Authorization` header.
pub(super) enum Auth {
    /// kube adds it, if the configuration has a user name or OIDC.
    Config,
    Header(HeaderValue),
    TokenFile(Reloaded<HeaderValue>),
    Exec(Arc<ExecPlugin>),
}

pub(super) struct Transport {
    /// Without certificates and tokens.
    config: Config,
    tls: Reloaded<Arc<Tls>>,
    auth: Auth,
    built: Mutex<Option<Built>>,
}

/// A client, and what it was built with.
struct Built {
    client: Client,
    tls: Arc<Tls>,
    credential: Option<Arc<Credential>>,
}

impl Transport {
    /// Runs an exec plugin, and builds the first client.
    pub async fn new(config: Config, tls: TlsSources, auth: Auth) -> Result<Self, Error> {
        let tls = Reloaded::new(move || tls.read().map(Arc::new), Instant::now()).map_err(Error::Usage)?;
        let transport = Transport { config, tls, auth, built: Mutex::default() };
        transport.client(transport.credential().await?)?;
        Ok(transport)
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// A [`kube::Error`], or the [`Error`] of an exec plugin.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, Box<dyn StdError + Send + Sync>> {
        let credential = self.credential().await?;
        let header = match &self.auth {
            Auth::Config => None,
            Auth::Header(header) => Some(header.clone()),
            Auth::TokenFile(file) => Some(file.current(Instant::now())),
            Auth::Exec(_) => credential.as_ref().and_then(|credential| credential.header.clone()),
        };
        if let Some(header) = header {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        let response = self.client(credential.clone())?.send(request).await;
        match &response {
            Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
                if let (Auth::Exec(plugin), Some(credential)) = (&self.auth, &credential) {
                    plugin.reject(credential);
                }
            }
            // The client's task has panicked: every later request to it would fail.
            Err(kube::Error::Service(error)) if error.is::<Closed>() => *self.built.lock() = None,
            _ => {}
        }
        Ok(response?)
    }

    async fn credential(&self) -> Result<Option<Arc<Credential>>, Error> {
        match &self.auth {
            Auth::Exec(plugin) => plugin.credential().await.map(Some),
            _ => Ok(None),
        }
    }

    /// Returns the client for the current certificates. If they cannot be used, the last client stays in use: of a certificate
    /// and its key, only one may be replaced yet.
    fn client(&self, credential: Option<Arc<Credential>>) -> Result<Client, Error> {
        let tls = self.tls.current(Instant::now());
        let mut built = self.built.lock();
        let is_same = |built: &&Built| {
            let same_credential = built.credential.as_ref().map(Arc::as_ptr) == credential.as_ref().map(Arc::as_ptr);
            Arc::ptr_eq(&built.tls, &tls) && same_credential
        };
        if let Some(built) = built.as_ref().filter(is_same) {
            return Ok(built.client.clone());
        }
        let mut config = self.config.clone();
        tls.apply(&mut config, credential.as_ref().and_then(|credential| credential.identity.as_ref()));
        if config.cluster_url.scheme_str() == Some("http") || config.accept_invalid_certs {
            // Nothing is verified, so the system's CA certificates may be missing, as in an image from scratch.
            config.root_cert.get_or_insert_default();
        }
        let client = match (ClientBuilder::try_from(config), built.take()) {
            (Ok(builder), _) => builder.build(),
            (Err(e), None) => return Err(Error::Usage(describe(&e))),
            (Err(e), Some(last)) => {
                tracing::warn!("{}: the last certificates stay in use", describe(&e));
                last.client
            }
        };
        *built = Some(Built { client: client.clone(), tls, credential });
        Ok(client)
    }
}

fn describe(error: &kube::Error) -> String {
    let hint = match error {
        kube::Error::RustlsTls(_) => ": expected CA certificates, and for a client certificate its key",
        _ => "",
    };
    error_chain(error) + hint
}

#[cfg(test)]
mod tests;
