//! The two kinds of server that must give the same answers.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use apiserver::{ApiServer, Settings};
use http::{Request, header::AUTHORIZATION};
use kube::{Client, Config, client::Body};
use serde_json::json;
use tokio::{net::TcpListener, runtime::Runtime};

use crate::{
    process::{Server as Process, free_port},
    wait::within,
};

/// The cases are plain blocking code; the client and the embedded server are not.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime")
});

/// The real server's administrator.
const TOKEN: &str = "the-administrator-of-these-cases";

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
    plane: Option<ControlPlane>,
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
                let (plane, client, port) = ControlPlane::start(cached);
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
        crate::http1::post_json(plane.etcd_port, "/v3/kv/compaction", &order);
    }
}

fn embedded() -> (Client, u16) {
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("its address");
    RUNTIME.spawn(ApiServer::new(Settings::default()).serve(listener, std::future::pending()));
    (client(&format!("http://{address}"), None), address.port())
}

fn client(server: &str, root_cert: Option<Vec<Vec<u8>>>) -> Client {
    let mut config = Config::new(server.parse().expect("a URL"));
    config.root_cert = root_cert;
    // Pitfall: else it asks again by itself when it is told to ask later, and nobody sees the answer.
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

/// etcd, kube-apiserver and kube-controller-manager. Dropping it stops and removes everything.
struct ControlPlane {
    etcd_port: u16,
    dir: PathBuf,
    // Dropped in this order.
    manager: Option<Process>,
    apiserver: Option<Process>,
    _etcd: Process,
}

impl ControlPlane {
    fn start(cached: bool) -> (ControlPlane, Client, u16) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("conformance-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).expect("a folder for the control plane");
        // One key for everything: it signs the certificate, which is its own CA, and the tokens.
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
                .expect("a certificate");
        let file = |name: &str| dir.join(name).display().to_string();
        fs::write(file("api.crt"), cert.pem()).expect("a file");
        fs::write(file("api.key"), signing_key.serialize_pem()).expect("a file");
        fs::write(file("tokens.csv"), format!("{TOKEN},admin,admin,system:masters\n")).expect("a file");
        let (etcd_port, peer_port, port) = (free_port(), free_port(), free_port());
        let (etcd_url, peer_url) = (format!("http://127.0.0.1:{etcd_port}"), format!("http://127.0.0.1:{peer_port}"));
        let etcd = start(
            &dir,
            "etcd",
            &[
                ("data-dir", &file("etcd")),
                ("unsafe-no-fsync", "true"),
                ("log-level", "warn"),
                ("listen-client-urls", &etcd_url),
                ("advertise-client-urls", &etcd_url),
                ("listen-peer-urls", &peer_url),
                ("initial-advertise-peer-urls", &peer_url),
                ("initial-cluster", &format!("default={peer_url}")),
            ],
        );
        let mut apiserver = start(
            &dir,
            "kube-apiserver",
            &[
                ("etcd-servers", &etcd_url),
                ("bind-address", "127.0.0.1"),
                ("secure-port", &port.to_string()),
                ("cert-dir", &file("")),
                ("tls-cert-file", &file("api.crt")),
                ("tls-private-key-file", &file("api.key")),
                ("token-auth-file", &file("tokens.csv")),
                ("authorization-mode", "RBAC"),
                ("service-account-issuer", "https://kubernetes.default.svc"),
                ("service-account-key-file", &file("api.crt")),
                ("service-account-signing-key-file", &file("api.key")),
                ("service-cluster-ip-range", "10.0.0.0/24"),
                // With it, a pod can only be created once its namespace has a default ServiceAccount: a known difference.
                ("disable-admission-plugins", if cached { "ServiceAccount" } else { "" }),
                ("watch-cache", &cached.to_string()),
            ],
        );
        let server = format!("https://127.0.0.1:{port}");
        let client = client(&server, Some(vec![cert.der().to_vec()]));
        within(Duration::from_secs(90), "the API server is ready", || {
            apiserver.alive().unwrap_or_else(|ended| panic!("kube-apiserver {ended}"));
            let request = Request::get("/readyz").header(AUTHORIZATION, format!("Bearer {TOKEN}"));
            let request = request.body(Vec::new()).expect("a request");
            RUNTIME.block_on(client.request_text(request)).map_err(|e| e.to_string())
        });
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{ "name": "it", "cluster": { "server": server, "certificate-authority": file("api.crt") } }],
            "users": [{ "name": "it", "user": { "token": TOKEN } }],
            "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
        });
        fs::write(file("kubeconfig"), kubeconfig.to_string()).expect("a file");
        let manager = || {
            start(
                &dir,
                "kube-controller-manager",
                &[
                    ("kubeconfig", &file("kubeconfig")),
                    ("bind-address", "127.0.0.1"),
                    ("secure-port", &free_port().to_string()),
                    ("cert-dir", &file("")),
                    ("leader-elect", "false"),
                    ("controllers", "garbage-collector-controller,namespace-controller"),
                ],
            )
        };
        let manager = cached.then(manager);
        (ControlPlane { etcd_port, dir, manager, apiserver: Some(apiserver), _etcd: etcd }, client, port)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        (self.manager, self.apiserver) = (None, None);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// What is missing before such a server can be started, in one line.
pub fn missing(kind: Kind) -> Option<String> {
    let assets = PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS").unwrap_or_default());
    let programs = ["etcd", "kube-apiserver", "kube-controller-manager"];
    let absent = programs.into_iter().find(|program| kind == Kind::Real && !assets.join(program).is_file())?;
    let folder = assets.display();
    Some(format!("KUBEBUILDER_ASSETS={folder}: {absent} is not there: expected a folder with {}", programs.join(", ")))
}

/// Starts a program of the folder that `KUBEBUILDER_ASSETS` names.
fn start(dir: &Path, program: &str, flags: &[(&str, &str)]) -> Process {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").unwrap_or_default();
    let mut command = Command::new(PathBuf::from(assets).join(program));
    command.current_dir(dir).args(flags.iter().map(|(flag, value)| format!("--{flag}={value}")));
    Process::start(command, &dir.join(format!("{program}.log")))
}
