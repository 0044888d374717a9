//! Health and metrics over HTTP. It only prints: what is ready and what is counted is told by the rooms.
//!
//! * `/healthz`: 200 `ok` while the process can make progress, else 503 with a line per check that fails.
//! * `/readyz`: 200 `ok` once every check passes, before that 503 with a line per check that says what it waits for.
//! * `/metrics`: OpenMetrics text.
//!
//! The port is bound before the first request to the API server ([`bind`]), so that a probe gets an answer, and a
//! reason, however long the server is away.
//!
//! Who can reach the port must not be able to exhaust the process. So a connection serves one request (`Connection:
//! close`), lives for [`CONNECTION_LIMIT`] at most, whether its bytes come one by one or it never reads the answer, and
//! there are [`CONNECTIONS`] at most; more wait in the kernel's queue. hyper bounds the size of the headers, and no
//! body is read. One request per connection is no loss: probes and scrapes come seconds apart.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Refusal,
    settings::{Given, ROW, Setting, Settings},
};
use crate::text::one_line;

/// Where to listen.
pub static LISTEN: Setting = Setting {
    flag: "listen",
    value: "ADDR:PORT|off",
    env: "DEMO_CONTROLLER_LISTEN",
    default: "127.0.0.1:8080",
    help: "Serve /healthz, /readyz and /metrics here; :8080 is every address of\n\
           the machine, port 0 any free port, off none",
    ..ROW
};

/// Where to listen if nothing is said.
pub const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// How long a connection may live.
pub const CONNECTION_LIMIT: Duration = Duration::from_secs(10);

/// How many connections there may be at once.
pub const CONNECTIONS: usize = 64;

/// `IP:PORT`, `[IPv6]:PORT`, `localhost:PORT`, `:PORT` (every address) or `off`. Other names are refused: at which of
/// its addresses would a name listen, and who would notice when that changes?
///
/// # Errors
/// Anything else.
pub fn decide(settings: &Settings, default: Option<SocketAddr>) -> Result<Option<SocketAddr>, Refusal> {
    let Some(given) = settings.get(&LISTEN) else { return Ok(default) };
    let text = given.text.trim();
    if text == "off" {
        return Ok(None);
    }
    address(text).map(Some).ok_or_else(|| wrong(&given))
}

fn wrong(given: &Given) -> Refusal {
    given.wrong("expected ADDRESS:PORT such as 127.0.0.1:8080, :8080 for every address, or off")
}

fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    let ip: IpAddr = match host {
        "" => Ipv6Addr::UNSPECIFIED.into(),
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        _ => return text.parse().ok(),
    };
    Some((ip, port.parse().ok()?).into())
}

/// Takes the port.
///
/// # Errors
/// Exit code 1: the port is taken, or the address is not this machine's.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Refusal> {
    let bound = match TcpListener::bind(address).await {
        // `[::]` takes IPv4 too, but not where the kernel has no IPv6.
        Err(e) if address.ip() == Ipv6Addr::UNSPECIFIED && e.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    };
    let flag = LISTEN.flag;
    bound.map_err(|e| Refusal::failure(format!("--{flag} {address}: {e}: give another address and port, or off")))
}

/// Something that `/readyz` or `/healthz` asks about, each time anew.
#[derive(Clone)]
pub struct Check {
    /// Begins its line.
    pub name: String,
    /// Ok, or what it waits for and why (`not synced: 403 Forbidden: …`). Called on each request: must not block.
    pub ask: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl Check {
    /// A check.
    pub fn new(name: impl Into<String>, ask: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Check { name: name.into(), ask: Arc::new(ask) }
    }
}

/// What is served.
#[derive(Clone, Default)]
pub struct Pages {
    /// `/healthz`.
    pub alive: Vec<Check>,
    /// `/readyz`. Never ready while there is none: an empty list is a wiring mistake, not a success.
    pub ready: Vec<Check>,
    /// `/metrics`.
    pub metrics: Arc<Registry>,
}

/// Serves until `stop`, then finishes the requests that are in progress. Let the work drain before `stop` is cancelled:
/// a process that finishes its work is alive, and probes should see that.
pub async fn run(listener: TcpListener, pages: Pages, stop: CancellationToken) {
    let pages = Arc::new(pages);
    // GET answers HEAD too; another method is 405, another path 404.
    let router = Router::new()
        .route("/healthz", get(|State(p): State<Arc<Pages>>| async move { verdict(&p.alive) }))
        .route("/readyz", get(|State(p): State<Arc<Pages>>| async move { readiness(&p.ready) }))
        .route("/metrics", get(|State(p): State<Arc<Pages>>| async move { metrics(&p.metrics) }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "expected /healthz, /readyz or /metrics\n") })
        .layer(map_response(goodbye))
        .with_state(pages);
    let door = Door { listener, free: Arc::new(Semaphore::new(CONNECTIONS)) };
    // axum's own type for it says that it returns errors; it does not.
    let _ = axum::serve(door, router).with_graceful_shutdown(stop.cancelled_owned()).await;
}

/// One request per connection: hyper closes it after an answer that says so.
async fn goodbye(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn verdict(checks: &[Check]) -> (StatusCode, String) {
    let failed = |check: &Check| (check.ask)().err().map(|why| format!("{}: {}\n", check.name, one_line(&why)));
    let lines: String = checks.iter().filter_map(failed).collect();
    if lines.is_empty() { (StatusCode::OK, "ok\n".to_owned()) } else { (StatusCode::SERVICE_UNAVAILABLE, lines) }
}

fn readiness(checks: &[Check]) -> (StatusCode, String) {
    if checks.is_empty() {
        return (StatusCode::SERVICE_UNAVAILABLE, "nothing is checked yet\n".to_owned());
    }
    verdict(checks)
}

fn metrics(registry: &Registry) -> Response {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")).into_response(),
    }
}

/// Lets so many in at once.
struct Door {
    listener: TcpListener,
    free: Arc<Semaphore>,
}

impl axum::serve::Listener for Door {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        loop {
            // Dropped while it waits, it gives the place back. The semaphore is never closed.
            let Ok(place) = self.free.clone().acquire_owned().await else { std::future::pending().await };
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    return (Guest { stream, until: Box::pin(sleep(CONNECTION_LIMIT)), _place: place }, from);
                }
                // Out of file descriptors, as a rule: at once again would be a hot loop.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with a time to leave.
struct Guest {
    stream: TcpStream,
    until: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Guest {
    /// The stream while the time lasts. Asking also arranges to be woken when it is over.
    fn stream(&mut self, cx: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        match self.until.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream(cx)?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_shutdown(cx)
    }
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
