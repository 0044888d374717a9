//! What becomes of Deployments: ReplicaSets and as many pods as were asked for.

use std::collections::BTreeSet;

use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::{stage::*, *};

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
async fn the_scale_subresource_is_followed_up_and_down() {
    let stage = Stage::new().await;
    stage.deploy(&app("web", 1)).await;
    stage.until_ready(1).await;
    for replicas in [3, 1] {
        let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        stage.deployments().patch_scale("web", &PatchParams::default(), &patch).await.unwrap();
        stage.until_ready(replicas).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        // What `kubectl scale --timeout` waits for.
        let scale = stage.deployments().get_scale("web").await.unwrap();
        assert_eq!(scale.status.unwrap().replicas as usize, replicas);
    }
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
async fn scaling_down_takes_those_first_that_do_not_serve_yet() {
    let stage = Stage::new().await;
    stage.deploy(&app("web", 2)).await;
    let serving = stage.until_ready(2).await;
    stage.patch("web", json!({ "spec": { "replicas": 9 } })).await;
    stage.until("nine", |pods| pods.len() == 9).await;
    stage.patch("web", json!({ "spec": { "replicas": 2 } })).await;
    assert_eq!(names(&stage.until_ready(2).await), names(&serving));
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
            (
                set.annotations()["deployment.kubernetes.io/revision"].clone(),
                set.spec.clone().unwrap().replicas.unwrap(),
            )
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
async fn deleted_in_the_foreground_a_deployment_goes_after_its_pods() {
    let stage = Stage::new().await;
    stage.deploy(&app("web", 3)).await;
    stage.until_ready(3).await;
    stage.deployments().delete("web", &DeleteParams::foreground()).await.unwrap();
    let gone = async {
        while stage.deployments().get_opt("web").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(60), gone).await.expect("it goes");
    assert!(stage.pods().list(&ListParams::default()).await.unwrap().items.is_empty());
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
