//! A real control plane: etcd, kube-apiserver with RBAC and an audit log, and kube-controller-manager.
//!
//! There is no scheduler and no kubelet.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use http::{Request, header::AUTHORIZATION};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::{
    server::{ServerProcess, free_port},
    wait::within,
};

/// The administrator's token.
pub const TOKEN: &str = "the-administrator-of-these-tests";

/// Logs the requests of the controller's ServiceAccount only. A watch is logged when it is opened.
const AUDIT_POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: ['system:serviceaccount:controlplane:demo-controller']
- level: None
";

/// The servers, their ports and their files. Dropping it stops the servers.
pub struct ControlPlane {
    /// The folder of their files: logs, `audit.log`, `ca.crt`, `kubeconfig`, and `client.crt` with `client.key`.
    pub dir: PathBuf,
    /// The CA of the API server's certificate.
    pub ca_der: Vec<u8>,
    pub port: u16,
    pub etcd_port: u16,
    flags: Vec<(&'static str, String)>,
    runtime: Handle,
    // Dropped in this order.
    manager: Option<ServerProcess>,
    apiserver: Option<ServerProcess>,
    _etcd: ServerProcess,
}

impl ControlPlane {
    /// Starts etcd and the API server with these additional flags, and waits until it is ready.
    pub fn start(dir: &Path, runtime: Handle, flags: &[(&'static str, &str)]) -> ControlPlane {
        // The same key signs the certificate, which is its own CA, and the tokens.
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(names).expect("a certificate");
        let (port, etcd_port, peer_port) = (free_port(), free_port(), free_port());
        let file = |name: &str| dir.join(name).display().to_string();
        let write = |name: &str, text: &str| fs::write(dir.join(name), text).expect("a file");
        write("ca.crt", &cert.pem());
        write("api.key", &signing_key.serialize_pem());
        // A client certificate that is its own CA, too.
        let client = rcgen::generate_simple_self_signed(["me".to_owned()]).expect("a certificate");
        write("client.crt", &client.cert.pem());
        write("client.key", &client.signing_key.serialize_pem());
        write("tokens.csv", &format!("{TOKEN},admin,admin,system:masters\n"));
        write("audit-policy.yaml", AUDIT_POLICY);
        let [etcd_url, peer_url] = [etcd_port, peer_port].map(|port| format!("http://127.0.0.1:{port}"));
        let etcd = [
            ("data-dir", file("etcd")),
            ("unsafe-no-fsync", "true".to_owned()),
            ("log-level", "warn".to_owned()),
            ("listen-client-urls", etcd_url.clone()),
            ("advertise-client-urls", etcd_url.clone()),
            ("listen-peer-urls", peer_url.clone()),
            ("initial-advertise-peer-urls", peer_url.clone()),
            ("initial-cluster", format!("default={peer_url}")),
        ];
        let mut api_flags = vec![
            ("etcd-servers", etcd_url),
            ("bind-address", "127.0.0.1".to_owned()),
            ("secure-port", port.to_string()),
            ("cert-dir", file("")),
            ("tls-cert-file", file("ca.crt")),
            ("tls-private-key-file", file("api.key")),
            ("token-auth-file", file("tokens.csv")),
            ("client-ca-file", file("client.crt")),
            ("authorization-mode", "RBAC".to_owned()),
            ("service-account-issuer", "https://kubernetes.default.svc".to_owned()),
            ("service-account-key-file", file("ca.crt")),
            ("service-account-signing-key-file", file("api.key")),
            ("service-cluster-ip-range", "10.0.0.0/24".to_owned()),
            ("audit-policy-file", file("audit-policy.yaml")),
            ("audit-log-path", file("audit.log")),
        ];
        api_flags.extend(flags.iter().map(|(flag, value)| (*flag, (*value).to_owned())));
        let mut plane = ControlPlane {
            dir: dir.to_owned(),
            ca_der: cert.der().to_vec(),
            port,
            etcd_port,
            flags: api_flags,
            runtime,
            manager: None,
            apiserver: None,
            _etcd: start(dir, "etcd", &etcd),
        };
        write("kubeconfig", &kubeconfig(&plane.cluster(), &json!({ "token": TOKEN })));
        plane.start_apiserver();
        plane
    }

    /// Starts the API server and waits until it is ready.
    pub fn start_apiserver(&mut self) {
        let client = self.client();
        let server = self.apiserver.insert(start(&self.dir, "kube-apiserver", &self.flags));
        within(Duration::from_secs(90), "the API server is ready", || {
            server.check_alive().unwrap_or_else(|ended| panic!("kube-apiserver {ended}"));
            let request = Request::get("/readyz").header(AUTHORIZATION, format!("Bearer {TOKEN}"));
            let request = request.body(Vec::new()).expect("a request");
            self.runtime.block_on(client.request_text(request)).map_err(|e| e.to_string())
        });
    }

    /// The API server's process, to stop or pause it.
    pub fn apiserver(&mut self) -> &mut Option<ServerProcess> {
        &mut self.apiserver
    }

    /// Starts kube-controller-manager with these controllers. Install CustomResourceDefinitions first: the garbage
    /// collector discovers later ones only after half a minute.
    pub fn start_controllers(&mut self, names: &str) {
        let flags = [
            ("kubeconfig", self.dir.join("kubeconfig").display().to_string()),
            ("bind-address", "127.0.0.1".to_owned()),
            ("secure-port", free_port().to_string()),
            ("cert-dir", self.dir.display().to_string()),
            ("leader-elect", "false".to_owned()),
            ("controllers", names.to_owned()),
        ];
        self.manager = Some(start(&self.dir, "kube-controller-manager", &flags));
    }

    /// The `cluster` of a kubeconfig.
    pub fn cluster(&self) -> Value {
        let server = format!("https://127.0.0.1:{}", self.port);
        json!({ "server": server, "certificate-authority": self.dir.join("ca.crt") })
    }

    /// A client without credentials.
    pub fn client(&self) -> Client {
        let mut config = Config::new(format!("https://127.0.0.1:{}", self.port).parse().expect("a URL"));
        config.root_cert = Some(vec![self.ca_der.clone()]);
        // Otherwise the client retries, and tests do not see the first response.
        config.default_retry = false;
        let _inside = self.runtime.enter();
        Client::try_from(config).expect("a client")
    }
}

/// A kubeconfig with one cluster and one user.
pub fn kubeconfig(cluster: &Value, user: &Value) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{ "name": "test", "cluster": cluster }],
        "users": [{ "name": "test", "user": user }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
    })
    .to_string()
}

/// The path of a program in the folder KUBEBUILDER_ASSETS, whether or not it exists.
pub fn asset(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS").unwrap_or_default()).join(name)
}

/// Returns an error message if a program of the control plane is missing.
pub fn missing() -> Option<String> {
    let programs = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];
    let absent = programs.iter().find(|program| !asset(program).is_file())?;
    Some(format!(
        "KUBEBUILDER_ASSETS={}: {absent} is missing: expected a folder with {}. `setup-envtest use -p path` prints one \
         that lacks only kube-controller-manager, see https://dl.k8s.io/VERSION/bin/linux/amd64/kube-controller-manager",
        asset("").display(),
        programs.join(", ")
    ))
}

fn start(dir: &Path, program: &str, flags: &[(&str, String)]) -> ServerProcess {
    let mut command = Command::new(asset(program));
    command.current_dir(dir).args(flags.iter().map(|(flag, value)| format!("--{flag}={value}")));
    ServerProcess::start(command, &dir.join(format!("{program}.log")))
}
