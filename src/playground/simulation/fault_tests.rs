//! Restarts, lost answers, watches that lag behind: in the end there is what was asked for, and never a pod too many.

use apiserver::{Fault, Rule, Verb};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{stage::*, *};

#[tokio::test(start_paused = true)]
async fn a_simulation_that_is_started_again_goes_on_where_the_last_one_was() {
    let stage = Stage::new().await;
    stage.deploy(&app("web", 3)).await;
    stage.until("some", |pods| pods.len() == 3).await;
    let (client, server) = (stage.client.clone(), stage.server.clone());
    stage.end().await;

    let stop = CancellationToken::new();
    let cluster = tokio::spawn(run(client.clone(), 10.0, stop.clone()));
    let stage = Stage { server, client, stop, cluster };
    let before = names(&stage.list_pods().await);
    assert_eq!(names(&stage.until_ready(3).await), before);
    // Nothing is left to do: not one request but the watches'.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let requests = || stage.server.requests().iter().filter(|it| it.verb != "watch").count();
    let before = requests();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(requests(), before);
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
async fn an_end_that_comes_too_late_is_not_the_next_one_s_of_the_name() {
    // The kubelet's own delete, which is the second one, is on its way for ten seconds.
    let late = Fault::Delay { duration: Duration::from_secs(10) };
    let stage = Stage::with([Rule::new(late).verb(Verb::Delete).resource("pods").nth(2)]).await;
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "web" },
        "spec": { "nodeName": NODE, "containers": [{ "name": "app", "image": "busybox:1.37" }] },
    }))
    .unwrap();
    let pods = stage.pods();
    let first = pods.create(&PostParams::default(), &pod).await.unwrap();
    stage.until_ready(1).await;
    pods.delete("web", &DeleteParams::default()).await.unwrap();
    stage.until("its end is on the way", |_| stage.server.faults()[0].hit == 1).await;
    pods.delete("web", &DeleteParams::default().grace_period(0)).await.unwrap();
    let second = pods.create(&PostParams::default(), &pod).await.unwrap();
    assert_ne!(first.uid(), second.uid());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.until_ready(1).await[0].uid(), second.uid());
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
    assert_eq!(stage.server.faults()[0].hit, 3, "watches lagged behind");
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
    let hits: u64 = stage.server.faults().iter().map(|fault| fault.hit).sum();
    assert!(hits > 50, "{hits} faults are no storm");
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
