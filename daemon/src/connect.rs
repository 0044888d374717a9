//! Builds a client for the API server, connected as kubectl would be.
//!
//! The order is kubectl's: the kubeconfig of `--kubeconfig` or `KUBECONFIG`, else `~/.kube/config`, else the pod's
//! service account. Three decisions about the client:
//!
//! * **It does not retry.** kube would repeat a 429, 503 or 504 up to 15 times and obey any `Retry-After`. Here one
//!   request is one attempt; the worker and the reflector decide about the next one.
//! * **It has no read timeout**, because a watch may be silent for minutes. The callers limit each request.
//! * **It connects within 10 s or fails**, so that a server that drops packets is noticed.

use std::{
    env,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderValue, Request, Uri, header::AUTHORIZATION};
use kube::{
    Client, Config,
    client::{AuthError, Body, ClientBuilder},
};
use tower::util::MapRequestLayer;

use crate::{Error, error_chain};

mod kubeconfig;
mod service_account;
mod token;

use service_account::ServiceAccount;
use token::TokenFile;

/// Time limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The API server to connect to.
#[derive(Clone, Debug)]
pub enum Target {
    /// The kubeconfig, else the pod's service account.
    Kubeconfig {
        /// A file, or several separated by `:`. None or empty: `~/.kube/config`.
        files: Option<OsString>,
        /// None or empty: the current context.
        context: Option<String>,
    },
    /// A server given by the user. If it is that of the pod's own cluster, the service account provides a missing token
    /// or CA.
    Server {
        /// The URL, with a scheme.
        url: Uri,
        /// The bearer token.
        token: Option<Token>,
        /// File with the CA certificates. None: those of the system.
        ca: Option<PathBuf>,
    },
}

/// A bearer token.
#[derive(Clone)]
pub enum Token {
    /// The token itself.
    Inline(String),
    /// A file with the token, read again when it changes.
    File(PathBuf),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Inline(_) => f.write_str("***"),
            Token::File(path) => path.fmt(f),
        }
    }
}

/// A client and its server.
pub struct Connection {
    /// Makes one attempt per request, always with the current token.
    pub client: Client,
    /// The namespace of the context or of the pod, else `default`.
    pub default_namespace: String,
    /// The namespace of this pod. None outside a cluster.
    pub pod_namespace: Option<String>,
    /// The server and its source, for the log: `https://10.0.0.1:6443 (context dev of ~/.kube/config)`.
    pub server: String,
    /// Host and port of the server.
    pub endpoint: String,
    /// The file with the CA certificates of the server.
    pub ca: Option<PathBuf>,
    /// For the log.
    pub warnings: Vec<String>,
}

/// Builds the client. Needs a tokio runtime.
///
/// No request is sent: the server may be down. But an exec plugin of the kubeconfig runs, and blocks.
///
/// # Errors
/// [`Error::Usage`]: a missing or invalid file, an unknown context, no server. [`Error::Failed`]: a failed exec plugin.
pub async fn connect(target: Target) -> Result<Connection, Error> {
    let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    connect_in(target, home.as_deref(), &ServiceAccount::from_env()).await
}

async fn connect_in(target: Target, home: Option<&Path>, account: &ServiceAccount) -> Result<Connection, Error> {
    let mut warnings = Vec::new();
    let (config, token, source) = match target {
        Target::Server { url, token, ca } => {
            let source = "--api-endpoint".to_owned();
            let (config, token) = server_config(url, token, ca, account, &mut warnings)
                .map_err(|why| Error::Usage(format!("{source}: {why}")))?;
            (config, token, source)
        }
        Target::Kubeconfig { files, context } => {
            let (files, context) = (files.filter(|f| !f.is_empty()), context.filter(|c| !c.is_empty()));
            match kubeconfig::find(files.as_deref(), home)? {
                Some(found) => found.config(context, &mut warnings).await?,
                None if context.is_some() => {
                    let ways = "expected --kubeconfig, KUBECONFIG or ~/.kube/config";
                    return Err(Error::Usage(format!("--context: there is no kubeconfig: {ways}")));
                }
                None => {
                    let (config, token) = account.config()?;
                    (config, Some(token), "the pod's service account".to_owned())
                }
            }
        }
    };
    let header = token.map(AuthHeader::new).transpose().map_err(|why| Error::Usage(format!("{source}: {why}")))?;
    Ok(Connection {
        server: format!("{} ({source})", config.cluster_url.to_string().trim_end_matches('/')),
        default_namespace: Some(config.default_namespace.trim())
            .filter(|namespace| !namespace.is_empty())
            .unwrap_or("default")
            .to_owned(),
        pod_namespace: account.namespace(),
        endpoint: config.cluster_url.authority().map_or(String::new(), ToString::to_string),
        ca: config.root_cert_file.clone(),
        client: build_client(config, header, &source)?,
        warnings,
    })
}

/// Builds a client for a server on this machine, over plain HTTP. Needs a tokio runtime.
///
/// # Errors
/// [`Error::Failed`]: not a URL, or not a token.
pub fn local_client(url: &str, token: Option<&str>) -> Result<Client, Error> {
    let uri = url.parse().map_err(|e| Error::Failed(format!("{url}: {e}")))?;
    let header = token.map(|token| AuthHeader::new(Token::Inline(token.to_owned()))).transpose();
    build_client(Config::new(uri), header.map_err(|why| Error::Failed(format!("{url}: {why}")))?, url)
}

/// Returns the configuration for a server given by the user.
fn server_config(
    url: Uri,
    token: Option<Token>,
    ca: Option<PathBuf>,
    account: &ServiceAccount,
    warnings: &mut Vec<String>,
) -> Result<(Config, Option<Token>), String> {
    let own_file = |path: PathBuf| Some(path).filter(|path| account.is_own_cluster(&url) && path.exists());
    let token = token.or_else(|| own_file(account.token()).map(Token::File));
    let ca = ca.or_else(|| own_file(account.ca()));
    if !is_loopback(&url) {
        match token {
            None => warnings.push(format!("no token is sent to {url}: expected --token-file or --token")),
            Some(_) if url.scheme_str() == Some("http") => {
                warnings.push(format!("the token is sent to {url} over plain http, which others can read"));
            }
            Some(_) => {}
        }
    }
    let mut config = Config::new(url);
    if let Some(ca) = ca {
        config.root_cert = Some(read_certificates(&ca)?);
        config.root_cert_file = Some(ca);
    }
    config.default_namespace = account.namespace().unwrap_or_default();
    Ok((config, token))
}

/// Returns whether the URL is on this machine.
fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn build_client(mut config: Config, header: Option<AuthHeader>, source: &str) -> Result<Client, Error> {
    if config.cluster_url.scheme_str() == Some("http") || config.accept_invalid_certs {
        // Nothing is verified, so the system's CA certificates may be missing, as in an image from scratch.
        config.root_cert.get_or_insert_default();
    }
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = None;
    config.default_retry = false;
    let builder = ClientBuilder::try_from(config).map_err(|e| client_error(source, &e))?;
    let Some(header) = header else { return Ok(builder.build()) };
    let authorize = move |mut request: Request<Body>| {
        request.headers_mut().insert(AUTHORIZATION, header.current());
        request
    };
    Ok(builder.with_layer(&MapRequestLayer::new(authorize)).build())
}

/// The `Authorization` header of each request.
#[derive(Clone)]
enum AuthHeader {
    Fixed(HeaderValue),
    File(Arc<TokenFile>),
}

impl AuthHeader {
    fn new(token: Token) -> Result<Self, String> {
        Ok(match token {
            Token::Inline(text) => AuthHeader::Fixed(token::bearer_header(&text)?),
            Token::File(path) => {
                let in_file = |why| format!("token file {}: {why}", path.display());
                AuthHeader::File(Arc::new(TokenFile::open(path.clone(), Instant::now()).map_err(in_file)?))
            }
        })
    }

    fn current(&self) -> HeaderValue {
        match self {
            AuthHeader::Fixed(header) => header.clone(),
            AuthHeader::File(file) => file.header(Instant::now()),
        }
    }
}

/// Reads the certificates of a PEM file, as DER. A file without certificates is an error, because each connection would
/// fail.
fn read_certificates(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("CA file {}: {e}", path.display()))?;
    let blocks = pem::parse_many(bytes).unwrap_or_default().into_iter();
    let certificates: Vec<_> = blocks.filter(|b| b.tag() == "CERTIFICATE").map(pem::Pem::into_contents).collect();
    match certificates.is_empty() {
        true => Err(format!("CA file {}: expected CA certificates in PEM", path.display())),
        false => Ok(certificates),
    }
}

/// Returns the error for a client that cannot be built.
fn client_error(source: &str, error: &kube::Error) -> Error {
    let why = format!("{source}: {}", error_chain(error));
    match error {
        kube::Error::Auth(AuthError::AuthExecRun { .. } | AuthError::AuthExecParse(_)) => Error::Failed(why),
        kube::Error::RustlsTls(_) => {
            Error::Usage(format!("{why}: expected CA certificates, and a key for a client certificate"))
        }
        _ => Error::Usage(why),
    }
}

#[cfg(test)]
mod tests;
