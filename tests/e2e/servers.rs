//! What a scenario may do to the servers, whichever they are.
//!
//! The same scenarios run on [a real control plane](crate::control_plane) and on [the embedded API server](crate::embedded).
//! The one is the judge, the other is there wherever Rust is.

use std::{fs, path::Path, sync::OnceLock};

use serde_json::{Value, json};

use crate::{api::Api, audit::Audit, kubectl::Kubectl};

/// An API server, and what it stands on.
pub trait Servers {
    /// Starts it again: the same port, the same data.
    fn start(&mut self);
    /// As a power failure would end it.
    fn kill(&mut self);
    /// It neither answers nor hangs up, until [`Servers::resume`].
    fn pause(&mut self);
    /// It goes on with what it was asked.
    fn resume(&mut self);
    /// Makes it forget all versions but the present one.
    fn compact(&self);
    /// Kubernetes' own controllers, as far as these scenarios need them: they turn Deployments into pods, and collect
    /// what belongs to nobody. Install the resource definitions first.
    fn start_controllers(&mut self);
    /// What our ServiceAccount asked.
    fn audit(&self) -> Audit;
    /// Its port on the loopback address.
    fn port(&self) -> u16;
    /// How a kubeconfig names it, if it is at this port.
    fn cluster(&self, port: u16) -> Value;
    /// As the holder of a token.
    fn api_as(&self, token: &str) -> Api;
    /// As the administrator, the way a user does it. None where there is no kubectl.
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
    /// Decides, once.
    pub fn choose(self) {
        KIND.set(self).expect("it is chosen once");
    }

    /// What was decided.
    pub fn chosen() -> Kind {
        *KIND.get().expect("main has chosen")
    }
}

/// Writes a kubeconfig for the holder of a token.
pub fn write_kubeconfig(file: &Path, cluster: &Value, token: &str) {
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{ "name": "it", "cluster": cluster }],
        "users": [{ "name": "it", "user": { "token": token } }],
        "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
    });
    fs::write(file, text.to_string()).expect("a kubeconfig can be written");
}
