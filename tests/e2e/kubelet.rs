//! A simulated scheduler and kubelet: pods get a node, wait for the Secrets that they mount, run, and end when they are
//! deleted. On the embedded server, it also creates one pod per Deployment.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use testkit::objects::{key, meta, pod_path};

use crate::api::{ApiClient, ApiError};

/// Updates all pods ten times a second until it is dropped.
pub struct Kubelet {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Kubelet {
    pub fn start(api: ApiClient, creates_pods: bool) -> Kubelet {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                // If the API server is unavailable, the next call repeats this one.
                let _ = update_pods(&api, creates_pods);
                thread::sleep(Duration::from_millis(100));
            }
        });
        Kubelet { stop, thread: Some(thread) }
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().into_iter().for_each(|thread| drop(thread.join()));
    }
}

fn update_pods(api: &ApiClient, creates_pods: bool) -> Result<(), ApiError> {
    let pods = api.list("/api/v1/pods")?;
    if creates_pods {
        for deployment in api.list("/apis/apps/v1/deployments")? {
            let (namespace, name) = (meta(&deployment, "namespace"), format!("{}-0", meta(&deployment, "name")));
            let template = &deployment["spec"]["template"];
            let metadata = json!({ "name": name, "labels": template["metadata"]["labels"] });
            let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] });
            // 409: the pod exists.
            let _ = api.post(&format!("/api/v1/namespaces/{namespace}/pods"), &pod);
        }
    }
    let secrets: BTreeSet<String> = api.list("/api/v1/secrets")?.iter().map(key).collect();
    for pod in &pods {
        // The next call retries a pod that failed, for example with a conflict.
        let _ = update_pod(api, pod, &secrets);
    }
    Ok(())
}

fn update_pod(api: &ApiClient, pod: &Value, secrets: &BTreeSet<String>) -> Result<(), ApiError> {
    let path = pod_path(meta(pod, "namespace"), meta(pod, "name"));
    if !meta(pod, "deletionTimestamp").is_empty() {
        return api.delete(&format!("{path}?gracePeriodSeconds=0")).map(drop);
    }
    if pod["spec"]["nodeName"].is_null() {
        let target = json!({ "apiVersion": "v1", "kind": "Node", "name": "node-1" });
        let metadata = json!({ "name": meta(pod, "name") });
        let body = json!({ "apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target });
        api.post(&format!("{path}/binding"), &body)?;
    }
    let status =
        match (pod["status"]["phase"].as_str(), mounted_secrets(pod).iter().all(|secret| secrets.contains(secret))) {
            (Some("Pending"), true) => ready_status(pod),
            (Some("Pending"), false) if pod["status"]["containerStatuses"].is_null() => {
                pod_status(pod, "Pending", false, &json!({ "waiting": { "reason": "ContainerCreating" } }))
            }
            _ => return Ok(()),
        };
    api.patch(&format!("{path}/status"), &json!({ "status": status })).map(drop)
}

/// The status of a pod that is Ready.
pub fn ready_status(pod: &Value) -> Value {
    pod_status(pod, "Running", true, &json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } }))
}

fn pod_status(pod: &Value, phase: &str, ready: bool, state: &Value) -> Value {
    let container = |c: &Value| json!({ "name": c["name"], "image": c["image"], "imageID": "", "ready": ready, "restartCount": 0, "state": state });
    let containers: Vec<Value> = pod["spec"]["containers"].as_array().into_iter().flatten().map(container).collect();
    let ready = if ready { "True" } else { "False" };
    json!({ "phase": phase, "conditions": [{ "type": "Ready", "status": ready }], "containerStatuses": containers })
}

/// The Secrets that the pod mounts as volumes: `namespace/name`.
fn mounted_secrets(pod: &Value) -> Vec<String> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let names = volumes.filter_map(|volume| volume["secret"]["secretName"].as_str());
    names.map(|name| format!("{}/{name}", meta(pod, "namespace"))).collect()
}
