//! The servers of a scenario: [a real control plane](crate::control_plane) or [the embedded API server](crate::embedded).

use std::{fs, path::Path, sync::OnceLock};

use serde_json::Value;
use testkit::control_plane::kubeconfig;

use crate::{api::ApiClient, audit::AuditLog, kubectl::Kubectl};

/// An API server and the processes behind it.
pub trait Servers: Send {
    /// Starts the API server again, with the same port and data.
    fn start(&mut self);
    /// Kills the API server.
    fn kill(&mut self);
    /// Stops responding, with connections open, until [`Servers::resume`].
    fn pause(&mut self);
    fn resume(&mut self);
    /// Starts Kubernetes' own controllers. Install CustomResourceDefinitions first.
    fn start_controllers(&mut self);
    /// The requests of the controller's ServiceAccount.
    fn audit_log(&self) -> AuditLog;
    /// The port of the API server on the loopback address.
    fn port(&self) -> u16;
    /// The `cluster` of a kubeconfig.
    fn cluster(&self) -> Value;
    /// A client with this token.
    fn api_as(&self, token: &str) -> ApiClient;
    /// kubectl as the administrator, if it is installed.
    fn kubectl(&self) -> Option<&Kubectl>;
}

/// Which servers the scenarios run on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerKind {
    Embedded,
    Real,
}

static KIND: OnceLock<ServerKind> = OnceLock::new();

impl ServerKind {
    /// Sets the kind for all scenarios, once.
    pub fn choose(self) {
        KIND.set(self).expect("it is set once");
    }

    /// The kind that was set.
    pub fn chosen() -> ServerKind {
        *KIND.get().expect("main has set it")
    }
}

/// Writes a kubeconfig with one user.
pub fn write_kubeconfig(file: &Path, cluster: &Value, user: &Value) {
    fs::write(file, kubeconfig(cluster, user)).expect("a kubeconfig can be written");
}
