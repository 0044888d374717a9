use std::collections::BTreeSet;

use apiserver::{Fault, Rule, Settings, Verb};
use k8s_openapi::api::core::v1::{Event, Namespace};
use tokio::time::timeout;

use super::*;

/// The embedded API server with the simulated cluster, in paused time.
struct TestEnv {
    server: ApiServer,
    client: Client,
    _cluster: JoinSet<()>,
}

impl TestEnv {
    async fn new(faults: impl IntoIterator<Item = Rule>) -> TestEnv {
        let server = ApiServer::new(Settings::default());
        faults.into_iter().for_each(|rule| assert!(server.fault(rule)));
        let client = Client::new(server.clone(), "default");
        let mut cluster = JoinSet::new();
        cluster.spawn(run(server.clone()));
        let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": "ns" } })).unwrap();
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        TestEnv { server, client, _cluster: cluster }
    }

    fn api<K: Namespaced>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), "ns")
    }

    /// Creates the Deployment `web`, with the fields of `pod` added to its pod spec.
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

    async fn wait_until(&self, condition: &str, holds: impl Fn(&[Pod]) -> bool) -> Vec<Pod> {
        let found = async {
            loop {
                let pods = self.list::<Pod>().await;
                if holds(&pods) {
                    return pods;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(60), found).await.unwrap_or_else(|_| panic!("not within a minute: {condition}"))
    }

    async fn wait_until_ready(&self, n: usize) -> Vec<Pod> {
        self.wait_until(&format!("{n} ready pods"), |pods| pods.len() == n && pods.iter().all(is_ready)).await
    }
}

fn names(pods: &[Pod]) -> BTreeSet<String> {
    pods.iter().map(ResourceExt::name_any).collect()
}

fn is_waiting(pods: &[Pod]) -> bool {
    let status = pods.first().and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref());
    let state = status.and_then(|containers| containers[0].state.clone()?.waiting?.reason);
    state.as_deref() == Some("ContainerCreating")
}

#[tokio::test(start_paused = true)]
async fn deployment_becomes_ready_pods_of_one_replica_set() {
    let env = TestEnv::new([]).await;
    env.deploy(3, Value::Null).await;
    let pods = env.wait_until_ready(3).await;
    sleep(Duration::from_secs(1)).await;

    let (sets, deployment) = (env.list::<ReplicaSet>().await, env.api::<Deployment>().get("web").await.unwrap());
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

    // After that, nothing is written.
    let revision = env.server.revision();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(env.server.revision(), revision);
}

#[tokio::test(start_paused = true)]
async fn scaling_down_keeps_ready_pods() {
    let env = TestEnv::new([]).await;
    env.deploy(2, Value::Null).await;
    let ready = names(&env.wait_until_ready(2).await);
    env.scale(9).await;
    env.wait_until("nine pods", |pods| pods.len() == 9).await;
    env.scale(2).await;
    assert_eq!(names(&env.wait_until_ready(2).await), ready);
    env.scale(0).await;
    env.wait_until_ready(0).await;
}

#[tokio::test(start_paused = true)]
async fn deleted_pod_is_replaced_and_removed() {
    let env = TestEnv::new([]).await;
    env.deploy(1, Value::Null).await;
    let before = env.wait_until_ready(1).await;
    env.api::<Pod>().delete(&before[0].name_any(), &DeleteParams::default()).await.unwrap();
    env.wait_until("the old pod and a new pod", |pods| pods.len() == 2).await;
    assert_ne!(names(&env.wait_until_ready(1).await), names(&before));
}

#[tokio::test(start_paused = true)]
async fn new_template_replaces_the_pods() {
    let env = TestEnv::new([]).await;
    env.deploy(2, Value::Null).await;
    let before = names(&env.wait_until_ready(2).await);
    let container = json!({ "name": "app", "image": "busybox:2" });
    env.patch(json!({ "spec": { "template": { "spec": { "containers": [container] } } } })).await;
    env.wait_until("other pods", |pods| names(pods).is_disjoint(&before) && pods.len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn deleted_deployment_loses_its_pods() {
    let env = TestEnv::new([]).await;
    env.deploy(2, Value::Null).await;
    env.wait_until_ready(2).await;
    env.api::<Deployment>().delete("web", &DeleteParams::background()).await.unwrap();
    env.wait_until_ready(0).await;
    assert!(env.list::<ReplicaSet>().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn pod_waits_until_all_its_secrets_exist() {
    let env_from = json!([{ "secretRef": { "name": "b" } }, { "secretRef": { "name": "x", "optional": true } }]);
    let env = TestEnv::new([]).await;
    let volumes = json!([
        { "name": "pki", "secret": { "secretName": "a" } },
        { "name": "more", "projected": { "sources": [{ "secret": { "name": "c" } }] } },
        { "name": "optional", "secret": { "secretName": "x", "optional": true } },
    ]);
    let containers = json!([{ "name": "app", "image": "busybox:1.37", "envFrom": env_from }]);
    env.deploy(1, json!({ "volumes": volumes, "containers": containers })).await;
    for secret in ["a", "b", "c"] {
        env.wait_until("a pod that waits", is_waiting).await;
        sleep(Duration::from_secs(600)).await;
        assert!(is_waiting(&env.list::<Pod>().await), "for {secret}");
        env.create_secret(secret).await;
    }
    env.wait_until_ready(1).await;
}

#[tokio::test(start_paused = true)]
async fn events_have_the_texts_of_a_real_cluster() {
    let env = TestEnv::new([]).await;
    env.deploy(1, json!({ "volumes": [{ "name": "pki", "secret": { "secretName": "web-pki" } }] })).await;
    env.wait_until("a pod that waits", is_waiting).await;
    sleep(Duration::from_secs(10)).await;
    env.create_secret("web-pki").await;
    let name = env.wait_until_ready(1).await[0].name_any();
    sleep(Duration::from_secs(1)).await;

    let events = env.list::<Event>().await;
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
async fn lost_responses_create_no_extra_pod() {
    let lost = |verb, resource| Rule::new(Fault::ResetAfter).verb(verb).resource(resource).probability(0.3);
    let env = TestEnv::new([
        lost(Verb::Create, "pods").subresource(""),
        lost(Verb::Patch, "pods"),
        lost(Verb::Delete, "pods"),
        lost(Verb::Create, "replicasets.apps"),
        Rule::new(Fault::InternalError).verb(Verb::List).resource("deployments.apps").probability(0.3),
    ])
    .await;
    env.deploy(10, Value::Null).await;
    env.wait_until("ten pods", |pods| pods.len() >= 10).await;
    env.server.clear_faults();
    env.wait_until_ready(10).await;
    let created = env.server.requests().into_iter().filter(|it| it.verb == "create" && it.resource == "pods");
    let created: Vec<_> = created.filter(|it| it.uri.contains("/pods?")).collect();
    assert_eq!(created.len(), 10, "{created:#?}");
}
