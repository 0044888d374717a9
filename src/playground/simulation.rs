//! The simulated cluster: what kube-controller-manager, kube-scheduler and kubelets do for Deployments, in small.

use kube::Client;
use tokio_util::sync::CancellationToken;

/// How it goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    /// How much faster than a real cluster: its waits are divided by this.
    pub speed: f64,
}

/// Runs the simulated cluster until `stop`, as the administrator.
pub async fn run(_client: Client, _settings: Simulation, stop: CancellationToken) {
    stop.cancelled().await;
}
