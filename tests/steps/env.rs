//! A step as a process, and the API server that it uses.

use std::{collections::BTreeMap, env, process::Command};

use apiserver::{ApiServer, Fault, LoggedRequest, Rule, Verb};
use serde_json::{Value, json};
use testkit::{
    Loopback, Process,
    objects::pod_path,
    wait::{eventually, expect},
};

/// All that a step needs.
const RIGHTS: &str = "
{apiVersion: v1, kind: ServiceAccount, metadata: {namespace: default, name: step}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: step}
rules:
- {apiGroups: [''], resources: [pods], verbs: [list, watch]}
- {apiGroups: [''], resources: [configmaps], verbs: [get, list, create, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: step}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: step}
subjects: [{kind: ServiceAccount, namespace: default, name: step}]
";

/// When a scenario is passed.
pub enum Goal {
    /// It was passed or failed already.
    Seen(Result<(), String>),
    /// It is passed when `holds` returns Ok. If it does not after `settled`, it never will.
    Eventually { holds: fn(&Env) -> Result<(), String>, settled: fn(&Env) },
}

pub struct Env {
    // Dropped first: it kills the step.
    pub process: parking_lot::Mutex<Process>,
    server: Loopback,
}

impl Env {
    pub fn start(step: &str) -> Env {
        let server = Loopback::start("default/step", RIGHTS);
        // `target/debug/deps` has this test, `target/debug/examples` the steps.
        let program = env::current_exe().expect("a path").with_file_name("../examples").join(step);
        assert!(program.exists(), "{} is not built: run `cargo build --examples`", program.display());
        let mut command = Command::new(program);
        command.env("KUBECONFIG", &server.kubeconfig);
        Env { process: Process::start(command, 0).into(), server }
    }

    /// Creates a namespace with pods, and waits for their entries.
    pub fn create(&self, namespace: &str, pods: &[&str]) {
        self.create_unseen(namespace, pods);
        pods.iter().for_each(|pod| self.wait_entry(namespace, pod, "Pending"));
    }

    /// Creates a namespace with pods.
    pub fn create_unseen(&self, namespace: &str, pods: &[&str]) {
        self.server.runtime.block_on(async {
            self.server.cluster.create_namespace(namespace).await;
            for pod in pods {
                self.server.cluster.create_pod(namespace, pod, json!([])).await;
            }
        });
    }

    /// Writes a pod's phase.
    pub fn set_phase(&self, namespace: &str, pod: &str, phase: &str) {
        let pod = testkit::objects::pod(namespace, pod, json!([]));
        self.server.runtime.block_on(self.server.cluster.patch_status(&pod, json!({ "phase": phase })));
    }

    pub fn delete_pod(&self, namespace: &str, pod: &str) {
        self.server.runtime.block_on(self.server.cluster.delete(&testkit::objects::pod(namespace, pod, json!([]))));
    }

    pub fn delete_config_map(&self, namespace: &str) {
        let metadata = json!({ "namespace": namespace, "name": "pod-states" });
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata });
        self.server.runtime.block_on(self.server.cluster.delete(&map));
    }

    /// The entries of a ConfigMap; none if there is no ConfigMap.
    pub fn entries(&self, namespace: &str) -> BTreeMap<String, String> {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/pod-states");
        let map = self.server.runtime.block_on(self.server.cluster.request(http::Method::GET, &path, &Value::Null));
        serde_json::from_value(map["data"].clone()).unwrap_or_default()
    }

    pub fn wait_entry(&self, namespace: &str, pod: &str, state: &str) {
        eventually(format!("{} has the state {state}", pod_path(namespace, pod)), || {
            let entries = self.entries(namespace);
            expect(entries.get(pod).is_some_and(|is| is == state), format!("{entries:?}"))
        });
    }

    /// The API server.
    pub fn api_server(&self) -> &ApiServer {
        &self.server.cluster.server
    }

    /// Lets the API server do this to a write of the ConfigMap, once.
    pub fn fail_write(&self, verb: Verb, namespace: &str, fault: Fault) {
        self.api_server().fault(Rule::new(fault).verb(verb).resource("configmaps").namespace(namespace).times(1));
    }

    /// Waits until the fault has hit a request.
    pub fn wait_hit(&self) {
        let hits = || self.api_server().faults().iter().map(|rule| rule.hit).sum::<u64>();
        eventually("the fault hits a request", || expect(hits() > 0, "no request"));
    }

    /// Counts requests of the step.
    pub fn count(&self, is_counted: impl Fn(&LoggedRequest) -> bool) -> usize {
        let (user, requests) = (self.server.cluster.user(), self.api_server().requests());
        requests.iter().filter(|request| request.user == user && is_counted(request)).count()
    }

    /// Three changes in other namespaces, one after the other, each of which the step has processed.
    pub fn settle(&self) {
        ["one", "two", "three"].iter().for_each(|namespace| self.create(namespace, &["sentinel"]));
    }
}
