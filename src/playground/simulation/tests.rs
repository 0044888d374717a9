//! The simulated cluster on the embedded API server, in one process and under paused time.

use std::{collections::BTreeSet, pin::pin};

use apiserver::{ApiServer, Fault, Rule, Settings, Verb};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    ResourceExt,
    api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};

use super::*;

struct Stage {
    server: ApiServer,
    client: Client,
    stop: CancellationToken,
    cluster: tokio::task::JoinHandle<()>,
}

impl Stage {
    async fn new() -> Stage {
        Stage::with([]).await
    }

    /// With faults from the very beginning: those of a watch happen to watches that are opened from then on.
    async fn with(faults: impl IntoIterator<Item = Rule>) -> Stage {
        let server = ApiServer::new(Settings::default());
        faults.into_iter().for_each(|rule| server.fault(rule));
        let client = Client::new(server.clone(), "default");
        let stop = CancellationToken::new();
        let cluster = tokio::spawn(run(client.clone(), Simulation { speed: 1.0 }, stop.clone()));
        let stage = Stage { server, client, stop, cluster };
        let namespace = serde_json::from_value(json!({ "metadata": { "name": "ns" } })).unwrap();
        Api::<Namespace>::all(stage.client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        stage
    }

    fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), "ns")
    }

    fn sets(&self) -> Api<ReplicaSet> {
        Api::namespaced(self.client.clone(), "ns")
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), "ns")
    }

    async fn deploy(&self, deployment: &Deployment) {
        self.deployments().create(&PostParams::default(), deployment).await.unwrap();
    }

    async fn patch(&self, name: &str, patch: Value) {
        self.deployments().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    async fn secret(&self, name: &str) {
        let secret = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        Api::<Secret>::namespaced(self.client.clone(), "ns").create(&PostParams::default(), &secret).await.unwrap();
    }

    async fn list_pods(&self) -> Vec<Pod> {
        self.pods().list(&ListParams::default()).await.unwrap().items
    }

    /// Waits until the pods are like this, for a minute at most.
    async fn until(&self, what: &str, holds: impl Fn(&[Pod]) -> bool) -> Vec<Pod> {
        for _ in 0..600 {
            let pods = self.list_pods().await;
            if holds(&pods) {
                return pods;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let pods = self.list_pods().await;
        panic!("not within a minute: {what}; {}", serde_json::to_string_pretty(&pods).unwrap());
    }

    async fn until_ready(&self, n: usize) -> Vec<Pod> {
        self.until(&format!("{n} ready pods and no other"), |pods| {
            pods.len() == n && pods.iter().all(replica_sets::is_ready)
        })
        .await
    }

    /// The most pods that were there at a time, those not counted that were on their way out. From the server's log,
    /// so nothing is missed.
    async fn most_at_a_time(&self) -> usize {
        let changes = self.pods().watch(&WatchParams::default().timeout(1), "1").await.unwrap();
        let mut there = BTreeSet::new();
        let mut most = 0;
        let mut changes = pin!(changes);
        while let Some(change) = changes.next().await {
            match change.unwrap() {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) if pod.metadata.deletion_timestamp.is_none() => {
                    there.insert(pod.name_any());
                }
                WatchEvent::Modified(pod) | WatchEvent::Deleted(pod) => {
                    there.remove(&pod.name_any());
                }
                _ => {}
            }
            most = most.max(there.len());
        }
        most
    }

    /// Ends the simulation, and sees that it does end.
    async fn end(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(5), self.cluster).await.expect("it ends").unwrap();
    }
}

fn app(name: &str, replicas: i32) -> Deployment {
    serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": "ns" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    "terminationGracePeriodSeconds": 30,
                    "containers": [{ "name": "app", "image": "busybox:1.37" }],
                },
            },
        },
    }))
    .unwrap()
}

fn mounting(name: &str, secret: &str) -> Deployment {
    let mut deployment = serde_json::to_value(app(name, 1)).unwrap();
    deployment["spec"]["template"]["spec"]["volumes"] = json!([{ "name": "pki", "secret": { "secretName": secret } }]);
    serde_json::from_value(deployment).unwrap()
}

fn names(pods: &[Pod]) -> BTreeSet<String> {
    pods.iter().map(ResourceExt::name_any).collect()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_of_three_becomes_three_ready_pods_of_one_replica_set() {
    let stage = Stage::new().await;
    stage.deploy(&app("web", 3)).await;
    let pods = stage.until_ready(3).await;

    let sets = stage.sets().list(&ListParams::default()).await.unwrap().items;
    assert_eq!(sets.len(), 1);
    let deployment = stage.deployments().get("web").await.unwrap();
    assert_eq!(sets[0].owner_references()[0].uid, deployment.uid().unwrap());
    assert!(sets[0].name_any().starts_with("web-"));
    for pod in &pods {
        assert_eq!(objects::owner_uid(&pod.metadata), sets[0].uid().as_deref());
        assert_eq!(pod.name_any().len(), sets[0].name_any().len() + 6, "{}", pod.name_any());
        assert_eq!(pod.spec.as_ref().unwrap().node_name.as_deref(), Some(NODE));
    }
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_status_says_what_kubectl_rollout_and_wait_look_for() {
    let stage = Stage::new().await;
    stage.deploy(&app("web", 3)).await;
    stage.until_ready(3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let deployment = stage.deployments().get("web").await.unwrap();
    let status = deployment.status.unwrap();
    assert_eq!(status.observed_generation, deployment.metadata.generation);
    let counts = (status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas);
    assert_eq!(counts, (Some(3), Some(3), Some(3), Some(3)));
    assert_eq!(status.unavailable_replicas, None);
    let conditions: Vec<_> = status
        .conditions
        .iter()
        .flatten()
        .map(|it| format!("{}={} {}", it.type_, it.status, it.reason.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(conditions, ["Available=True MinimumReplicasAvailable", "Progressing=True NewReplicaSetAvailable"]);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_deleted_is_replaced_at_once_and_ends_after_a_while() {
    let stage = Stage::new().await;
    stage.deploy(&app("web", 1)).await;
    let before = stage.until_ready(1).await;
    stage.pods().delete(&before[0].name_any(), &DeleteParams::default()).await.unwrap();
    stage.until("the old one and a new one", |pods| pods.len() == 2).await;
    let after = stage.until_ready(1).await;
    assert_ne!(names(&before), names(&after));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_holds_a_pod_until_it_appears() {
    let stage = Stage::new().await;
    stage.deploy(&mounting("web", "web-pki")).await;
    let reason = |pod: &Pod| {
        let containers = pod.status.clone()?.container_statuses?;
        containers.first()?.state.clone()?.waiting?.reason
    };
    stage.until("waits", |pods| pods.len() == 1 && reason(&pods[0]).as_deref() == Some("ContainerCreating")).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let pods = stage.list_pods().await;
    assert_eq!((pods.len(), pod_status::phase(&pods[0])), (1, "Pending"));

    stage.secret("another").await;
    stage.secret("web-pki").await;
    let pods = stage.until_ready(1).await;
    assert_eq!(reason(&pods[0]), None);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_pod_are_those_that_people_know() {
    let stage = Stage::new().await;
    stage.deploy(&mounting("web", "web-pki")).await;
    stage
        .until("waits", |pods| pods.len() == 1 && pods[0].status.as_ref().is_some_and(|it| it.start_time.is_some()))
        .await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    stage.secret("web-pki").await;
    let pod = stage.until_ready(1).await.remove(0);
    tokio::time::sleep(Duration::from_secs(1)).await;

    let events: Api<k8s_openapi::api::core::v1::Event> = Api::namespaced(stage.client.clone(), "ns");
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let about = |kind: &str| -> BTreeSet<String> {
        let events = events.iter().filter(|event| event.involved_object.kind.as_deref() == Some(kind));
        events
            .map(|event| {
                let from = event.source.clone().unwrap().component.unwrap();
                let what = (event.type_.clone().unwrap(), event.reason.clone().unwrap());
                format!("{from}: {} {}: {}", what.0, what.1, event.message.clone().unwrap())
            })
            .collect()
    };
    let name = pod.name_any();
    let set = &name[..name.len() - 6];
    let lines = [
        format!("default-scheduler: Normal Scheduled: Successfully assigned ns/{name} to node-1"),
        "kubelet: Normal Created: Container created".into(),
        "kubelet: Normal Pulled: Container image \"busybox:1.37\" already present on machine".into(),
        "kubelet: Normal Started: Container started".into(),
        "kubelet: Warning FailedMount: MountVolume.SetUp failed for volume \"pki\" : secret \"web-pki\" not found"
            .into(),
    ];
    assert_eq!(about("Pod"), BTreeSet::from(lines));
    assert_eq!(
        about("ReplicaSet"),
        BTreeSet::from([format!("replicaset-controller: Normal SuccessfulCreate: Created pod: {name}")])
    );
    assert_eq!(
        about("Deployment"),
        BTreeSet::from([format!(
            "deployment-controller: Normal ScalingReplicaSet: Scaled up replica set {set} from 0 to 1"
        )])
    );
    let complaints = events.iter().find(|event| event.reason.as_deref() == Some("FailedMount")).unwrap().count;
    assert_eq!(complaints, Some(5), "at 0, 0.5, 1.5, 3.5 and 7.5 s");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn scaling_down_ends_pods_and_keeps_the_others() {
    let stage = Stage::new().await;
    stage.deploy(&app("web", 5)).await;
    let before = stage.until_ready(5).await;
    stage.patch("web", json!({ "spec": { "replicas": 2 } })).await;
    let after = stage.until_ready(2).await;
    assert!(names(&after).is_subset(&names(&before)));
    stage.patch("web", json!({ "spec": { "replicas": 0 } })).await;
    stage.until_ready(0).await;
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_template_replaces_all_pods_and_an_undo_brings_the_old_replica_set_back() {
    let stage = Stage::new().await;
    stage.deploy(&app("web", 3)).await;
    let before = stage.until_ready(3).await;
    let image =
        |image| json!({ "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": image }] } } } });
    stage.patch("web", image("busybox:2")).await;
    let is = |image: &'static str| {
        move |pods: &[Pod]| {
            let has = |pod: &Pod| pod.spec.as_ref().unwrap().containers[0].image.as_deref() == Some(image);
            pods.len() == 3 && pods.iter().all(|pod| has(pod) && replica_sets::is_ready(pod))
        }
    };
    let after = stage.until("all new", is("busybox:2")).await;
    assert!(names(&before).is_disjoint(&names(&after)));
    let revisions = async |stage: &Stage| -> BTreeSet<(String, i32)> {
        let sets = stage.sets().list(&ListParams::default()).await.unwrap().items;
        let one = |set: &ReplicaSet| {
            (set.annotations()[deployments::REVISION].clone(), set.spec.clone().unwrap().replicas.unwrap())
        };
        sets.iter().map(one).collect()
    };
    assert_eq!(revisions(&stage).await, BTreeSet::from([("1".into(), 0), ("2".into(), 3)]));

    stage.patch("web", image("busybox:1.37")).await;
    stage.until("all old", is("busybox:1.37")).await;
    assert_eq!(revisions(&stage).await, BTreeSet::from([("2".into(), 0), ("3".into(), 3)]));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn with_a_deployment_everything_of_it_goes() {
    let stage = Stage::new().await;
    stage.deploy(&app("web", 3)).await;
    stage.until_ready(3).await;
    stage.deployments().delete("web", &DeleteParams::background()).await.unwrap();
    stage.until_ready(0).await;
    assert!(stage.sets().list(&ListParams::default()).await.unwrap().items.is_empty());
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_one_restart_of_the_same_pod() {
    let stage = Stage::new().await;
    stage.deploy(&app("web", 1)).await;
    let before = stage.until_ready(1).await;
    let key = Key::new("ns", &before[0].name_any());
    for n in 1..=2 {
        crash(&stage.client, &key).await.unwrap();
        stage.until("down", |pods| pods.len() == 1 && pod_status::is_down(&pods[0])).await;
        let after = stage.until_ready(1).await;
        assert_eq!((names(&after), pod_status::restarts(&after[0])), (names(&before), n));
    }
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_deployments_at_once_become_a_hundred_pods() {
    let stage = Stage::new().await;
    for i in 0..100 {
        stage.deploy(&app(&format!("web-{i}"), 1)).await;
    }
    stage.until_ready(100).await;
    let asked = |verb: &str, resource: &str| {
        let all = stage.server.requests();
        all.iter().filter(|entry| entry.verb == verb && entry.resource == resource && entry.namespace == "ns").count()
    };
    assert_eq!(asked("create", "pods"), 100);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_simulation_that_is_started_again_goes_on_where_the_last_one_was() {
    let stage = Stage::new().await;
    stage.deploy(&app("web", 3)).await;
    stage.until("some", |pods| pods.len() == 3).await;
    let (client, server) = (stage.client.clone(), stage.server.clone());
    stage.end().await;

    let stop = CancellationToken::new();
    let cluster = tokio::spawn(run(client.clone(), Simulation { speed: 10.0 }, stop.clone()));
    let stage = Stage { server, client, stop, cluster };
    let before = names(&stage.list_pods().await);
    assert_eq!(names(&stage.until_ready(3).await), before);
    // Nothing is left to do: not one request but the watches'.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let revision = stage.server.revision();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(stage.server.revision(), revision);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_answer_got_lost_is_not_made_again() {
    let stage = Stage::new().await;
    let rule = |fault| Rule::new(fault).verb(Verb::Create).resource("pods").subresource("");
    stage.server.fault(rule(Fault::ResetAfter).probability(0.5));
    stage.deploy(&app("web", 10)).await;
    stage.until_ready(10).await;
    let lost = stage.server.requests().iter().filter(|it| it.resource == "pods" && it.code == 0).count();
    assert!(lost > 2, "{lost} answers got lost");
    assert_eq!(stage.most_at_a_time().await, 10);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_lags_behind_leads_to_no_pod_too_many() {
    let stage = Stage::with([Rule::new(Fault::WatchSilent { after: 2 }).resource("pods").times(3)]).await;
    stage.deploy(&app("web", 5)).await;
    // Each silence lasts for as long as the reflector believes in it. In between the key is looked at again and again.
    for i in 0..30 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        stage.patch("web", json!({ "metadata": { "labels": { "look": i.to_string() } } })).await;
        let sets = stage.sets().list(&ListParams::default()).await.unwrap().items;
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "look": i.to_string() } } }));
        stage.sets().patch(&sets[0].name_any(), &PatchParams::default(), &patch).await.unwrap();
    }
    stage.until_ready(5).await;
    assert_eq!(stage.most_at_a_time().await, 5);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_storm_there_is_what_was_asked_for_and_no_more() {
    let often = |fault, verb| Rule::new(fault).verb(verb).probability(0.2);
    let faults = ["pods", "replicasets.apps", "deployments.apps"].map(|resource| {
        [
            often(Fault::ResetAfter, Verb::Create).subresource(""),
            often(Fault::ResetAfter, Verb::Update),
            often(Fault::ResetAfter, Verb::Delete),
            often(Fault::ResetBefore, Verb::Update),
            often(Fault::InternalError, Verb::Update),
            often(Fault::Compact, Verb::Update),
            often(Fault::StaleRead { lag: 5 }, Verb::List),
            often(Fault::TooManyRequests { retry_after: Duration::from_secs(1) }, Verb::List),
            often(Fault::WatchCutInLine { after: 3 }, Verb::Watch),
            often(Fault::WatchSilent { after: 3 }, Verb::Watch),
            often(Fault::GoneOnOpen, Verb::Watch),
        ]
        .map(|rule| rule.resource(resource))
    });
    let stage = Stage::with(faults.into_iter().flatten()).await;
    // It may be one of those whose answer gets lost.
    let _ = stage.deployments().create(&PostParams::default(), &app("web", 3)).await;
    for i in 0..10 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        let replicas = if i % 2 == 0 { 6 } else { 3 };
        let image = format!("busybox:{}", i / 3);
        let template = json!({ "spec": { "containers": [{ "name": "app", "image": image }] } });
        stage.patch("web", json!({ "spec": { "replicas": replicas, "template": template } })).await;
    }
    stage.server.clear_faults();
    // A watch that was opened in the storm may stay silent until it is given up, and the next one has its backoff.
    tokio::time::sleep(2 * WATCH_IDLE).await;
    stage.until_ready(3).await;
    // It stays so.
    tokio::time::sleep(Duration::from_secs(600)).await;
    stage.until_ready(3).await;
    let revision = stage.server.revision();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(stage.server.revision(), revision);
    stage.end().await;
}
