//! The servers of a scenario: [a real control plane](crate::control_plane) or [the embedded API server](crate::embedded).

use std::{fs, path::Path, sync::OnceLock};

use serde_json::Value;
use testkit::control_plane::kubeconfig;

use crate::{api::Api, audit::Audit, kubectl::Kubectl};

/// An API server and the processes behind it.
pub trait Servers: Send {
    /// Starts it again: the same port, the same data.
    fn start(&mut self);
    /// Ends it, as a power failure would.
    fn kill(&mut self);
    /// Stops answering, with connections open, until [`Servers::resume`].
    fn pause(&mut self);
    /// Answers again.
    fn resume(&mut self);
    /// Starts Kubernetes' own controllers: Deployments, and garbage collection. Install definitions first.
    fn start_controllers(&mut self);
    /// The requests of our ServiceAccount.
    fn audit(&self) -> Audit;
    /// Its port on the loopback address.
    fn port(&self) -> u16;
    /// The `cluster` of a kubeconfig.
    fn cluster(&self) -> Value;
    /// The API with this token.
    fn api_as(&self, token: &str) -> Api;
    /// kubectl as the administrator, if there is one.
    fn kubectl(&self) -> Option<&Kubectl>;
}

/// Which servers the scenarios run on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Embedded,
    Real,
}

static KIND: OnceLock<Kind> = OnceLock::new();

impl Kind {
    /// Sets the kind, once.
    pub fn choose(self) {
        KIND.set(self).expect("it is chosen once");
    }

    /// The kind that was set.
    pub fn chosen() -> Kind {
        *KIND.get().expect("main has chosen")
    }
}

/// Writes a kubeconfig with a token.
pub fn write_kubeconfig(file: &Path, cluster: &Value, token: &str) {
    fs::write(file, kubeconfig(cluster, token)).expect("a kubeconfig can be written");
}
