//! A real control plane, for `--real`.

use std::path::Path;

use serde_json::Value;
use testkit::control_plane::{ControlPlane, TOKEN, asset};

use crate::{
    api::{ApiClient, RUNTIME},
    audit::AuditLog,
    kubectl::Kubectl,
    servers::Servers,
};

/// Without the pod garbage collector, which deletes pods on nodes that do not exist.
const CONTROLLERS: &str =
    "deployment-controller,replicaset-controller,garbage-collector-controller,namespace-controller";

/// A real control plane and its kubectl.
pub struct RealServers {
    plane: ControlPlane,
    kubectl: Kubectl,
}

impl RealServers {
    pub fn start(dir: &Path) -> RealServers {
        // Otherwise pods cannot be created until their namespace has a default ServiceAccount.
        let flags = [("disable-admission-plugins", "ServiceAccount")];
        let plane = ControlPlane::start(dir, RUNTIME.handle().clone(), &flags);
        RealServers { plane, kubectl: Kubectl::new(asset("kubectl"), dir.join("kubeconfig")) }
    }

    /// A client of the administrator.
    pub fn api(&self) -> ApiClient {
        self.api_as(TOKEN)
    }
}

impl Servers for RealServers {
    fn start(&mut self) {
        self.plane.start_apiserver();
    }

    fn kill(&mut self) {
        *self.plane.apiserver() = None;
    }

    fn pause(&mut self) {
        self.plane.apiserver().as_ref().expect("the API server runs").signal("STOP");
    }

    fn resume(&mut self) {
        self.plane.apiserver().as_ref().expect("the API server runs").signal("CONT");
    }

    fn start_controllers(&mut self) {
        self.plane.start_controllers(CONTROLLERS);
    }

    fn audit_log(&self) -> AuditLog {
        AuditLog::read(&self.plane.dir.join("audit.log"))
    }

    fn port(&self) -> u16 {
        self.plane.port
    }

    fn cluster(&self) -> Value {
        self.plane.cluster()
    }

    fn api_as(&self, token: &str) -> ApiClient {
        ApiClient::new(&format!("https://127.0.0.1:{}", self.plane.port), Some(self.plane.ca_der.clone()), Some(token))
    }

    fn kubectl(&self) -> Option<&Kubectl> {
        Some(&self.kubectl)
    }
}
