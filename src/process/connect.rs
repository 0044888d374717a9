//! A client for the API server: from a [`Target`] to a `kube::Client`.
//!
//! The order is kubectl's and client-go's: a server or kubeconfig that a setting names, else `KUBECONFIG`, else
//! `~/.kube/config`, else the pod's service account.
//!
//! Three decisions about the client:
//! * **No retries of its own.** `kube` would repeat a 429, 503 or 504 up to 15 times behind our back, obeying any
//!   `Retry-After`. Here one request is one attempt; the worker and the reflector decide about the next one.
//! * **No read time-out.** A watch is silent for minutes and must live. Each other request is bounded by
//!   [`crate::request::bounded`], and a watch by the reflector's own idle deadline.
//! * **A connection is given 10 s** to come about, so that a server that swallows packets is noticed.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use http::header::AUTHORIZATION;
use kube::{
    Client, Config,
    client::{AuthError, ClientBuilder},
};
use tower::util::MapRequestLayer;
use x509_parser::pem::Pem;

use super::{
    Refusal, kubeconfig,
    service_account::ServiceAccount,
    settings::{Env, Given},
    target::{self, Target, Token},
    token::{self, TokenFile},
};
use crate::request::chain;
use crate::text::quoted;

/// How long a connection may take to come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A client, and what is worth knowing about it.
pub struct Connection {
    /// One attempt per request; every token it sends is up to date.
    pub client: Client,
    /// The namespace of the context, or of the pod.
    pub default_namespace: String,
    /// The namespace of the pod that this runs in, if it does.
    pub pod_namespace: Option<String>,
    /// The server and who named it, for the log: `https://10.0.0.1:6443 (context dev in ~/.kube/config)`.
    pub server: String,
    /// Its host and port, as far as its URL has one.
    pub endpoint: String,
    /// The file of the CA that it is checked against, if that is one.
    pub ca: Option<PathBuf>,
    /// What the user should know, for the log.
    pub warnings: Vec<String>,
}

/// Makes the client. Sends nothing yet: the server may well be down. An exec plugin of the kubeconfig is run, though.
/// Must be called inside a tokio runtime. `pod` is where a pod has its service account's files,
/// [`DIRECTORY`](super::service_account::DIRECTORY).
///
/// # Errors
/// Exit code 2: files that are missing or wrong, an unknown context, no server at all. Exit code 1: an exec plugin that
/// failed.
pub async fn connect(
    target: Target,
    mut warnings: Vec<String>,
    env: Env<'_>,
    pod: &Path,
) -> Result<Connection, Refusal> {
    let account = ServiceAccount { directory: pod, env };
    let (config, header, named_by) = match target {
        Target::Server { url, endpoint, token, ca } => {
            let mut config = Config::new(url);
            let header = name_server(&mut config, &endpoint, token, ca, &account, &mut warnings)?;
            (config, header, endpoint.sibling(endpoint.setting))
        }
        Target::Kubeconfig { files, context } => {
            let (mut config, named_by) = match kubeconfig::find(files.as_ref(), context.as_ref(), env)? {
                Some((found, place)) => kubeconfig::config(found, &place, context.as_ref(), env, &mut warnings).await?,
                None => (in_pod(&account)?, "the pod's service account".to_owned()),
            };
            let header = rotating(&mut config).map_err(|why| Refusal::input(format!("{named_by}: {why}")))?;
            (config, header, named_by)
        }
    };
    let server = format!("{} ({named_by})", config.cluster_url.to_string().trim_end_matches('/'));
    // A context without a namespace means `default`, one with an empty namespace too.
    let default_namespace = match config.default_namespace.trim() {
        "" => "default".to_owned(),
        namespace => namespace.to_owned(),
    };
    let endpoint = config.cluster_url.authority().map_or(String::new(), ToString::to_string);
    let ca = config.root_cert_file.clone();
    let client = client(config, header, &named_by)?;
    let pod_namespace = account.namespace();
    Ok(Connection { client, default_namespace, pod_namespace, server, endpoint, ca, warnings })
}

/// A server that a setting names: its CA and its header. Where it is the cluster's own, the pod's service account fills
/// in what is not given.
fn name_server(
    config: &mut Config,
    endpoint: &Given,
    token: Option<Token>,
    ca: Option<Given>,
    account: &ServiceAccount,
    warnings: &mut Vec<String>,
) -> Result<Option<Header>, Refusal> {
    let own = account.is_for(&config.cluster_url);
    // The file is kept beside its content: it is read again as it rotates.
    if let Some(ca) = ca {
        config.root_cert = Some(certificates(Path::new(&ca.text)).map_err(|why| ca.wrong(why))?);
        config.root_cert_file = Some(PathBuf::from(ca.text));
    } else if own && account.ca().exists() {
        config.root_cert = Some(certificates(&account.ca()).map_err(|why| unreadable(&account.ca(), &why))?);
        config.root_cert_file = Some(account.ca());
    }
    // No secret, and the best guess for any server: an address from outside may well be that of the pod's own cluster.
    config.default_namespace = account.namespace().unwrap_or_default();
    match token {
        Some(Token::Inline(secret)) => token::bearer(&secret.0)
            .map(|header| Some(Header::Fixed(header)))
            .ok_or_else(|| endpoint.wrong("no usable token")),
        Some(Token::File(given)) => open(PathBuf::from(&given.text)).map(Some).map_err(|why| given.wrong(why)),
        None if own && account.token().exists() => {
            open(account.token()).map(Some).map_err(|why| unreadable(&account.token(), &why))
        }
        None => {
            warnings.extend(no_token(endpoint, &config.cluster_url, account));
            Ok(None)
        }
    }
}

/// A client for a server of our own on this machine, in plain HTTP. Must be called inside a tokio runtime.
///
/// # Errors
/// The address or the token is none.
#[cfg(any(test, feature = "playground"))]
pub fn local(url: &str, token: Option<&str>) -> Result<Client, Refusal> {
    let uri = url.parse().map_err(|e| Refusal::failure(format!("{}: {e}", quoted(url))))?;
    let no_token = || Refusal::failure(format!("{url}: the token that it gives cannot be sent"));
    let header = token.map(|token| token::bearer(token).map(Header::Fixed).ok_or_else(no_token)).transpose()?;
    client(Config::new(uri), header, url)
}

fn client(mut config: Config, header: Option<Header>, named_by: &str) -> Result<Client, Refusal> {
    if config.cluster_url.scheme_str() == Some("http") || config.accept_invalid_certs {
        // Nothing is verified, so a system without any CA certificates (an image from scratch) is no error.
        config.root_cert.get_or_insert_default();
    }
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = None;
    config.default_retry = false;
    let builder = ClientBuilder::try_from(config).map_err(|e| unusable(named_by, &e))?;
    Ok(match header {
        None => builder.build(),
        Some(header) => {
            let authorize = move |mut request: http::Request<kube::client::Body>| {
                request.headers_mut().insert(AUTHORIZATION, header.now());
                request
            };
            builder.with_layer(&MapRequestLayer::new(authorize)).build()
        }
    })
}

/// The `Authorization` header of each request.
#[derive(Clone)]
enum Header {
    Fixed(http::HeaderValue),
    File(Arc<TokenFile>),
}

impl Header {
    fn now(&self) -> http::HeaderValue {
        match self {
            Header::Fixed(header) => header.clone(),
            Header::File(file) => file.header(Instant::now()),
        }
    }
}

fn open(path: PathBuf) -> Result<Header, String> {
    TokenFile::open(path, Instant::now()).map(|file| Header::File(Arc::new(file)))
}

/// Takes the token file out of `kube`'s hands (see [`super::token`] for why). As in client-go, the file beats an inline
/// token that stands beside it.
fn rotating(config: &mut Config) -> Result<Option<Header>, String> {
    let auth = &mut config.auth_info;
    let other = auth.auth_provider.is_some() || (auth.username.is_some() && auth.password.is_some());
    match auth.token_file.take_if(|_| !other) {
        None => Ok(None),
        Some(file) => {
            auth.token = None;
            open(PathBuf::from(&file)).map(Some).map_err(|why| format!("token file {}: {why}", quoted(&file)))
        }
    }
}

/// The certificates of a PEM file, as DER. At least one, or every connection would fail later and say less.
fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot be read: {e}"))?;
    let blocks: Result<Vec<Pem>, _> = Pem::iter_from_buffer(&bytes).collect();
    let certificates: Vec<Vec<u8>> = blocks
        .unwrap_or_default()
        .into_iter()
        .filter(|pem| pem.label == "CERTIFICATE")
        .map(|pem| pem.contents)
        .collect();
    let whole = |der: &Vec<u8>| x509_parser::parse_x509_certificate(der).is_ok();
    if certificates.is_empty() || !certificates.iter().all(whole) {
        return Err("expected CA certificates in PEM".to_owned());
    }
    Ok(certificates)
}

/// The cluster that this pod is in, as its service account.
fn in_pod(account: &ServiceAccount) -> Result<Config, Refusal> {
    const WAYS: &str =
        "give --kubeconfig, KUBECONFIG, ~/.kube/config or --api-endpoint, or run in a pod that has a service account";
    let nowhere = |why: String| Refusal::input(format!("no API server to connect to{why}: {WAYS}"));
    let url = account.server().ok_or_else(|| nowhere(String::new()))?.map_err(|why| nowhere(format!(" ({why})")))?;
    let missing = |path: PathBuf, why| nowhere(format!(" ({}: {why})", path.display()));
    let mut config = Config::new(url);
    config.root_cert = Some(certificates(&account.ca()).map_err(|why| missing(account.ca(), why))?);
    config.root_cert_file = Some(account.ca());
    config.default_namespace = account.namespace().unwrap_or_default();
    // Looked at now for the sake of the error; opened with the others.
    open(account.token()).map_err(|why| missing(account.token(), why))?;
    config.auth_info.token_file = Some(account.token().display().to_string());
    Ok(config)
}

fn unreadable(path: &Path, why: &str) -> Refusal {
    Refusal::input(format!("{}: {why}", path.display()))
}

/// The warning about a server that will not know who asks. On this machine it is usual (`kubectl proxy`).
fn no_token(endpoint: &Given, url: &http::Uri, account: &ServiceAccount) -> Option<String> {
    let (token, file) = (endpoint.sibling(&target::TOKEN), endpoint.sibling(&target::TOKEN_FILE));
    let how = match account.token() {
        path if path.exists() => format!(
            "the pod's service account's goes to the cluster's own server only; if it is meant for this one, give \
             {file} {}",
            path.display()
        ),
        _ => format!("give {file} or {token}"),
    };
    (!target::is_loopback(url))
        .then(|| format!("{endpoint}: no token is sent, as none is given in the same place: {how}"))
}

/// Why no client could be made. An exec plugin's output is left out: it may hold the token.
fn unusable(named_by: &str, error: &kube::Error) -> Refusal {
    match error {
        kube::Error::Auth(AuthError::AuthExecRun { cmd, out }) => {
            Refusal::failure(format!("{named_by}: the exec plugin {} failed: {}", quoted(cmd), out.status))
        }
        kube::Error::Auth(AuthError::AuthExecStart(e)) => {
            Refusal::input(format!("{named_by}: its exec plugin cannot be started: {e}"))
        }
        kube::Error::Auth(AuthError::AuthExecParse(_)) => {
            Refusal::failure(format!("{named_by}: its exec plugin did not print an ExecCredential"))
        }
        kube::Error::RustlsTls(e) => {
            let ca = "is there a CA (--ca, or certificate-authority in a kubeconfig), and does the client's key fit?";
            Refusal::input(format!("{named_by}: {}: {ca}", chain(e)))
        }
        other => Refusal::input(format!("{named_by}: {}", chain(other))),
    }
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "connect_pod_tests.rs"]
mod pod_tests;
