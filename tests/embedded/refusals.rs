//! Who gets the event about a name that is not allowed, and how often.

use std::time::Duration;

use apiserver::{Fault, Rule, Verb};
use serde_json::{Value, json};
use testkit::objects::{meta, path};
use tokio::time::sleep;

use crate::world::{World, config};

const MESSAGE: &str = "ServiceName: appp1 in pki: web is not found in allowedNames: [app1 app2]";

/// The `count` of each Event about the typo, by the name of its object.
async fn counts(world: &World) -> Vec<(String, i64)> {
    let events = world.all("/api/v1/namespaces/ns/events").await;
    let refusals = events.values().filter(|event| event["message"] == MESSAGE);
    let name = |event: &Value| event["involvedObject"]["name"].as_str().unwrap_or_default().to_owned();
    let mut counts: Vec<_> = refusals.map(|event| (name(event), event["count"].as_i64().unwrap_or(1))).collect();
    counts.sort();
    counts
}

#[tokio::test(start_paused = true)]
async fn every_waiting_pod_gets_the_event_and_no_other() {
    let mut world = World::new().await;
    world.namespace("ns").await;
    let mounting = json!([{ "name": "certificate", "secret": { "secretName": "web" } }]);
    let projected = json!([{ "name": "p", "projected": { "sources": [{ "secret": { "name": "web" } }] } }]);
    world.create_pod("ns", "volume", mounting.clone()).await;
    world.create_pod("ns", "projected", projected).await;
    let key = json!([{ "name": "CRT", "valueFrom": { "secretKeyRef": { "name": "web", "key": "tls.crt" } } }]);
    for (name, field, value) in
        [("env", "env", key), ("env-from", "envFrom", json!([{ "secretRef": { "name": "web" } }]))]
    {
        let mut container = json!({ "name": "web", "image": "web" });
        container[field] = value;
        let metadata = json!({ "namespace": "ns", "name": name });
        let spec = json!({ "containers": [container] });
        world.create(&json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec })).await;
    }
    // These do not wait for the Secret.
    world.create_pod("ns", "another-secret", json!([{ "name": "s", "secret": { "secretName": "other" } }])).await;
    for phase in ["Succeeded", "Failed"] {
        let pod = world.create_pod("ns", &phase.to_lowercase(), mounting.clone()).await;
        world.patch_status(&pod, json!({ "phase": phase })).await;
    }
    world.run(config()).await;
    world.ready().await;
    let pki = world.create_pki("ns", "web", "appp1").await;
    world.reconciled(&pki, "NameNotAllowed").await;
    let mut wanted = [("env", 1), ("env-from", 1), ("projected", 1), ("volume", 1), ("web", 1)].map(own).to_vec();
    world.until(async || check(&world, &wanted).await).await;

    // A pod that comes later gets it as well. It is not repeated for the others, nor by a resync.
    world.create_pod("ns", "later", mounting).await;
    wanted.insert(2, own(("later", 1)));
    world.until(async || check(&world, &wanted).await).await;
    sleep(Duration::from_secs(1500)).await;
    assert_eq!(counts(&world).await, wanted);
    assert!(world.all("/api/v1/namespaces/ns/secrets").await.is_empty());

    // A restart may repeat each of them once.
    world.stop().await;
    world.run(config()).await;
    sleep(Duration::from_secs(1500)).await;
    let after = counts(&world).await;
    assert!(after.iter().map(|(name, _)| name).eq(wanted.iter().map(|(name, _)| name)), "{after:?}");
    assert!(after.iter().all(|(_, count)| *count <= 2), "{after:?}");
    assert_eq!(meta(&world.get(&path(&pki)).await, "generation"), meta(&pki, "generation"));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn stop_writes_the_queued_events_within_the_grace() {
    let mut world = World::new().await;
    world.namespace("ns").await;
    let delay = Fault::Delay { duration: Duration::from_secs(5) };
    world.fault(Rule::new(delay).verb(Verb::Create).resource("events"));
    world.run(config()).await;
    let pki = world.create_pki("ns", "web", "appp1").await;
    world.reconciled(&pki, "NameNotAllowed").await;
    world.stop().await;
    assert_eq!(counts(&world).await, [own(("web", 1))]);
    world.end().await;
}

fn own((name, count): (&str, i64)) -> (String, i64) {
    (name.to_owned(), count)
}

async fn check(world: &World, wanted: &[(String, i64)]) -> Result<(), Vec<(String, i64)>> {
    let counts = counts(world).await;
    if counts == wanted { Ok(()) } else { Err(counts) }
}
