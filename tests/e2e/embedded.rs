//! The embedded API server, in this process, on a port of the loopback address.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use apiserver::{ApiServer, LoggedRequest, Settings};
use serde_json::{Value, json};
use testkit::{control_plane::asset, server::free_port};
use tokio::{net::TcpListener, runtime};
use tokio_util::sync::CancellationToken;

use crate::{
    api::ApiClient,
    audit::{AuditEvent, AuditLog},
    kubectl::Kubectl,
    servers::{Servers, write_kubeconfig},
};

pub struct EmbeddedServers {
    server: ApiServer,
    port: u16,
    kubectl: Option<Kubectl>,
    running: Option<Running>,
}

/// The only thread of the server.
struct Running {
    thread: thread::JoinHandle<Option<()>>,
    kill: CancellationToken,
    handle: runtime::Handle,
    paused: Option<mpsc::Sender<()>>,
}

impl EmbeddedServers {
    pub fn start(dir: &Path) -> EmbeddedServers {
        let port = free_port();
        let kubeconfig = dir.join("kubeconfig");
        write_kubeconfig(&kubeconfig, &cluster(port), &json!({}));
        let kubectl = kubectl_program().map(|program| Kubectl::new(program, kubeconfig));
        let mut embedded =
            EmbeddedServers { server: ApiServer::new(Settings::default()), port, kubectl, running: None };
        Servers::start(&mut embedded);
        embedded
    }

    /// A client of the administrator.
    pub fn api(&self) -> ApiClient {
        ApiClient::new(&self.url(), None, None)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Servers for EmbeddedServers {
    fn start(&mut self) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (kill, handle, server) = (CancellationToken::new(), runtime.handle().clone(), self.server.clone());
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", self.port))).expect("the port is free");
        let killed = kill.clone();
        // Dropping the runtime closes open connections, even within a line.
        let run = move || runtime.block_on(killed.run_until_cancelled(server.serve(listener, std::future::pending())));
        self.running = Some(Running { thread: thread::spawn(run), kill, handle, paused: None });
    }

    fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            drop(running.paused);
            running.kill.cancel();
            running.thread.join().expect("the server does not panic");
            // The watch cache of a real server is empty after a restart: earlier versions get 410.
            self.server.compact();
        }
    }

    fn pause(&mut self) {
        let (resume, resumed) = mpsc::channel::<()>();
        let (start, started) = mpsc::channel::<()>();
        let running = self.running.as_mut().expect("the server runs");
        running.paused = Some(resume);
        // Blocks the only thread of the server.
        running.handle.spawn(async move {
            drop(start);
            resumed.recv().unwrap_or_default();
        });
        started.recv().unwrap_or_default();
    }

    fn resume(&mut self) {
        self.running.as_mut().expect("the server runs").paused = None;
    }

    /// The embedded server has a garbage collector and no other controllers.
    fn start_controllers(&mut self) {}

    fn audit_log(&self) -> AuditLog {
        let requests = self.server.requests().into_iter();
        let requests = requests.filter(|request| request.user == "system:serviceaccount:controlplane:demo-controller");
        let event = |entry: LoggedRequest| AuditEvent {
            verb: entry.verb,
            resource: entry.resource,
            namespace: entry.namespace,
            name: entry.name,
            uri: entry.uri,
            code: entry.code.into(),
            credential: String::new(),
        };
        AuditLog::new(requests.map(event).collect())
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn cluster(&self) -> Value {
        cluster(self.port)
    }

    fn api_as(&self, token: &str) -> ApiClient {
        ApiClient::new(&self.url(), None, Some(token))
    }

    fn kubectl(&self) -> Option<&Kubectl> {
        self.kubectl.as_ref()
    }
}

fn cluster(port: u16) -> Value {
    json!({ "server": format!("http://127.0.0.1:{port}") })
}

/// The kubectl of KUBEBUILDER_ASSETS, if it exists.
pub fn kubectl_program() -> Option<PathBuf> {
    Some(asset("kubectl")).filter(|program| program.is_file())
}
