//! The embedded API server, in this process, on a port of the loopback address.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use apiserver::{ApiServer, Entry, Settings};
use serde_json::{Value, json};
use testkit::{control_plane::asset, server::free_port};
use tokio::{net::TcpListener, runtime};
use tokio_util::sync::CancellationToken;

use crate::{
    api::Api,
    audit::{Audit, Request},
    kubectl::Kubectl,
    servers::{Servers, write_kubeconfig},
};

/// See the module.
pub struct Embedded {
    server: ApiServer,
    port: u16,
    kubectl: Option<Kubectl>,
    running: Option<Running>,
}

/// The thread that does all of the server's work.
struct Running {
    thread: thread::JoinHandle<Option<()>>,
    kill: CancellationToken,
    handle: runtime::Handle,
    paused: Option<mpsc::Sender<()>>,
}

impl Embedded {
    /// Starts it.
    pub fn start(dir: &Path) -> Embedded {
        let port = free_port();
        let kubeconfig = dir.join("kubeconfig");
        write_kubeconfig(&kubeconfig, &cluster(port), "");
        let kubectl = kubectl_program().map(|program| Kubectl::new(program, kubeconfig));
        let mut embedded = Embedded { server: ApiServer::new(Settings::default()), port, kubectl, running: None };
        Servers::start(&mut embedded);
        embedded
    }

    /// As the administrator.
    pub fn api(&self) -> Api {
        Api::new(&self.url(), None, None)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Servers for Embedded {
    fn start(&mut self) {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (kill, handle, server) = (CancellationToken::new(), runtime.handle().clone(), self.server.clone());
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", self.port))).expect("its port is free");
        let killed = kill.clone();
        // Open connections are closed with the runtime, also in the middle of a line.
        let run = move || runtime.block_on(killed.run_until_cancelled(server.serve(listener, std::future::pending())));
        self.running = Some(Running { thread: thread::spawn(run), kill, handle, paused: None });
    }

    fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            drop(running.paused);
            running.kill.cancel();
            running.thread.join().expect("the server does not panic");
            // The watch cache of a real one starts empty: a watch from before the restart gets 410.
            self.server.compact();
        }
    }

    fn pause(&mut self) {
        let (resume, resumed) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel::<()>();
        let running = self.running.as_mut().expect("it runs");
        running.paused = Some(resume);
        // Blocks its only thread.
        running.handle.spawn(async move {
            drop(begin);
            resumed.recv().unwrap_or_default();
        });
        begun.recv().unwrap_or_default();
    }

    fn resume(&mut self) {
        self.running.as_mut().expect("it runs").paused = None;
    }

    /// It collects garbage by itself.
    fn start_controllers(&mut self) {}

    fn audit(&self) -> Audit {
        let requests = self.server.requests().into_iter();
        let ours = requests.filter(|request| request.user == "system:serviceaccount:controlplane:demo-controller");
        let request = |entry: Entry| Request {
            verb: entry.verb,
            resource: entry.resource,
            namespace: entry.namespace,
            name: entry.name,
            uri: entry.uri,
            code: entry.code.into(),
            credential: String::new(),
        };
        Audit::new(ours.map(request).collect())
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn cluster(&self) -> Value {
        cluster(self.port)
    }

    fn api_as(&self, token: &str) -> Api {
        Api::new(&self.url(), None, Some(token))
    }

    fn kubectl(&self) -> Option<&Kubectl> {
        self.kubectl.as_ref()
    }
}

/// Plain HTTP on the loopback address.
fn cluster(port: u16) -> Value {
    json!({ "server": format!("http://127.0.0.1:{port}") })
}

/// The kubectl of KUBEBUILDER_ASSETS, if there is one.
pub fn kubectl_program() -> Option<PathBuf> {
    Some(asset("kubectl")).filter(|program| program.is_file())
}
