//! An embedded API server on a port of the loopback interface, for a process under test.

use std::{future, net::Ipv4Addr, path::PathBuf};

use serde_json::json;
use tokio::{net::TcpListener, runtime::Runtime};

use crate::{Cluster, Folder};

/// The server, its threads, and a kubeconfig with the token of the cluster's ServiceAccount.
pub struct Loopback {
    pub cluster: Cluster,
    pub runtime: Runtime,
    pub kubeconfig: PathBuf,
    _folder: Folder,
}

impl Loopback {
    /// Starts a server with the objects of this manifest. `account`: see [`Cluster::new`].
    pub fn start(account: &'static str, manifest: &str) -> Loopback {
        let (cluster, runtime) = (Cluster::new(1, account), Runtime::new().expect("threads"));
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port");
        let server = format!("http://{}", listener.local_addr().expect("an address"));
        runtime.spawn(cluster.server.clone().serve(listener, future::pending()));
        let token = runtime.block_on(async {
            cluster.apply(manifest, |_| true).await;
            cluster.token().await
        });
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
            "clusters": [{ "name": "it", "cluster": { "server": server } }],
            "users": [{ "name": "it", "user": { "token": token } }],
        });
        let folder = Folder::new("loopback");
        let kubeconfig = folder.file("kubeconfig", &kubeconfig.to_string());
        Loopback { cluster, runtime, kubeconfig, _folder: folder }
    }
}
