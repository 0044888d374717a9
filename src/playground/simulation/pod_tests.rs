//! The life of a pod: what it waits for, what is told of it, its restarts and its end.

use std::collections::BTreeSet;

use kube::{
    ResourceExt,
    api::{Api, DeleteParams, ListParams},
};
use serde_json::json;

use super::{stage::*, *};

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
    assert_eq!((pods.len(), reason(&pods[0]).as_deref()), (1, Some("ContainerCreating")));

    stage.secret("another").await;
    stage.secret("web-pki").await;
    let pods = stage.until_ready(1).await;
    assert_eq!(reason(&pods[0]), None);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_a_container_takes_variables_from_is_missed_in_other_words() {
    let stage = Stage::new().await;
    let mut deployment = serde_json::to_value(app("web", 1)).unwrap();
    let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
    container["envFrom"] = json!([{ "secretRef": { "name": "web-pki" } }]);
    stage.deploy(&serde_json::from_value(deployment).unwrap()).await;
    let waiting = |pod: &Pod| pod.status.clone()?.container_statuses?.first()?.state.clone()?.waiting;
    let pods = stage.until("waits", |pods| pods.len() == 1 && waiting(&pods[0]).is_some()).await;
    let waiting = waiting(&pods[0]).unwrap();
    assert_eq!(waiting.reason.as_deref(), Some("CreateContainerConfigError"));
    assert_eq!(waiting.message.as_deref(), Some("secret \"web-pki\" not found"));
    stage.secret("web-pki").await;
    stage.until_ready(1).await;
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
