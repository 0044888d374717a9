//! The two kinds of server that must give the same answers.

use std::{
    fmt, fs,
    path::Path,
    sync::LazyLock,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use apiserver::{ApiServer, Settings};
use http::Request;
use kube::{Client, Config, client::Body};
use serde_json::json;
use testkit::control_plane::{ControlPlane, TOKEN};
use tokio::{net::TcpListener, runtime::Runtime};

/// The cases are plain blocking code; the client and the embedded server are not.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime")
});

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Embedded,
    Real,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Kind::Real { "real" } else { "embedded" })
    }
}

impl Kind {
    /// Which of the two this run is about.
    pub fn chosen() -> Kind {
        if std::env::args().any(|word| word == "--real") { Kind::Real } else { Kind::Embedded }
    }
}

/// Ends a case that has failed. Far longer than anything takes: the real server's controllers take their time.
pub static DEADLINE: LazyLock<Duration> =
    LazyLock::new(|| Duration::from_secs(if Kind::chosen() == Kind::Real { 30 } else { 10 }));

/// A running server, and how to talk to it.
pub struct Server {
    pub kind: Kind,
    pub client: Client,
    pub port: u16,
    /// None: an administrator needs none (the embedded server).
    pub token: Option<&'static str>,
    plane: Option<Real>,
}

impl Server {
    /// Starts one on loopback and waits until it is ready.
    ///
    /// The real server answers from a cache that does not notice when etcd forgets old versions. `cached`: with it, and
    /// with the controllers that collect garbage and empty namespaces, but without the plugin that gives pods accounts.
    pub fn start(kind: Kind, cached: bool) -> Server {
        let _inside = RUNTIME.enter();
        match kind {
            Kind::Embedded => {
                let (client, port) = embedded();
                Server { kind, client, port, token: None, plane: None }
            }
            Kind::Real => {
                let (plane, client, port) = Real::start(cached);
                Server { kind, client, port, token: Some(TOKEN), plane: Some(plane) }
            }
        }
    }

    /// Makes it forget all versions but the present one.
    pub fn compact(&self, present: &str) {
        let Some(plane) = &self.plane else {
            let request = Request::post("/control/compact").body(Body::empty()).expect("a request");
            let answer = RUNTIME.block_on(self.client.send(request)).expect("an answer");
            assert!(answer.status().is_success(), "POST /control/compact: {}", answer.status());
            return;
        };
        let order = json!({ "revision": present, "physical": true });
        crate::http1::post_json(plane.0.etcd_port, "/v3/kv/compaction", &order);
    }
}

fn embedded() -> (Client, u16) {
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("its address");
    RUNTIME.spawn(ApiServer::new(Settings::default()).serve(listener, std::future::pending()));
    (client(&format!("http://{address}")), address.port())
}

fn client(server: &str) -> Client {
    let mut config = Config::new(server.parse().expect("a URL"));
    // Pitfall: else it asks again by itself when it is told to ask later, and nobody sees the answer.
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

/// A control plane in a folder that is removed with it.
struct Real(ControlPlane);

impl Real {
    fn start(cached: bool) -> (Real, Client, u16) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("conformance-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).expect("a folder for the control plane");
        // With that plugin, a pod can only be created once its namespace has a default ServiceAccount: a known difference.
        let plugins = if cached { "ServiceAccount" } else { "" };
        let flags = [("disable-admission-plugins", plugins), ("watch-cache", if cached { "true" } else { "false" })];
        let mut plane = ControlPlane::start(&dir, RUNTIME.handle().clone(), &flags);
        if cached {
            plane.start_controllers("garbage-collector-controller,namespace-controller");
        }
        let (client, port) = (plane.client(), plane.port);
        (Real(plane), client, port)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        *self.0.apiserver() = None;
        let _ = fs::remove_dir_all(&self.0.dir);
    }
}
