//! A cluster in this process with demo-controller.yaml applied, and the controller as the manifest runs it.

use std::{ops::Deref, time::Duration};

use daemon::{Telemetry, shutdown::Unfinished};
use demo_controller::{
    controller::{self, Config},
    informer::Key,
    pki,
};
use serde_json::{Value, json};
use testkit::{
    Cluster, Page,
    objects::{path, ready},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const MANIFEST: &str = include_str!("../../demo-controller.yaml");

/// The defaults of the command line.
pub fn config() -> Config {
    Config {
        namespace: None,
        workers: 4,
        max_retries: 12,
        resync: Some(Duration::from_secs(600)),
        watch_idle: Duration::from_secs(150),
        shutdown_grace: Duration::from_secs(20),
        pki: pki::Config {
            allowed_names: None,
            ca_secret: Key::new("controlplane", "demo-controller-ca"),
            cluster_domain: "cluster.local".to_owned(),
            remind: Duration::from_secs(1800),
            dry_run: false,
        },
    }
}

/// The cluster, and the controller while it runs.
pub struct World {
    cluster: Cluster,
    pub telemetry: Telemetry,
    stop: CancellationToken,
    controller: Option<JoinHandle<Result<(), Unfinished>>>,
}

impl Deref for World {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl World {
    /// A cluster with demo-controller.yaml applied. The controller does not run yet.
    pub async fn new() -> World {
        World::seeded(1).await
    }

    /// The same, with another seed of its randomness.
    pub async fn seeded(seed: u64) -> World {
        let world = World::empty(seed);
        world.apply(|_| true).await;
        world
    }

    /// A cluster in which nothing has been applied.
    pub fn empty(seed: u64) -> World {
        let cluster = Cluster::new(seed, "controlplane/demo-controller");
        World { cluster, telemetry: Telemetry::default(), stop: CancellationToken::new(), controller: None }
    }

    /// Applies the objects of demo-controller.yaml that are of these kinds.
    pub async fn apply(&self, kinds: impl Fn(&str) -> bool) {
        self.cluster.apply(MANIFEST, kinds).await;
    }

    /// Starts the controller.
    pub async fn run(&mut self, config: Config) {
        let (client, telemetry, stop) = (self.client().await, self.telemetry.clone(), self.stop.clone());
        self.controller = Some(tokio::spawn(async move { controller::run(client, config, &telemetry, stop).await }));
        // It begins, and adds its checks to the telemetry.
        tokio::task::yield_now().await;
    }

    /// Stops the controller. Another one can be started.
    ///
    /// # Panics
    /// It does not end within its grace period.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        if let Some(controller) = self.controller.take() {
            controller.await.expect("no panic").expect("it finishes in time");
        }
        (self.telemetry, self.stop) = (Telemetry::default(), CancellationToken::new());
    }

    /// Stops the controller, and checks that the rights of demo-controller.yaml were enough.
    pub async fn end(mut self) {
        self.stop().await;
        self.assert_rights_were_enough();
    }

    /// Waits until the caches are synced.
    pub async fn ready(&self) {
        self.until(async || self.telemetry.readiness()).await;
    }

    /// The sum of a counter or gauge.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        Page(self.telemetry.encode().expect("text")).sum(name, labels)
    }

    /// Creates a Pki and returns it.
    pub async fn create_pki(&self, namespace: &str, name: &str, service: &str) -> Value {
        let (metadata, spec) = (json!({ "namespace": namespace, "name": name }), json!({ "serviceName": service }));
        self.create(&json!({ "apiVersion": "box.com/v1", "kind": "Pki", "metadata": metadata, "spec": spec })).await
    }

    /// Waits until the condition Ready of a Pki has this reason for its present generation, and returns the Pki.
    pub async fn reconciled(&self, pki: &Value, reason: &str) -> Value {
        let path = path(pki);
        self.until(async || {
            let pki = self.get(&path).await;
            let current = pki["status"]["observedGeneration"] == pki["metadata"]["generation"];
            if current && ready(&pki, "reason") == reason { Ok(pki) } else { Err(pki) }
        })
        .await
    }
}
