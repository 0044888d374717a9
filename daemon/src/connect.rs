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
    time::Duration,
};

use http::{Request, Uri};
use kube::{Client, Config, client::Body};
use tokio::time::Instant;
use tower::service_fn;

use crate::{Error, child::ChildGroup};

mod exec;
mod kubeconfig;
mod proxy;
mod reload;
mod server;
mod service_account;
mod tls;
mod transport;

use reload::{Reloaded, bearer_header};
use server::is_loopback;
use service_account::ServiceAccount;
use tls::{PemSource, TlsSources};
use transport::{Auth, Transport};

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

impl Token {
    fn auth(self) -> Result<Auth, String> {
        Ok(match self {
            Token::Inline(text) => Auth::Header(bearer_header(&text)?),
            Token::File(path) => {
                let read = move || {
                    let text = std::fs::read_to_string(&path).map_err(|e| format!("cannot be read: {e}"));
                    text.and_then(|text| bearer_header(&text))
                        .map_err(|why| format!("token file {}: {why}", path.display()))
                };
                Auth::TokenFile(Reloaded::new(read, Instant::now())?)
            }
        })
    }
}

/// A client and its server.
pub struct Connection {
    /// Makes one attempt per request, always with the current credential and certificates.
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

/// How to reach a server.
struct Settings {
    config: Config,
    tls: TlsSources,
    auth: Auth,
}

/// Builds the client. Needs a tokio runtime.
///
/// No request is sent: the server may be down. But an exec plugin of the kubeconfig runs; `plugin` can kill it, then and later.
///
/// # Errors
/// [`Error::Usage`]: a missing or invalid file, an unknown context, no server. [`Error::Failed`]: a failed exec plugin.
pub async fn connect(target: Target, plugin: &ChildGroup) -> Result<Connection, Error> {
    let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    connect_in(target, home.as_deref(), &ServiceAccount::from_env(), plugin).await
}

async fn connect_in(
    target: Target,
    home: Option<&Path>,
    account: &ServiceAccount,
    plugin: &ChildGroup,
) -> Result<Connection, Error> {
    let mut warnings = Vec::new();
    let (mut settings, source) = match target {
        Target::Server { url, token, ca } => {
            let source = "--api-endpoint".to_owned();
            let settings = server_settings(url, token, ca, account, &mut warnings);
            (settings.map_err(|why| Error::Usage(format!("{source}: {why}")))?, source)
        }
        Target::Kubeconfig { files, context } => {
            let (files, context) = (files.filter(|f| !f.is_empty()), context.filter(|c| !c.is_empty()));
            match kubeconfig::find(files.as_deref(), home)? {
                Some(found) => found.select(context, plugin)?,
                None if context.is_some() => {
                    let ways = "expected --kubeconfig, KUBECONFIG or ~/.kube/config";
                    return Err(Error::Usage(format!("--context: there is no kubeconfig: {ways}")));
                }
                None => (account.settings()?, "the pod's service account".to_owned()),
            }
        }
    };
    let url = settings.config.cluster_url.clone();
    let has_credential = !matches!(settings.auth, Auth::Config) || settings.config.auth_info.username.is_some();
    if has_credential && url.scheme_str() == Some("http") && !is_loopback(&url) {
        warnings.push(format!("the credential is sent to {url} over plain http, which others can read"));
    }
    if settings.config.proxy_url.is_none() {
        let proxy = proxy::from_env(&url, |name| env::var(name).ok());
        settings.config.proxy_url = proxy.map_err(Error::Usage)?;
    }
    let named = |error| match error {
        Error::Usage(why) => Error::Usage(format!("{source}: {why}")),
        Error::Failed(why) => Error::Failed(format!("{source}: {why}")),
        Error::Logged => Error::Logged,
    };
    Ok(Connection {
        server: format!("{} ({source})", url.to_string().trim_end_matches('/')),
        default_namespace: Some(settings.config.default_namespace.trim())
            .filter(|namespace| !namespace.is_empty())
            .unwrap_or("default")
            .to_owned(),
        pod_namespace: account.namespace(),
        endpoint: url.authority().map_or(String::new(), ToString::to_string),
        ca: settings.tls.ca.as_ref().and_then(|ca| ca.file().map(Path::to_owned)),
        client: build_client(settings).await.map_err(named)?,
        warnings,
    })
}

/// Builds a client for a server on this machine, over plain HTTP. Needs a tokio runtime.
///
/// # Errors
/// [`Error::Failed`]: not a URL, or not a token.
pub async fn local_client(url: &str, token: Option<&str>) -> Result<Client, Error> {
    let failed = |why: String| Error::Failed(format!("{url}: {why}"));
    let config = Config::new(server::parse(url).map_err(failed)?);
    let auth = token.map_or(Ok(Auth::Config), |token| Token::Inline(token.to_owned()).auth()).map_err(failed)?;
    build_client(Settings { config, tls: TlsSources::default(), auth }).await
}

/// Returns the settings for a server given by the user.
fn server_settings(
    url: Uri,
    token: Option<Token>,
    ca: Option<PathBuf>,
    account: &ServiceAccount,
    warnings: &mut Vec<String>,
) -> Result<Settings, String> {
    let own_file = |path: PathBuf| Some(path).filter(|path| account.is_own_cluster(&url) && path.exists());
    let token = token.or_else(|| own_file(account.token()).map(Token::File));
    let ca = ca.or_else(|| own_file(account.ca())).map(PemSource::File);
    if !is_loopback(&url) && token.is_none() {
        warnings.push(format!("no token is sent to {url}: expected --token-file or --token"));
    }
    let mut config = Config::new(url);
    config.default_namespace = account.namespace().unwrap_or_default();
    Ok(Settings { config, tls: TlsSources { ca, identity: None }, auth: token.map_or(Ok(Auth::Config), Token::auth)? })
}

async fn build_client(settings: Settings) -> Result<Client, Error> {
    let Settings { mut config, tls, auth } = settings;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = None;
    config.default_retry = false;
    let namespace = config.default_namespace.clone();
    let transport = Arc::new(Transport::new(config, tls, auth).await?);
    let send = move |request: Request<Body>| {
        let transport = transport.clone();
        async move { transport.send(request).await }
    };
    Ok(Client::new(service_fn(send), namespace))
}

#[cfg(test)]
mod tests;
