//! A real control plane as the servers of a scenario.

use std::path::Path;

use serde_json::Value;
use testkit::control_plane::{ControlPlane, TOKEN, asset};

use crate::{
    api::{Api, RUNTIME},
    audit::Audit,
    kubectl::Kubectl,
    servers::Servers,
};

/// Not the pod garbage collector: it deletes pods on nodes that do not exist.
const CONTROLLERS: &str =
    "deployment-controller,replicaset-controller,garbage-collector-controller,namespace-controller";

/// The control plane and its kubectl.
pub struct Real(ControlPlane, Kubectl);

impl Real {
    /// Starts it.
    pub fn start(dir: &Path) -> Real {
        // With that plugin, a pod could only be created once its namespace has a default ServiceAccount.
        let flags = [("disable-admission-plugins", "ServiceAccount")];
        let plane = ControlPlane::start(dir, RUNTIME.handle().clone(), &flags);
        Real(plane, Kubectl::new(asset("kubectl"), dir.join("kubeconfig")))
    }

    /// The API as the administrator.
    pub fn api(&self) -> Api {
        self.api_as(TOKEN)
    }
}

impl Servers for Real {
    fn start(&mut self) {
        self.0.start_apiserver();
    }

    fn kill(&mut self) {
        *self.0.apiserver() = None;
    }

    fn pause(&mut self) {
        self.0.apiserver().as_ref().expect("it runs").signal("STOP");
    }

    fn resume(&mut self) {
        self.0.apiserver().as_ref().expect("it runs").signal("CONT");
    }

    fn start_controllers(&mut self) {
        self.0.start_controllers(CONTROLLERS);
    }

    fn audit(&self) -> Audit {
        Audit::read(&self.0.dir.join("audit.log"))
    }

    fn port(&self) -> u16 {
        self.0.port
    }

    fn cluster(&self) -> Value {
        self.0.cluster()
    }

    fn api_as(&self, token: &str) -> Api {
        Api::new(&format!("https://127.0.0.1:{}", self.0.port), Some(self.0.ca_der.clone()), Some(token))
    }

    fn kubectl(&self) -> Option<&Kubectl> {
        Some(&self.1)
    }
}
