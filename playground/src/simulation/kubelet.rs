//! The simulated kubelet, and with it the scheduler. There are no containers, only what a kubelet writes about them.
//!
//! The lifecycle of a pod is one function that reads from top to bottom. A real kubelet cannot be written like this: after
//! a restart it has to continue where it was.

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

use super::{Objects, RETRY, is_deleting};

/// The only node.
const NODE: &str = "node-1";

/// How long the containers of a pod take to start, once it has what it needs.
const START: Duration = Duration::from_secs(1);

/// How long they take to stop.
const END: Duration = Duration::from_secs(2);

/// When a missing Secret is reported again; each time twice as long.
const REPORT_AGAIN: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub struct Kubelet {
    pub client: Client,
    pub objects: watch::Receiver<Arc<Objects>>,
    pub scheduler: Recorder,
    pub recorder: Recorder,
    pub speed: u32,
}

impl Kubelet {
    /// Schedules a pod, starts it, and ends it when it is deleted.
    pub async fn run(self, pod: Pod) {
        let ending = self.until(|objects| match find(objects, &pod) {
            Some(pod) => is_deleting(pod),
            None => true,
        });
        tokio::select! {
            () = async { self.start(&pod).await; std::future::pending().await } => {}
            () = ending => {}
        }
        self.end(&pod).await;
    }

    async fn start(&self, pod: &Pod) {
        let Some(spec) = &pod.spec else { return };
        // 1. The scheduler: there is one node, and it always has room.
        if spec.node_name.is_none() {
            self.bind(pod).await;
        }
        if pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running") {
            return;
        }

        // 2. Wait for the Secrets.
        self.write(pod, &status(pod, spec, false)).await;
        let mut report_again = REPORT_AGAIN / self.speed;
        while let Some((reason, message)) = missing(&self.objects(), pod, spec) {
            self.recorder.record(&pod.object_ref(&()), EventType::Warning, reason, &message);
            let complete = self.until(|objects| missing(objects, pod, spec).is_none());
            let _ = timeout(report_again, complete).await;
            report_again *= 2;
        }

        // 3. Start the containers.
        sleep(START / self.speed).await;
        self.write(pod, &status(pod, spec, true)).await;
        for container in &spec.containers {
            let image = container.image.as_deref().unwrap_or_default();
            self.tell(pod, "Pulled", &format!("Container image {image:?} already present on machine"));
            self.tell(pod, "Created", "Container created");
            self.tell(pod, "Started", "Container started");
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

    async fn end(&self, pod: &Pod) {
        // The grace period may have been shortened by the deletion.
        let grace = find(&self.objects(), pod).and_then(|pod| pod.metadata.deletion_grace_period_seconds);
        let Some(grace) = grace else { return };
        for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
            self.tell(pod, "Killing", &format!("Stopping container {}", container.name));
        }
        sleep(Duration::from_secs(grace.unsigned_abs()).min(END) / self.speed).await;
        // Grace 0 means that it has ended. The UID: not another pod that has the name by now.
        let preconditions = Some(Preconditions { uid: pod.uid(), ..Preconditions::default() });
        let params = DeleteParams { preconditions, ..DeleteParams::default().grace_period(0) };
        let (api, name) = (self.api(pod), pod.name_any());
        retry(|| api.delete(&name, &params)).await;
    }

    fn objects(&self) -> Arc<Objects> {
        self.objects.borrow().clone()
    }

    /// Waits until this holds.
    async fn until(&self, mut holds: impl FnMut(&Objects) -> bool) {
        let _ = self.objects.clone().wait_for(|objects| holds(objects)).await;
    }

    async fn write(&self, pod: &Pod, status: &Value) {
        let (api, name, params, patch) = (self.api(pod), pod.name_any(), PatchParams::default(), Patch::Merge(status));
        retry(|| api.patch_status(&name, &params, &patch)).await;
    }

    fn tell(&self, pod: &Pod, reason: &str, message: &str) {
        self.recorder.record(&pod.object_ref(&()), EventType::Normal, reason, message);
    }

    fn api(&self, pod: &Pod) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default())
    }
}

/// Repeats a request until it succeeds, or the pod is gone (404), or the answer to an earlier attempt was lost (409).
async fn retry<T, F: Future<Output = kube::Result<T>>>(request: impl Fn() -> F) {
    while let Err(error) = request().await {
        if matches!(&error, kube::Error::Api(status) if matches!(status.code, 404 | 409)) {
            return;
        }
        sleep(RETRY).await;
    }
}

fn find<'a>(objects: &'a Objects, pod: &Pod) -> Option<&'a Pod> {
    objects.pods.iter().find(|it| it.metadata.uid == pod.metadata.uid)
}

/// The reason and message of the event about a Secret that the pod cannot start without, while it is missing.
fn missing(objects: &Objects, pod: &Pod, spec: &PodSpec) -> Option<(&'static str, String)> {
    let is_missing = |name: &str| {
        !objects.secrets.iter().any(|it| it.metadata.name.as_deref() == Some(name) && it.namespace() == pod.namespace())
    };
    let mut volumes = spec.volumes.iter().flatten().flat_map(|volume| mounted(volume).map(move |name| (volume, name)));
    if let Some((volume, secret)) = volumes.find(|(_, secret)| is_missing(secret)) {
        let message = format!("MountVolume.SetUp failed for volume {:?} : secret {secret:?} not found", volume.name);
        return Some(("FailedMount", message));
    }
    let secret = spec.containers.iter().flat_map(variables).find(|secret| is_missing(secret))?;
    Some(("Failed", format!("Error: secret {secret:?} not found")))
}

/// The Secrets of a volume, except optional ones.
fn mounted(volume: &Volume) -> impl Iterator<Item = &str> {
    let whole = volume.secret.iter().filter(|secret| secret.optional != Some(true));
    let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    let parts = sources.filter_map(|source| source.secret.as_ref()).filter(|secret| secret.optional != Some(true));
    whole.filter_map(|secret| secret.secret_name.as_deref()).chain(parts.map(|secret| secret.name.as_str()))
}

/// The Secrets of the environment, except optional ones.
fn variables(container: &Container) -> impl Iterator<Item = &str> {
    let all = container.env_from.iter().flatten().filter_map(|from| from.secret_ref.as_ref());
    let one = container.env.iter().flatten().filter_map(|env| env.value_from.as_ref()?.secret_key_ref.as_ref());
    let all = all.filter(|secret| secret.optional != Some(true)).map(|secret| secret.name.as_str());
    all.chain(one.filter(|key| key.optional != Some(true)).map(|key| key.name.as_str()))
}

/// The status of a pod whose containers are being created, or run.
fn status(pod: &Pod, spec: &PodSpec, running: bool) -> Value {
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
