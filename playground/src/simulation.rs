//! The simulated cluster: a small kube-controller-manager, kube-scheduler and kubelet, for Deployments.
//!
//! ```text
//!  Deployment --> ReplicaSet --> pods       `ControllerManager`, below: list everything, compare, write the difference
//!                                 |
//!                                 v
//!                           pod status      `Kubelet`, a task per pod: node, Secrets, start, stop
//! ```
//!
//! It has no cache and no queue: the API server is in this process, so it lists everything after each change. It never
//! acts on an old state, and a lost response does no harm. With thousands of pods this would be too slow.
//!
//! Not simulated: rollouts (a new template replaces all pods at once), restarts of containers, and every volume except
//! Secrets.

use std::{collections::HashSet, fmt::Debug, sync::Arc, time::Duration};

use apiserver::ApiServer;
use daemon::Telemetry;
use demo_controller::events::{EventType, Recorder};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, ReplicaSet, ReplicaSetSpec},
        core::v1::{Pod, PodTemplateSpec, Secret},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

mod kubelet;

use kubelet::Kubelet;

/// The interval between two reads of the server's revision, which need no request.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The wait after a failed request.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The label with the hash of the pod template.
const HASH_LABEL: &str = "pod-template-hash";

/// The limit of pods to create or delete in one reconcile of a ReplicaSet.
const BURST: usize = 100;

/// Simulates the cluster until the future is dropped. It has the rights of an administrator.
pub async fn run(server: ApiServer) {
    let client = Client::new(server.clone(), "default");
    let (sender, objects) = watch::channel(Arc::default());
    let mut tasks = JoinSet::new();
    let mut recorder = |component| {
        let (recorder, writer) = Recorder::new(client.clone(), component, false, &Telemetry::default());
        tasks.spawn(writer);
        recorder
    };
    let (controller, scheduler, recorder) =
        (recorder("deployment-controller"), recorder("default-scheduler"), recorder("kubelet"));
    let kubelet = Kubelet { client: client.clone(), objects, scheduler, recorder };
    let mut manager = ControllerManager { client, recorder: controller, kubelet, running: HashSet::new(), tasks };
    loop {
        let revision = server.revision();
        let (result, retry_at) = (manager.reconcile(&sender).await, Instant::now() + RETRY_AFTER);
        while server.revision() == revision && (result.is_ok() || Instant::now() < retry_at) {
            sleep(POLL_INTERVAL).await;
        }
    }
}

/// The result of one list of everything.
#[derive(Default)]
struct Objects {
    deployments: Vec<Deployment>,
    sets: Vec<ReplicaSet>,
    pods: Vec<Pod>,
    secrets: Vec<Secret>,
}

impl Objects {
    async fn list(client: &Client) -> kube::Result<Objects> {
        let all = ListParams::default();
        Ok(Objects {
            deployments: Api::all(client.clone()).list(&all).await?.items,
            sets: Api::all(client.clone()).list(&all).await?.items,
            pods: Api::all(client.clone()).list(&all).await?.items,
            secrets: Api::all(client.clone()).list(&all).await?.items,
        })
    }

    fn sets_of(&self, deployment: &Deployment) -> Vec<&ReplicaSet> {
        self.sets.iter().filter(|set| is_owned(*set, deployment)).collect()
    }

    /// Returns the pods that are not being deleted. A pod that is being deleted is replaced at once.
    fn pods_of(&self, set: &ReplicaSet) -> Vec<&Pod> {
        self.pods.iter().filter(|pod| is_owned(*pod, set) && !is_deleting(*pod)).collect()
    }
}

/// The controllers of Deployments and ReplicaSets.
struct ControllerManager {
    client: Client,
    recorder: Recorder,
    kubelet: Kubelet,
    /// The UIDs of the pods that have a task.
    running: HashSet<String>,
    tasks: JoinSet<()>,
}

impl ControllerManager {
    /// Takes one step towards the spec of every Deployment. Its writes lead to the next call.
    async fn reconcile(&mut self, sender: &watch::Sender<Arc<Objects>>) -> kube::Result<()> {
        // 1. List everything. The kubelet reads the same list.
        let objects = Arc::new(Objects::list(&self.client).await?);
        sender.send_replace(objects.clone());

        // 2. Reconcile each object: a failure of one does not stop the others. Garbage collection deletes the dependents of
        //    a deleted object.
        let mut result = Ok(());
        for deployment in objects.deployments.iter().filter(|it| !is_deleting(*it)) {
            result = result.and(self.reconcile_deployment(deployment, &objects).await);
        }
        for set in objects.sets.iter().filter(|it| !is_deleting(*it)) {
            result = result.and(self.reconcile_replica_set(set, &objects).await);
        }

        // 3. Start a task per new pod.
        self.running.retain(|uid| objects.pods.iter().any(|pod| pod.metadata.uid.as_ref() == Some(uid)));
        for pod in objects.pods.iter().filter(|pod| self.running.insert(pod.uid().unwrap_or_default())) {
            self.tasks.spawn(self.kubelet.clone().run(pod.clone()));
        }
        while self.tasks.try_join_next().is_some() {}
        result
    }

    /// Creates one ReplicaSet per pod template, and scales all to 0 except that of the present template.
    async fn reconcile_deployment(&self, deployment: &Deployment, objects: &Objects) -> kube::Result<()> {
        let Some(spec) = &deployment.spec else { return Ok(()) };
        let (want, hash) = (spec.replicas.unwrap_or(1), hash_template(&spec.template));
        let name = format!("{}-{hash}", deployment.name_any());
        let api: Api<ReplicaSet> = self.api(deployment);
        let sets = objects.sets_of(deployment);
        if !sets.iter().any(|set| set.name_any() == name) {
            api.create(&PostParams::default(), &new_replica_set(deployment, spec, &name, &hash)).await?;
        }
        for set in &sets {
            let (before, after) = (desired_replicas(set), if set.name_any() == name { want } else { 0 });
            if before != after {
                let patch = Patch::Merge(json!({ "spec": { "replicas": after } }));
                api.patch(&set.name_any(), &PatchParams::default(), &patch).await?;
                let direction = if before < after { "up" } else { "down" };
                let message = format!("Scaled {direction} replica set {} from {before} to {after}", set.name_any());
                self.recorder.record(&deployment.object_ref(&()), EventType::Normal, "ScalingReplicaSet", &message);
            }
        }

        // `kubectl get deployments` prints these counts, `kubectl rollout status` waits for them.
        let pods: Vec<_> = sets.iter().flat_map(|set| objects.pods_of(set)).collect();
        let updated = pods.iter().filter(|pod| pod.labels().get(HASH_LABEL) == Some(&hash)).count();
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        let (available, reason) = match ready >= usize::try_from(want).unwrap_or(0) {
            true => ("True", "MinimumReplicasAvailable"),
            false => ("False", "MinimumReplicasUnavailable"),
        };
        let status = json!({ "status": {
            "observedGeneration": deployment.metadata.generation,
            "replicas": pods.len(), "updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": ready,
            "unavailableReplicas": pods.len() - ready,
            "conditions": [
                { "type": "Available", "status": available, "reason": reason },
                { "type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated" },
            ],
        } });
        self.write_status(deployment, status).await
    }

    /// Creates or deletes pods until the ReplicaSet has as many as it wants.
    async fn reconcile_replica_set(&self, set: &ReplicaSet, objects: &Objects) -> kube::Result<()> {
        let want = usize::try_from(desired_replicas(set)).unwrap_or(0);
        let mut pods = objects.pods_of(set);
        let api: Api<Pod> = self.api(set);
        for _ in (pods.len()..want).take(BURST) {
            api.create(&PostParams::default(), &new_pod(set)).await?;
        }
        // Pods that are not ready are deleted first.
        pods.sort_by_key(|pod| is_ready(pod));
        for pod in pods.iter().take(pods.len().saturating_sub(want)).take(BURST) {
            api.delete(&pod.name_any(), &DeleteParams::default()).await?;
        }
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        let status = json!({ "status": {
            "observedGeneration": set.metadata.generation,
            "replicas": pods.len(), "readyReplicas": ready, "availableReplicas": ready,
        } });
        self.write_status(set, status).await
    }

    /// Writes a status. An unchanged status does not change the revision, so it leads to no further list.
    async fn write_status<K: Namespaced>(&self, object: &K, status: Value) -> kube::Result<()> {
        let api: Api<K> = self.api(object);
        api.patch_status(&object.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
        Ok(())
    }

    /// Returns the API of a kind in the namespace of `object`.
    fn api<K: Namespaced>(&self, object: &impl ResourceExt) -> Api<K> {
        Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default())
    }
}

trait Namespaced: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug {}
impl<K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug> Namespaced
    for K
{
}

/// Returns a ReplicaSet with 0 replicas: the next reconcile scales it up.
fn new_replica_set(deployment: &Deployment, spec: &DeploymentSpec, name: &str, hash: &str) -> ReplicaSet {
    let mut template = spec.template.clone();
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    labels.insert(HASH_LABEL.into(), hash.into());
    let labels = labels.clone();
    // Without the hash, the selector would match the pods of an older ReplicaSet, too.
    let mut selector = spec.selector.clone();
    selector.match_labels.get_or_insert_default().insert(HASH_LABEL.into(), hash.into());
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(name.into()),
            labels: Some(labels),
            owner_references: deployment.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(ReplicaSetSpec { replicas: Some(0), selector, template: Some(template), ..Default::default() }),
        status: None,
    }
}

/// Returns a pod of the template. The API server appends five random letters to the name.
fn new_pod(set: &ReplicaSet) -> Pod {
    let template = set.spec.clone().and_then(|spec| spec.template).unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", set.name_any())),
            owner_references: set.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..template.metadata.unwrap_or_default()
        },
        spec: template.spec,
        status: None,
    }
}

/// Returns the FNV-1a hash of the template's JSON, without vowels: the letters form no words.
fn hash_template(template: &PodTemplateSpec) -> String {
    let json = serde_json::to_vec(template).unwrap_or_default();
    let hash = json.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let letters = b"bcdfghjklmnpqrstvwxz2456789";
    hash.to_string().bytes().map(|digit| char::from(letters[usize::from(digit) % letters.len()])).collect()
}

/// Compares UIDs: dependents of an earlier object of the same name do not count.
fn is_owned(dependent: &impl ResourceExt, owner: &impl ResourceExt) -> bool {
    dependent.owner_references().iter().any(|it| it.controller == Some(true) && Some(&it.uid) == owner.uid().as_ref())
}

fn is_deleting(object: &impl ResourceExt) -> bool {
    object.meta().deletion_timestamp.is_some()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn desired_replicas(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

#[cfg(test)]
mod tests;
