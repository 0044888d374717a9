//! An embedded API server with demo-controller.yaml applied, and the controller as the manifest runs it.

use std::{ops::Deref, time::Duration};

use daemon::{Telemetry, shutdown::Unfinished};
use demo_controller::{
    controller::{self, Config},
    informer::Key,
};
use serde_json::{Value, json};
use testkit::{
    Cluster, MetricsPage,
    objects::{path, pki, ready},
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
        pki: demo_controller::pki::Config {
            allowed_names: None,
            ca_secret: Key::new("controlplane", "demo-controller-ca"),
            cluster_domain: "cluster.local".to_owned(),
            remind: Duration::from_secs(1800),
            dry_run: false,
        },
    }
}

/// The cluster, and the controller while it runs.
pub struct TestEnv {
    cluster: Cluster,
    pub telemetry: Telemetry,
    stop: CancellationToken,
    controller: Option<JoinHandle<Result<(), Unfinished>>>,
}

impl Deref for TestEnv {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl TestEnv {
    /// Applies demo-controller.yaml to a new cluster. The controller does not run yet.
    pub async fn new() -> TestEnv {
        TestEnv::with_seed(1).await
    }

    /// [`TestEnv::new`] with this seed for random faults.
    pub async fn with_seed(seed: u64) -> TestEnv {
        let env = TestEnv::empty(seed);
        env.apply(|_| true).await;
        env
    }

    /// Creates an empty cluster.
    pub fn empty(seed: u64) -> TestEnv {
        let cluster = Cluster::new(seed, "controlplane/demo-controller");
        TestEnv { cluster, telemetry: Telemetry::default(), stop: CancellationToken::new(), controller: None }
    }

    /// Applies the objects of demo-controller.yaml that are of these kinds.
    pub async fn apply(&self, kinds: impl Fn(&str) -> bool) {
        self.cluster.apply(MANIFEST, kinds).await;
    }

    /// Starts the controller.
    pub async fn run(&mut self, config: Config) {
        let (client, telemetry, stop) = (self.client().await, self.telemetry.clone(), self.stop.clone());
        self.controller = Some(tokio::spawn(async move { controller::run(client, config, &telemetry, stop).await }));
        // The controller starts, and adds its checks to the telemetry.
        tokio::task::yield_now().await;
    }

    /// Stops the controller, which can be started again.
    ///
    /// # Panics
    /// The controller does not end within its grace period.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        if let Some(controller) = self.controller.take() {
            controller.await.expect("no panic").expect("the controller ends in time");
        }
        (self.telemetry, self.stop) = (Telemetry::default(), CancellationToken::new());
    }

    /// Stops the controller, and checks that no request was forbidden.
    pub async fn end(mut self) {
        self.stop().await;
        self.assert_nothing_forbidden();
    }

    /// Waits until the caches are synced.
    pub async fn wait_ready(&self) {
        self.wait_until(async || self.telemetry.readiness()).await;
    }

    /// The sum of a counter or gauge.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        MetricsPage(self.telemetry.encode().expect("text")).sum(name, labels)
    }

    /// Creates a Pki and returns it.
    pub async fn create_pki(&self, namespace: &str, name: &str, service: &str) -> Value {
        self.create(&pki(namespace, name, json!({ "serviceName": service }))).await
    }

    /// Waits until the condition Ready of a Pki has this reason for its present generation, and returns the Pki.
    pub async fn wait_pki(&self, pki: &Value, reason: &str) -> Value {
        let path = path(pki);
        self.wait_until(async || {
            let pki = self.get(&path).await;
            let current = pki["status"]["observedGeneration"] == pki["metadata"]["generation"];
            if current && ready(&pki, "reason") == reason { Ok(pki) } else { Err(pki) }
        })
        .await
    }
}
