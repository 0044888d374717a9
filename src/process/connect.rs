//! A client for the API server: from a [`Target`] to a `kube::Client`.
//!
//! The order is kubectl's and client-go's: a server or kubeconfig that a setting names, else `KUBECONFIG`, else
//! `~/.kube/config`, else the pod's service account. Of several files in `KUBECONFIG` those that do not exist are
//! skipped; if none exists, that is an error.
//!
//! Three decisions about the client:
//! * **No retries of its own.** `kube` would repeat a 429, 503 or 504 up to 15 times behind our back, obeying any
//!   `Retry-After`. Here one request is one attempt; the worker and the reflector decide about the next one.
//! * **No read time-out.** A watch is silent for minutes and must live. Each other request is bounded by
//!   [`crate::request::bounded`], and a watch by the reflector's own idle deadline.
//! * **A connection is given 10 s** to come about, so that a server that swallows packets is noticed.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use http::header::AUTHORIZATION;
use kube::{
    Client, Config,
    client::{AuthError, ClientBuilder},
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use tower::util::MapRequestLayer;
use x509_parser::pem::Pem;

use super::{
    Refusal,
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
    /// The server and who named it, for the log: `https://10.0.0.1:6443 (context dev in ~/.kube/config)`.
    pub server: String,
    /// What the user should know, for the log.
    pub warnings: Vec<String>,
}

/// Makes the client. Sends nothing yet: the server may well be down. An exec plugin of the kubeconfig is run, though.
/// Must be called inside a tokio runtime.
///
/// # Errors
/// Exit code 2: files that are missing or wrong, an unknown context, no server at all. Exit code 1: an exec plugin that
/// failed.
pub async fn connect(target: Target, mut warnings: Vec<String>, env: Env<'_>) -> Result<Connection, Refusal> {
    let (config, header, named_by) = match target {
        Target::Server { url, endpoint, token, ca } => {
            let mut config = Config::new(url);
            if let Some(ca) = ca {
                config.root_cert = Some(certificates(&ca)?);
                // Read again as it rotates, as the pod's is.
                config.root_cert_file = Some(PathBuf::from(&ca.text));
            }
            let header = match token {
                None => None,
                Some(Token::Inline(secret)) => {
                    let fixed = token::bearer(&secret.0).ok_or_else(|| endpoint.wrong("no usable token"))?;
                    Some(Header::Fixed(fixed))
                }
                Some(Token::File(given)) => Some(open(given.text.clone().into()).map_err(|why| given.wrong(why))?),
            };
            (config, header, endpoint.sibling(endpoint.setting))
        }
        Target::Kubeconfig { files, context } => {
            let (mut config, named_by) = match kubeconfig(files.as_ref(), context.as_ref(), env)? {
                Some((kubeconfig, place)) => {
                    from_kubeconfig(kubeconfig, &place, context.as_ref(), env, &mut warnings).await?
                }
                None => (service_account(env)?, "the pod's service account".to_owned()),
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
    let client = client(config, header, &named_by)?;
    Ok(Connection { client, default_namespace, server, warnings })
}

/// A client for a server of our own on this machine, in plain HTTP. Must be called inside a tokio runtime.
///
/// # Errors
/// The address or the token is none.
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
fn certificates(given: &Given) -> Result<Vec<Vec<u8>>, Refusal> {
    let bytes = std::fs::read(&given.text).map_err(|e| given.wrong(format!("cannot be read: {e}")))?;
    let blocks: Result<Vec<Pem>, _> = Pem::iter_from_buffer(&bytes).collect();
    let certificates: Vec<Vec<u8>> = blocks
        .unwrap_or_default()
        .into_iter()
        .filter(|pem| pem.label == "CERTIFICATE")
        .map(|pem| pem.contents)
        .collect();
    let whole = |der: &Vec<u8>| x509_parser::parse_x509_certificate(der).is_ok();
    if certificates.is_empty() || !certificates.iter().all(whole) {
        return Err(given.wrong("expected CA certificates in PEM"));
    }
    Ok(certificates)
}

/// The merged kubeconfig and where it was found, or None where there is none and none was asked for.
fn kubeconfig(
    files: Option<&Given>,
    context: Option<&Given>,
    env: Env,
) -> Result<Option<(Kubeconfig, String)>, Refusal> {
    let (paths, place) = match files {
        Some(given) => (target::files(given), given.to_string()),
        None => {
            let home = env("HOME").filter(|home: &OsString| !home.is_empty());
            let Some(home) = home else { return no_kubeconfig(context) };
            let path = Path::new(&home).join(".kube").join("config");
            (vec![path], "~/.kube/config".to_owned())
        }
    };
    let mut merged: Option<Kubeconfig> = None;
    for path in &paths {
        let wrong = |e: KubeconfigError| Refusal::input(format!("{}: {}", path.display(), explain(&e)));
        match Kubeconfig::read_from(path) {
            Err(KubeconfigError::ReadConfig(e, _)) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(wrong(e)),
            Ok(next) => merged = Some(merged.unwrap_or_default().merge(next).map_err(wrong)?),
        }
    }
    match (merged, files) {
        (Some(found), Some(_)) => Ok(Some((found, place))),
        // kubectl leaves an empty file behind when the last context is deleted.
        (Some(found), None) if found.contexts.is_empty() && found.current_context.is_none() => no_kubeconfig(context),
        (Some(found), None) => Ok(Some((found, place))),
        (None, Some(given)) => Err(given.wrong("there is no such file")),
        (None, None) => no_kubeconfig(context),
    }
}

/// Without a kubeconfig it is the service account, unless a context was asked for: that has to be somewhere.
fn no_kubeconfig(context: Option<&Given>) -> Result<Option<(Kubeconfig, String)>, Refusal> {
    match context {
        None => Ok(None),
        Some(context) => {
            Err(context.wrong("there is no kubeconfig: expected --kubeconfig, KUBECONFIG or ~/.kube/config"))
        }
    }
}

async fn from_kubeconfig(
    kubeconfig: Kubeconfig,
    place: &str,
    context: Option<&Given>,
    env: Env<'_>,
    warnings: &mut Vec<String>,
) -> Result<(Config, String), Refusal> {
    let names: Vec<&str> = kubeconfig.contexts.iter().map(|c| c.name.as_str()).collect();
    let known = if names.is_empty() { "none".to_owned() } else { quoted(&names.join(",")) };
    let name = match (context, &kubeconfig.current_context) {
        (Some(given), _) if !names.contains(&given.text.as_str()) => {
            return Err(given.wrong(format!("no such context in {place}: expected one of {known}")));
        }
        (Some(given), _) => given.text.clone(),
        (None, Some(current)) if names.contains(&current.as_str()) => current.clone(),
        (None, current) => {
            let what = match current.as_deref().unwrap_or_default() {
                "" => "it has no current-context".to_owned(),
                current => format!("its current-context {} does not exist", quoted(current)),
            };
            return Err(Refusal::input(format!("{place}: {what}: give --context, one of {known}")));
        }
    };
    let cluster =
        kubeconfig.contexts.iter().find(|c| c.name == name).and_then(|c| c.context.as_ref()).map(|c| &c.cluster);
    let cluster = kubeconfig.clusters.iter().find(|c| Some(&c.name) == cluster).and_then(|c| c.cluster.as_ref());
    if cluster.and_then(|c| c.proxy_url.as_deref()).is_some_and(|proxy| !proxy.is_empty()) {
        return Err(Refusal::input(format!("{place}: context {name}: proxy-url is not supported: connect directly")));
    }
    let options = KubeConfigOptions { context: Some(name.clone()), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|e| Refusal::input(format!("{place}: context {name}: {}", explain(&e))))?;
    if config.proxy_url.take().is_some() {
        let variable =
            ["HTTPS_PROXY", "https_proxy"].into_iter().find(|name| env(name).is_some()).unwrap_or("HTTPS_PROXY");
        warnings.push(format!("{variable} is ignored: the API server is connected to directly"));
    }
    Ok((config, format!("context {name} of {place}")))
}

/// Why a kubeconfig cannot be used. A YAML error prints the lines around it, and those may hold a token: only the place
/// is told.
fn explain(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(e) => match e.location() {
            Some(at) => format!("expected a kubeconfig, but line {}, column {} is not that", at.line(), at.column()),
            None => "expected a kubeconfig".to_owned(),
        },
        KubeconfigError::ReadConfig(e, _) => format!("cannot be read: {e}"),
        other => chain(other),
    }
}

fn service_account(env: Env) -> Result<Config, Refusal> {
    const WAYS: &str =
        "give --kubeconfig, KUBECONFIG, ~/.kube/config or --api-endpoint, or run in a pod that has a service account";
    if env("KUBERNETES_SERVICE_HOST").is_none() {
        return Err(Refusal::input(format!("no API server to connect to: {WAYS}")));
    }
    Config::incluster().map_err(|e| Refusal::input(format!("no API server to connect to ({}): {WAYS}", chain(&e))))
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
