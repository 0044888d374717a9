//! A simulated scheduler and kubelet: pods get a node, wait for the Secrets that they mount, run, and go when they are
//! deleted.

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

use crate::{
    api::{Api, Refused},
    objects::{Is, key},
};

/// Looks at all pods ten times a second until it is dropped.
pub struct Kubelet {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Kubelet {
    /// Starts to look.
    pub fn start(api: Api) -> Kubelet {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                // An API server that is away, or a pod that changes at the same time: the next look will do.
                let _ = look(&api);
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

fn look(api: &Api) -> Result<(), Refused> {
    let pods = api.list("/api/v1/pods")?;
    if pods.is_empty() {
        return Ok(());
    }
    let secrets: BTreeSet<String> = api.list("/api/v1/secrets")?.iter().map(key).collect();
    for pod in &pods {
        // One pod's trouble is not another's.
        let _ = act(api, pod, &secrets);
    }
    Ok(())
}

fn act(api: &Api, pod: &Value, secrets: &BTreeSet<String>) -> Result<(), Refused> {
    let path = pod.path();
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        api.delete(&format!("{path}?gracePeriodSeconds=0"))?;
        return Ok(());
    }
    if pod["spec"]["nodeName"].is_null() {
        bind(api, pod)?;
    }
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    let present = mounted(pod).iter().all(|secret| secrets.contains(secret));
    match (phase, present) {
        ("Pending", true) => set_status(api, pod, &running(pod, 0)),
        ("Pending", false) if pod["status"]["containerStatuses"].is_null() => set_status(api, pod, &waiting(pod)),
        _ => Ok(()),
    }
}

/// Gives a pod to a node.
pub fn bind(api: &Api, pod: &Value) -> Result<(), Refused> {
    let target = json!({ "apiVersion": "v1", "kind": "Node", "name": "node-1" });
    let body = json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": pod.name() }, "target": target });
    api.post(&format!("{}/binding", pod.path()), &body).map(drop)
}

/// Writes a pod's status.
pub fn set_status(api: &Api, pod: &Value, status: &Value) -> Result<(), Refused> {
    api.patch(&format!("{}/status", pod.path()), &json!({ "status": status })).map(drop)
}

/// All containers run and are ready, having been restarted so often.
pub fn running(pod: &Value, restarts: u32) -> Value {
    let state = json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } });
    status(pod, "Running", true, restarts, &state)
}

/// All containers run, none is ready.
pub fn starting(pod: &Value, restarts: u32) -> Value {
    status(pod, "Running", false, restarts, &json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } }))
}

/// No container can be created yet.
fn waiting(pod: &Value) -> Value {
    status(pod, "Pending", false, 0, &json!({ "waiting": { "reason": "ContainerCreating" } }))
}

fn status(pod: &Value, phase: &str, ready: bool, restarts: u32, state: &Value) -> Value {
    let container = |c: &Value| json!({ "name": c["name"], "image": c["image"], "imageID": "", "ready": ready, "restartCount": restarts, "state": state });
    let containers: Vec<Value> = pod["spec"]["containers"].as_array().into_iter().flatten().map(container).collect();
    let ready = if ready { "True" } else { "False" };
    json!({ "phase": phase, "conditions": [{ "type": "Ready", "status": ready }], "containerStatuses": containers })
}

/// The Secrets that a pod cannot start without: `namespace/name`.
fn mounted(pod: &Value) -> Vec<String> {
    let each = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let mut names = Vec::new();
    for volume in each(&pod["spec"]["volumes"]) {
        names.push(volume["secret"]["secretName"].clone());
        names.extend(each(&volume["projected"]["sources"]).iter().map(|source| source["secret"]["name"].clone()));
    }
    for container in each(&pod["spec"]["containers"]) {
        names.extend(each(&container["envFrom"]).iter().map(|from| from["secretRef"]["name"].clone()));
        names.extend(each(&container["env"]).iter().map(|var| var["valueFrom"]["secretKeyRef"]["name"].clone()));
    }
    names.iter().filter_map(Value::as_str).map(|name| format!("{}/{name}", pod.namespace())).collect()
}
