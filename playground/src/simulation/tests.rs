use std::collections::BTreeSet;

use apiserver::{Fault, Rule, Settings, Verb};
use k8s_openapi::api::core::v1::{Event, Namespace};
use tokio::time::timeout;

use super::*;

/// The embedded API server with the simulated cluster. Time is paused.
struct World {
    server: ApiServer,
    client: Client,
    _cluster: JoinSet<()>,
}

impl World {
    async fn new(faults: impl IntoIterator<Item = Rule>) -> World {
        let server = ApiServer::new(Settings::default());
        faults.into_iter().for_each(|rule| assert!(server.fault(rule)));
        let client = Client::new(server.clone(), "default");
        let mut cluster = JoinSet::new();
        cluster.spawn(run(server.clone(), 1));
        let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": "ns" } })).unwrap();
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        World { server, client, _cluster: cluster }
    }

    fn api<K: Namespaced>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), "ns")
    }

    /// Creates a Deployment `web` with something added to the spec of its pods.
    async fn deploy(&self, replicas: i32, pod: Value) {
        let mut deployment = json!({ "metadata": { "name": "web" }, "spec": {
            "replicas": replicas, "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "app", "image": "busybox:1.37" }] },
            },
        } });
        let spec = deployment["spec"]["template"]["spec"].as_object_mut().unwrap();
        spec.extend(pod.as_object().cloned().unwrap_or_default());
        let deployment = serde_json::from_value(deployment).unwrap();
        self.api::<Deployment>().create(&PostParams::default(), &deployment).await.unwrap();
    }

    async fn patch(&self, patch: Value) {
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        self.api::<Deployment>().patch("web", &params, &patch).await.unwrap();
    }

    async fn scale(&self, replicas: i32) {
        self.patch(json!({ "spec": { "replicas": replicas } })).await;
    }

    async fn create_secret(&self, name: &str) {
        let secret: Secret = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        self.api().create(&PostParams::default(), &secret).await.unwrap();
    }

    async fn list<K: Namespaced>(&self) -> Vec<K> {
        self.api().list(&ListParams::default()).await.unwrap().items
    }

    async fn until(&self, what: &str, holds: impl Fn(&[Pod]) -> bool) -> Vec<Pod> {
        let found = async {
            loop {
                let pods = self.list::<Pod>().await;
                if holds(&pods) {
                    return pods;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(60), found).await.unwrap_or_else(|_| panic!("not within a minute: {what}"))
    }

    async fn until_ready(&self, n: usize) -> Vec<Pod> {
        self.until(&format!("{n} ready pods"), |pods| pods.len() == n && pods.iter().all(is_ready)).await
    }
}

fn names(pods: &[Pod]) -> BTreeSet<String> {
    pods.iter().map(ResourceExt::name_any).collect()
}

fn waits(pods: &[Pod]) -> bool {
    let status = pods.first().and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref());
    let state = status.and_then(|containers| containers[0].state.clone()?.waiting?.reason);
    state.as_deref() == Some("ContainerCreating")
}

#[tokio::test(start_paused = true)]
async fn deployment_becomes_ready_pods_of_one_replica_set() {
    let world = World::new([]).await;
    world.deploy(3, Value::Null).await;
    let pods = world.until_ready(3).await;
    sleep(Duration::from_secs(1)).await;

    let (sets, deployment) = (world.list::<ReplicaSet>().await, world.api::<Deployment>().get("web").await.unwrap());
    assert_eq!(sets.len(), 1);
    assert!(is_owned(&sets[0], &deployment) && sets[0].name_any().starts_with("web-"));
    for pod in &pods {
        assert!(is_owned(pod, &sets[0]) && pod.name_any().len() == sets[0].name_any().len() + 6);
        assert_eq!(pod.spec.as_ref().unwrap().node_name.as_deref(), Some("node-1"));
    }
    // What `kubectl get`, `rollout status` and `wait` read.
    let status = deployment.status.unwrap();
    assert_eq!(status.observed_generation, deployment.metadata.generation);
    let counts = [status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas];
    assert_eq!((counts, status.unavailable_replicas), ([Some(3); 4], None));
    let available = status.conditions.iter().flatten().find(|it| it.type_ == "Available").unwrap();
    assert_eq!(available.status, "True");

    // Then nothing happens any more.
    let revision = world.server.revision();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(world.server.revision(), revision);
}

#[tokio::test(start_paused = true)]
async fn scaled_deployment_keeps_the_pods_that_are_ready() {
    let world = World::new([]).await;
    world.deploy(2, Value::Null).await;
    let ready = names(&world.until_ready(2).await);
    world.scale(9).await;
    world.until("nine pods", |pods| pods.len() == 9).await;
    world.scale(2).await;
    assert_eq!(names(&world.until_ready(2).await), ready);
    world.scale(0).await;
    world.until_ready(0).await;
}

#[tokio::test(start_paused = true)]
async fn deleted_pod_is_replaced_and_ends_after_a_while() {
    let world = World::new([]).await;
    world.deploy(1, Value::Null).await;
    let before = world.until_ready(1).await;
    world.api::<Pod>().delete(&before[0].name_any(), &DeleteParams::default()).await.unwrap();
    world.until("the old pod and a new one", |pods| pods.len() == 2).await;
    assert_ne!(names(&world.until_ready(1).await), names(&before));
}

#[tokio::test(start_paused = true)]
async fn new_template_replaces_the_pods() {
    let world = World::new([]).await;
    world.deploy(2, Value::Null).await;
    let before = names(&world.until_ready(2).await);
    let container = json!({ "name": "app", "image": "busybox:2" });
    world.patch(json!({ "spec": { "template": { "spec": { "containers": [container] } } } })).await;
    world.until("other pods", |pods| names(pods).is_disjoint(&before) && pods.len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn deleted_deployment_takes_its_pods_along() {
    let world = World::new([]).await;
    world.deploy(2, Value::Null).await;
    world.until_ready(2).await;
    world.api::<Deployment>().delete("web", &DeleteParams::background()).await.unwrap();
    world.until_ready(0).await;
    assert!(world.list::<ReplicaSet>().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn missing_secret_holds_a_pod_until_it_appears() {
    let env = json!([{ "secretRef": { "name": "b" } }, { "secretRef": { "name": "x", "optional": true } }]);
    let world = World::new([]).await;
    let volumes = json!([
        { "name": "pki", "secret": { "secretName": "a" } },
        { "name": "more", "projected": { "sources": [{ "secret": { "name": "c" } }] } },
        { "name": "optional", "secret": { "secretName": "x", "optional": true } },
    ]);
    let containers = json!([{ "name": "app", "image": "busybox:1.37", "envFrom": env }]);
    world.deploy(1, json!({ "volumes": volumes, "containers": containers })).await;
    for secret in ["a", "b", "c"] {
        world.until("a pod that waits", waits).await;
        sleep(Duration::from_secs(600)).await;
        assert!(waits(&world.list::<Pod>().await), "for {secret}");
        world.create_secret(secret).await;
    }
    world.until_ready(1).await;
}

#[tokio::test(start_paused = true)]
async fn events_are_those_of_a_real_cluster() {
    let world = World::new([]).await;
    world.deploy(1, json!({ "volumes": [{ "name": "pki", "secret": { "secretName": "web-pki" } }] })).await;
    world.until("a pod that waits", waits).await;
    sleep(Duration::from_secs(10)).await;
    world.create_secret("web-pki").await;
    let name = world.until_ready(1).await[0].name_any();
    sleep(Duration::from_secs(1)).await;

    let events = world.list::<Event>().await;
    let line = |event: &Event| {
        let [component, kind] = [event.reporting_component.clone(), event.type_.clone()].map(Option::unwrap_or_default);
        format!("{component}: {kind} {}: {}", event.reason.as_deref().unwrap(), event.message.as_deref().unwrap())
    };
    let expected = [
        format!("default-scheduler: Normal Scheduled: Successfully assigned ns/{name} to node-1"),
        format!(
            "deployment-controller: Normal ScalingReplicaSet: Scaled up replica set {} from 0 to 1",
            &name[..name.len() - 6]
        ),
        "kubelet: Normal Created: Container created".to_owned(),
        "kubelet: Normal Pulled: Container image \"busybox:1.37\" already present on machine".to_owned(),
        "kubelet: Normal Started: Container started".to_owned(),
        "kubelet: Warning FailedMount: MountVolume.SetUp failed for volume \"pki\" : secret \"web-pki\" not found"
            .to_owned(),
    ];
    assert_eq!(events.iter().map(line).collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    let mount = events.iter().find(|event| event.reason.as_deref() == Some("FailedMount")).unwrap();
    assert_eq!(mount.count, Some(5), "at 0, 0.5, 1.5, 3.5 and 7.5 s");
}

#[tokio::test(start_paused = true)]
async fn lost_answers_lead_to_no_pod_too_many() {
    let lost = |verb, resource| Rule::new(Fault::ResetAfter).verb(verb).resource(resource).probability(0.3);
    let world = World::new([
        lost(Verb::Create, "pods").subresource(""),
        lost(Verb::Patch, "pods"),
        lost(Verb::Delete, "pods"),
        lost(Verb::Create, "replicasets.apps"),
        Rule::new(Fault::InternalError).verb(Verb::List).resource("deployments.apps").probability(0.3),
    ])
    .await;
    world.deploy(10, Value::Null).await;
    world.until("ten pods", |pods| pods.len() >= 10).await;
    world.server.clear_faults();
    world.until_ready(10).await;
    let created = world.server.requests().into_iter().filter(|it| it.verb == "create" && it.resource == "pods");
    let created: Vec<_> = created.filter(|it| it.uri.contains("/pods?")).collect();
    assert_eq!(created.len(), 10, "{created:#?}");
}
