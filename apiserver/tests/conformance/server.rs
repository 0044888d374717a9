//! Starts the embedded server or the real one.

use std::{fmt, sync::LazyLock, time::Duration};

use apiserver::{ApiServer, Settings};
use http::Request;
use kube::{Client, Config, client::Body};
use serde_json::json;
use testkit::{
    Folder,
    control_plane::{ControlPlane, TOKEN},
};
use tokio::{net::TcpListener, runtime::Runtime};

/// Runs the client and the embedded server. The cases are blocking code.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime")
});

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerKind {
    Embedded,
    Real,
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == ServerKind::Real { "real" } else { "embedded" })
    }
}

impl ServerKind {
    /// The server that the command line selects.
    pub fn from_args() -> ServerKind {
        if std::env::args().any(|argument| argument == "--real") { ServerKind::Real } else { ServerKind::Embedded }
    }
}

/// Time limit for a response or a condition. The real server's controllers are slower.
pub static DEADLINE: LazyLock<Duration> =
    LazyLock::new(|| Duration::from_secs(if ServerKind::from_args() == ServerKind::Real { 30 } else { 10 }));

/// A running server and its client.
pub struct Server {
    pub kind: ServerKind,
    pub client: Client,
    pub port: u16,
    /// The administrator's token. The embedded server needs none.
    pub token: Option<&'static str>,
    // Dropped in this order.
    control_plane: Option<(ControlPlane, Folder)>,
}

impl Server {
    /// Starts a server on loopback and waits until it is ready.
    ///
    /// `cached`: the real server has a watch cache (which ignores a compaction of etcd), the controllers for garbage
    /// and namespaces, and no ServiceAccount admission plugin.
    pub fn start(kind: ServerKind, cached: bool) -> Server {
        let _inside = RUNTIME.enter();
        match kind {
            ServerKind::Embedded => {
                let (client, port) = start_embedded();
                Server { kind, client, port, token: None, control_plane: None }
            }
            ServerKind::Real => {
                let (plane, folder) = start_real(cached);
                let (client, port) = (plane.client(), plane.port);
                Server { kind, client, port, token: Some(TOKEN), control_plane: Some((plane, folder)) }
            }
        }
    }

    /// Compacts the log up to this revision.
    pub fn compact(&self, revision: &str) {
        let Some((plane, _)) = &self.control_plane else {
            let request = Request::post("/control/compact").body(Body::empty()).expect("a request");
            let response = RUNTIME.block_on(self.client.send(request)).expect("a response");
            assert!(response.status().is_success(), "POST /control/compact: {}", response.status());
            return;
        };
        let compaction = json!({ "revision": revision, "physical": true });
        crate::http1::post_json(plane.etcd_port, "/v3/kv/compaction", &compaction);
    }
}

fn start_embedded() -> (Client, u16) {
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("its address");
    RUNTIME.spawn(ApiServer::new(Settings::default()).serve(listener, std::future::pending()));
    (new_client(&format!("http://{address}")), address.port())
}

fn new_client(url: &str) -> Client {
    let mut config = Config::new(url.parse().expect("a URL"));
    // Otherwise the client retries after a 429 or 503, and the case does not get that response.
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

fn start_real(cached: bool) -> (ControlPlane, Folder) {
    let folder = Folder::new("conformance");
    // This plugin rejects pods until the namespace has a default ServiceAccount: a known difference.
    let plugins = if cached { "ServiceAccount" } else { "" };
    let flags = [("disable-admission-plugins", plugins), ("watch-cache", if cached { "true" } else { "false" })];
    let mut plane = ControlPlane::start(&folder, RUNTIME.handle().clone(), &flags);
    if cached {
        plane.start_controllers("garbage-collector-controller,namespace-controller");
    }
    (plane, folder)
}
