//! The simulated kubelet and scheduler. No container runs: only the statuses and events of a real kubelet are written.
//!
//! The lifecycle of a pod is one function, from start to stop. A real kubelet has to continue after a restart, so it
//! compares and acts, like a controller.

use std::{sync::Arc, time::Duration};

use demo_controller::events::{EventType, Recorder};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Volume};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{Objects, RETRY_AFTER, is_deleting};

/// The only node.
const NODE: &str = "node-1";

/// The time that containers take to start, after all Secrets exist.
const START_TIME: Duration = Duration::from_secs(1);

/// The time that containers take to stop.
const STOP_TIME: Duration = Duration::from_secs(2);

/// The wait before a missing Secret is reported again. It doubles each time.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub struct Kubelet {
    pub client: Client,
    pub objects: watch::Receiver<Arc<Objects>>,
    pub scheduler: Recorder,
    pub recorder: Recorder,
}

impl Kubelet {
    /// Schedules a pod, starts it, and stops it when it is deleted.
    pub async fn run(self, pod: Pod) {
        let deleted = self.wait_until(|objects| match find(objects, &pod) {
            Some(pod) => is_deleting(pod),
            None => true,
        });
        tokio::select! {
            () = async { self.start(&pod).await; std::future::pending().await } => {}
            () = deleted => {}
        }
        self.stop(&pod).await;
    }

    async fn start(&self, pod: &Pod) {
        let Some(spec) = &pod.spec else { return };
        // 1. Schedule: there is one node, and it always has room.
        if spec.node_name.is_none() {
            self.bind(pod).await;
        }
        if pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running") {
            return;
        }

        // 2. Wait for the Secrets.
        self.write_status(pod, &new_status(pod, spec, false)).await;
        let mut report_interval = REPORT_INTERVAL;
        while let Some((reason, message)) = find_missing_secret(&self.objects(), pod, spec) {
            self.recorder.record(&pod.object_ref(&()), EventType::Warning, reason, &message);
            let complete = self.wait_until(|objects| find_missing_secret(objects, pod, spec).is_none());
            let _ = timeout(report_interval, complete).await;
            report_interval *= 2;
        }

        // 3. Start the containers.
        sleep(START_TIME).await;
        self.write_status(pod, &new_status(pod, spec, true)).await;
        for container in &spec.containers {
            let image = container.image.as_deref().unwrap_or_default();
            self.record(pod, "Pulled", &format!("Container image {image:?} already present on machine"));
            self.record(pod, "Created", "Container created");
            self.record(pod, "Started", "Container started");
        }
    }

    async fn bind(&self, pod: &Pod) {
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": { "name": pod.name_any(), "uid": pod.uid() },
            "target": { "kind": "Node", "name": NODE },
        });
        let (api, name, params) = (self.api(pod), pod.name_any(), PostParams::default());
        retry(|| api.create_subresource::<Value, Value>("binding", &name, &params, &binding)).await;
        let message =
            format!("Successfully assigned {}/{} to {NODE}", pod.namespace().unwrap_or_default(), pod.name_any());
        self.scheduler.record(&pod.object_ref(&()), EventType::Normal, "Scheduled", &message);
    }

    async fn stop(&self, pod: &Pod) {
        // The deletion may have shortened the grace period.
        let grace = find(&self.objects(), pod).and_then(|pod| pod.metadata.deletion_grace_period_seconds);
        let Some(grace) = grace else { return };
        for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
            self.record(pod, "Killing", &format!("Stopping container {}", container.name));
        }
        sleep(Duration::from_secs(grace.unsigned_abs()).min(STOP_TIME)).await;
        // Grace period 0 removes the object. The UID protects a new pod of the same name.
        let preconditions = Some(Preconditions { uid: pod.uid(), ..Preconditions::default() });
        let params = DeleteParams { preconditions, ..DeleteParams::default().grace_period(0) };
        let (api, name) = (self.api(pod), pod.name_any());
        retry(|| api.delete(&name, &params)).await;
    }

    fn objects(&self) -> Arc<Objects> {
        self.objects.borrow().clone()
    }

    async fn wait_until(&self, mut holds: impl FnMut(&Objects) -> bool) {
        let _ = self.objects.clone().wait_for(|objects| holds(objects)).await;
    }

    async fn write_status(&self, pod: &Pod, status: &Value) {
        let (api, name, params, patch) = (self.api(pod), pod.name_any(), PatchParams::default(), Patch::Merge(status));
        retry(|| api.patch_status(&name, &params, &patch)).await;
    }

    fn record(&self, pod: &Pod, reason: &str, message: &str) {
        self.recorder.record(&pod.object_ref(&()), EventType::Normal, reason, message);
    }

    fn api(&self, pod: &Pod) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default())
    }
}

/// Repeats a request until it succeeds, or the pod is deleted (404), or an earlier attempt had succeeded (409).
async fn retry<T, F: Future<Output = kube::Result<T>>>(request: impl Fn() -> F) {
    while let Err(error) = request().await {
        if matches!(&error, kube::Error::Api(status) if matches!(status.code, 404 | 409)) {
            return;
        }
        sleep(RETRY_AFTER).await;
    }
}

fn find<'a>(objects: &'a Objects, pod: &Pod) -> Option<&'a Pod> {
    objects.pods.iter().find(|it| it.metadata.uid == pod.metadata.uid)
}

/// Returns the reason and message of the event for a Secret that is missing, if there is one.
fn find_missing_secret(objects: &Objects, pod: &Pod, spec: &PodSpec) -> Option<(&'static str, String)> {
    let is_missing = |name: &str| {
        !objects.secrets.iter().any(|it| it.metadata.name.as_deref() == Some(name) && it.namespace() == pod.namespace())
    };
    let mut volumes = spec.volumes.iter().flatten().flat_map(|volume| secrets_of(volume).map(move |it| (volume, it)));
    if let Some((volume, secret)) = volumes.find(|(_, secret)| is_missing(secret)) {
        let message = format!("MountVolume.SetUp failed for volume {:?} : secret {secret:?} not found", volume.name);
        return Some(("FailedMount", message));
    }
    let secret = spec.containers.iter().flat_map(env_secrets).find(|secret| is_missing(secret))?;
    Some(("Failed", format!("Error: secret {secret:?} not found")))
}

/// Returns the Secrets of a volume, except optional ones.
fn secrets_of(volume: &Volume) -> impl Iterator<Item = &str> {
    let whole = volume.secret.iter().filter(|secret| secret.optional != Some(true));
    let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    let parts = sources.filter_map(|source| source.secret.as_ref()).filter(|secret| secret.optional != Some(true));
    whole.filter_map(|secret| secret.secret_name.as_deref()).chain(parts.map(|secret| secret.name.as_str()))
}

/// Returns the Secrets of the environment, except optional ones.
fn env_secrets(container: &Container) -> impl Iterator<Item = &str> {
    let all = container.env_from.iter().flatten().filter_map(|from| from.secret_ref.as_ref());
    let one = container.env.iter().flatten().filter_map(|env| env.value_from.as_ref()?.secret_key_ref.as_ref());
    let all = all.filter(|secret| secret.optional != Some(true)).map(|secret| secret.name.as_str());
    all.chain(one.filter(|key| key.optional != Some(true)).map(|key| key.name.as_str()))
}

/// Returns the status of a pod whose containers run, or are being created.
fn new_status(pod: &Pod, spec: &PodSpec, running: bool) -> Value {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let state = match running {
        true => json!({ "running": { "startedAt": now } }),
        false => json!({ "waiting": { "reason": "ContainerCreating" } }),
    };
    let container = |container: &Container| {
        json!({
            "name": container.name, "image": container.image, "imageID": "", "state": state,
            "ready": running, "started": running, "restartCount": 0,
        })
    };
    let condition = |kind: &str, holds: bool| json!({ "type": kind, "status": if holds { "True" } else { "False" }, "lastTransitionTime": now });
    json!({ "status": {
        "phase": if running { "Running" } else { "Pending" },
        "startTime": pod.creation_timestamp(),
        "hostIP": "192.168.0.1",
        "podIP": running.then(|| format!("10.244.0.{}", pod.uid().unwrap_or_default().bytes().map(u32::from).sum::<u32>() % 254 + 1)),
        "containerStatuses": spec.containers.iter().map(container).collect::<Vec<_>>(),
        "conditions": [
            condition("Initialized", true), condition("PodScheduled", true),
            condition("ContainersReady", running), condition("Ready", running),
        ],
    } })
}
