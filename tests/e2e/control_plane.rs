//! A real control plane: etcd, kube-apiserver with RBAC, an audit log, and kube-controller-manager where it is wanted.
//!
//! There is no scheduler and no kubelet: [`crate::kubelet`] simulates both.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use testkit::{
    server::{Server, free_port},
    wait::within,
};

use crate::{
    api::Api,
    audit::Audit,
    kubectl::Kubectl,
    servers::{Servers, write_kubeconfig},
};

/// The administrator's token.
const TOKEN: &str = "the-administrator-of-these-tests";

/// All requests of our ServiceAccount, and no others. A watch appears when it is opened.
const AUDIT_POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: ['system:serviceaccount:controlplane:demo-controller']
- level: None
";

/// The controllers that these scenarios need. Not the pod garbage collector: it deletes pods on nodes that do not exist.
const CONTROLLERS: &str =
    "deployment-controller,replicaset-controller,garbage-collector-controller,namespace-controller";

/// The servers and their ports. Dropping it stops them.
pub struct ControlPlane {
    api: Api,
    kubectl: Kubectl,
    dir: PathBuf,
    ca_der: Vec<u8>,
    api_port: u16,
    etcd_port: u16,
    // Dropped in this order.
    manager: Option<Server>,
    apiserver: Option<Server>,
    _etcd: Server,
}

impl ControlPlane {
    /// Starts etcd and the API server, and waits until it is ready.
    pub fn start(dir: &Path) -> ControlPlane {
        let dir = dir.to_owned();
        let ca_der = write_certificates(&dir);
        let (api_port, etcd_port) = (free_port(), free_port());
        let server = format!("https://127.0.0.1:{api_port}");
        fs::write(dir.join("tokens.csv"), format!("{TOKEN},admin,admin,system:masters\n")).unwrap();
        fs::write(dir.join("audit-policy.yaml"), AUDIT_POLICY).unwrap();
        write_kubeconfig(&dir.join("kubeconfig"), &cluster(&dir, api_port), TOKEN);
        let mut plane = ControlPlane {
            api: Api::new(&server, Some(ca_der.clone()), Some(TOKEN)),
            kubectl: Kubectl::new(asset("kubectl"), dir.join("kubeconfig")),
            ca_der,
            api_port,
            etcd_port,
            manager: None,
            apiserver: None,
            _etcd: start_etcd(&dir, etcd_port),
            dir,
        };
        plane.start_apiserver();
        plane
    }

    /// As the administrator.
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    fn start_apiserver(&mut self) {
        let path = |file: &str| self.dir.join(file).display().to_string();
        let mut command = Command::new(asset("kube-apiserver"));
        command.current_dir(&self.dir).args([
            &format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            &format!("--secure-port={}", self.api_port),
            "--bind-address=127.0.0.1",
            &format!("--cert-dir={}", path("")),
            &format!("--tls-cert-file={}", path("api.crt")),
            &format!("--tls-private-key-file={}", path("api.key")),
            &format!("--token-auth-file={}", path("tokens.csv")),
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            &format!("--service-account-key-file={}", path("sa.pub")),
            &format!("--service-account-signing-key-file={}", path("sa.key")),
            "--service-cluster-ip-range=10.0.0.0/24",
            // Else a pod could only be created once its namespace has a default ServiceAccount.
            "--disable-admission-plugins=ServiceAccount",
            &format!("--audit-policy-file={}", path("audit-policy.yaml")),
            &format!("--audit-log-path={}", path("audit.log")),
        ]);
        let server = self.apiserver.insert(Server::start(command, &self.dir.join("apiserver.log")));
        within(Duration::from_secs(90), "the API server is ready", || {
            if let Err(ended) = server.alive() {
                panic!("kube-apiserver {ended}");
            }
            self.api.text("/readyz")
        });
    }
}

impl Servers for ControlPlane {
    fn start(&mut self) {
        self.start_apiserver();
    }

    fn kill(&mut self) {
        self.apiserver = None;
    }

    fn pause(&mut self) {
        self.apiserver.as_ref().expect("it runs").signal("STOP");
    }

    fn resume(&mut self) {
        self.apiserver.as_ref().expect("it runs").signal("CONT");
    }

    /// Install definitions first: the garbage collector learns of later ones half a minute late.
    fn start_controllers(&mut self) {
        let mut command = Command::new(asset("kube-controller-manager"));
        command.current_dir(&self.dir).args([
            &format!("--kubeconfig={}", self.dir.join("kubeconfig").display()),
            "--bind-address=127.0.0.1",
            &format!("--secure-port={}", free_port()),
            &format!("--cert-dir={}", self.dir.display()),
            "--leader-elect=false",
            &format!("--controllers={CONTROLLERS}"),
        ]);
        self.manager = Some(Server::start(command, &self.dir.join("controller-manager.log")));
    }

    fn audit(&self) -> Audit {
        Audit::read(&self.dir.join("audit.log"))
    }

    fn port(&self) -> u16 {
        self.api_port
    }

    fn cluster(&self) -> Value {
        cluster(&self.dir, self.api_port)
    }

    fn api_as(&self, token: &str) -> Api {
        Api::new(&format!("https://127.0.0.1:{}", self.api_port), Some(self.ca_der.clone()), Some(token))
    }

    fn kubectl(&self) -> Option<&Kubectl> {
        Some(&self.kubectl)
    }
}

fn start_etcd(dir: &Path, port: u16) -> Server {
    let (client, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{}", free_port()));
    let mut command = Command::new(asset("etcd"));
    command.args([
        &format!("--data-dir={}", dir.join("etcd").display()),
        "--unsafe-no-fsync",
        "--log-level=warn",
        &format!("--listen-client-urls={client}"),
        &format!("--advertise-client-urls={client}"),
        &format!("--listen-peer-urls={peer}"),
        &format!("--initial-advertise-peer-urls={peer}"),
        &format!("--initial-cluster=default={peer}"),
    ]);
    Server::start(command, &dir.join("etcd.log"))
}

/// A program in the folder KUBEBUILDER_ASSETS; it may not exist.
pub fn asset(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS").unwrap_or_default()).join(name)
}

/// Returns what is missing to start a control plane, in one line.
pub fn missing() -> Option<String> {
    const HOW: &str = "expected a folder with etcd, kube-apiserver, kube-controller-manager and kubectl (tried with 1.36): \
        `setup-envtest use -p path` gives one that lacks only kube-controller-manager, which is at \
        https://dl.k8s.io/VERSION/bin/linux/amd64/kube-controller-manager";
    let Some(folder) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()) else {
        return Some(format!("KUBEBUILDER_ASSETS is not set: {HOW}"));
    };
    let programs = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];
    if let Some(absent) = programs.iter().find(|program| !asset(program).is_file()) {
        return Some(format!("KUBEBUILDER_ASSETS={}: {absent} is not there: {HOW}", folder.display()));
    }
    None
}

/// Writes a certificate for the API server, its CA, and the key that signs tokens. Returns the CA.
fn write_certificates(dir: &Path) -> Vec<u8> {
    let key = || KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(rcgen::DnType::CommonName, "control-plane-ca");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, key()).expect("a CA");
    let (api, api_key) = (CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]), key());
    let api = api.and_then(|api| api.signed_by(&api_key, &ca)).expect("a certificate");
    fs::write(dir.join("ca.crt"), ca.pem()).unwrap();
    fs::write(dir.join("api.crt"), api.pem()).unwrap();
    fs::write(dir.join("api.key"), api_key.serialize_pem()).unwrap();
    let tokens = key();
    fs::write(dir.join("sa.key"), tokens.serialize_pem()).unwrap();
    fs::write(dir.join("sa.pub"), tokens.public_key_pem()).unwrap();
    ca.der().to_vec()
}

/// The API server in a kubeconfig.
fn cluster(dir: &Path, port: u16) -> Value {
    json!({ "server": format!("https://127.0.0.1:{port}"), "certificate-authority": dir.join("ca.crt") })
}
