//! The simulated cluster: what kube-controller-manager, kube-scheduler and a kubelet do for Deployments, in small.
//!
//! ```text
//!  Deployment --> ReplicaSet --> pods       by `Cluster`, below: list everything, compare, write the difference
//!                                 |
//!                                 v
//!                           pod status      by `Kubelet`, a task per pod: node, Secrets, start, end
//! ```
//!
//! It needs no cache and no queue, unlike the controller that this project is about, because it has the API server in the same
//! process: after each change it lists everything again. So it never acts on an old state, and an answer that got lost is
//! in the next list. A real cluster with thousands of pods could not afford that.
//!
//! Left out: rollouts (a new template replaces all pods at once), restarts of containers, and everything else that pods can
//! have besides Secrets.

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

/// How often the server is asked for its revision. It is in this process: no request is sent.
const EVERY: Duration = Duration::from_millis(20);

/// After a failed request everything is listed again this much later, even if nothing changes.
const RETRY: Duration = Duration::from_secs(1);

/// The label that distinguishes the pods of one template from those of another.
const HASH: &str = "pod-template-hash";

/// Most pods that are created or deleted at once for one ReplicaSet.
const BURST: usize = 100;

/// Simulates the cluster until it is dropped, `speed` times as fast as usual. It acts as the administrator.
pub async fn run(server: ApiServer, speed: u32) {
    let client = Client::new(server.clone(), "default");
    let (sender, objects) = watch::channel(Arc::default());
    let mut tasks = JoinSet::new();
    let mut recorder = |component| {
        let (recorder, writer) = Recorder::new(client.clone(), component, false, &Telemetry::default());
        tasks.spawn(writer);
        recorder
    };
    let (deployment_controller, scheduler, recorder) =
        (recorder("deployment-controller"), recorder("default-scheduler"), recorder("kubelet"));
    let kubelet = Kubelet { client: client.clone(), objects, scheduler, recorder, speed };
    let mut cluster = Cluster { client, recorder: deployment_controller, kubelet, running: HashSet::new(), tasks };
    loop {
        let revision = server.revision();
        let (done, retry_at) = (cluster.reconcile(&sender).await, Instant::now() + RETRY);
        while server.revision() == revision && (done.is_ok() || Instant::now() < retry_at) {
            sleep(EVERY).await;
        }
    }
}

/// What the API server lists.
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

    /// The pods that are not being deleted: those that are get a replacement at once.
    fn pods_of(&self, set: &ReplicaSet) -> Vec<&Pod> {
        self.pods.iter().filter(|pod| is_owned(*pod, set) && !is_deleting(*pod)).collect()
    }
}

/// The controllers of Deployments and ReplicaSets.
struct Cluster {
    client: Client,
    recorder: Recorder,
    kubelet: Kubelet,
    /// The UIDs of the pods that have a task.
    running: HashSet<String>,
    tasks: JoinSet<()>,
}

impl Cluster {
    /// Does one step towards what the Deployments ask for. Its changes lead to the next call.
    async fn reconcile(&mut self, sender: &watch::Sender<Arc<Objects>>) -> kube::Result<()> {
        // 1. What there is. The kubelet works from the same list.
        let objects = Arc::new(Objects::list(&self.client).await?);
        sender.send_replace(objects.clone());

        // 2. The difference, object by object: a failure of one does not stop the others. Parts of an object that is being
        //    deleted are deleted by garbage collection.
        let mut result = Ok(());
        for deployment in objects.deployments.iter().filter(|it| !is_deleting(*it)) {
            result = result.and(self.scale_set(deployment, &objects).await);
        }
        for set in objects.sets.iter().filter(|it| !is_deleting(*it)) {
            result = result.and(self.scale_pods(set, &objects).await);
        }

        // 3. A task per pod.
        self.running.retain(|uid| objects.pods.iter().any(|pod| pod.metadata.uid.as_ref() == Some(uid)));
        for pod in objects.pods.iter().filter(|pod| self.running.insert(pod.uid().unwrap_or_default())) {
            self.tasks.spawn(self.kubelet.clone().run(pod.clone()));
        }
        while self.tasks.try_join_next().is_some() {}
        result
    }

    /// One ReplicaSet per version of the pod template; only that of the present version has pods.
    async fn scale_set(&self, deployment: &Deployment, objects: &Objects) -> kube::Result<()> {
        let Some(spec) = &deployment.spec else { return Ok(()) };
        let (want, hash) = (spec.replicas.unwrap_or(1), hash(&spec.template));
        let name = format!("{}-{hash}", deployment.name_any());
        let api: Api<ReplicaSet> = self.api(deployment);
        let sets = objects.sets_of(deployment);
        if !sets.iter().any(|set| set.name_any() == name) {
            api.create(&PostParams::default(), &replica_set(deployment, spec, &name, &hash)).await?;
        }
        for set in &sets {
            let (before, after) = (replicas(set), if set.name_any() == name { want } else { 0 });
            if before != after {
                let patch = Patch::Merge(json!({ "spec": { "replicas": after } }));
                api.patch(&set.name_any(), &PatchParams::default(), &patch).await?;
                let way = if before < after { "up" } else { "down" };
                let message = format!("Scaled {way} replica set {} from {before} to {after}", set.name_any());
                self.recorder.record(&deployment.object_ref(&()), EventType::Normal, "ScalingReplicaSet", &message);
            }
        }

        // The counts that `kubectl get deployments` prints and `kubectl rollout status` waits for.
        let pods: Vec<_> = sets.iter().flat_map(|set| objects.pods_of(set)).collect();
        let updated = pods.iter().filter(|pod| pod.labels().get(HASH) == Some(&hash)).count();
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

    /// As many pods as the ReplicaSet wants.
    async fn scale_pods(&self, set: &ReplicaSet, objects: &Objects) -> kube::Result<()> {
        let want = usize::try_from(replicas(set)).unwrap_or(0);
        let mut pods = objects.pods_of(set);
        let api: Api<Pod> = self.api(set);
        for _ in (pods.len()..want).take(BURST) {
            api.create(&PostParams::default(), &pod(set)).await?;
        }
        // Those that are not ready go first.
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

    /// A status that is as before is no change, and leads to no further list.
    async fn write_status<K: Namespaced>(&self, object: &K, status: Value) -> kube::Result<()> {
        let api: Api<K> = self.api(object);
        api.patch_status(&object.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
        Ok(())
    }

    /// The objects of a kind in the namespace of `object`.
    fn api<K: Namespaced>(&self, object: &impl ResourceExt) -> Api<K> {
        Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default())
    }
}

/// A kind whose objects have namespaces.
trait Namespaced: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug {}
impl<K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug> Namespaced
    for K
{
}

/// Starts empty: the next list scales it up.
fn replica_set(deployment: &Deployment, spec: &DeploymentSpec, name: &str, hash: &str) -> ReplicaSet {
    let mut template = spec.template.clone();
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    labels.insert(HASH.into(), hash.into());
    let labels = labels.clone();
    // Without the hash in the selector it would count the pods of its predecessor.
    let mut selector = spec.selector.clone();
    selector.match_labels.get_or_insert_default().insert(HASH.into(), hash.into());
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

/// The API server appends five letters to the name.
fn pod(set: &ReplicaSet) -> Pod {
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

/// FNV-1a of the template's JSON, in letters that spell no words.
fn hash(template: &PodTemplateSpec) -> String {
    let json = serde_json::to_vec(template).unwrap_or_default();
    let hash = json.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let letters = b"bcdfghjklmnpqrstvwxz2456789";
    hash.to_string().bytes().map(|digit| char::from(letters[usize::from(digit) % letters.len()])).collect()
}

/// By UID: parts of an earlier object of the same name are not its own.
fn is_owned(part: &impl ResourceExt, owner: &impl ResourceExt) -> bool {
    part.owner_references().iter().any(|it| it.controller == Some(true) && Some(&it.uid) == owner.uid().as_ref())
}

fn is_deleting(object: &impl ResourceExt) -> bool {
    object.meta().deletion_timestamp.is_some()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

#[cfg(test)]
mod tests;
