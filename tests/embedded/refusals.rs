//! Which objects get the Event about a name that is not allowed, and how often.

use std::time::Duration;

use apiserver::{Fault, Rule, Verb};
use serde_json::{Value, json};
use testkit::objects::{meta, path, pod};
use tokio::time::sleep;

use crate::test_env::{TestEnv, config};

const MESSAGE: &str = "ServiceName: appp1 in pki: web is not found in allowedNames: [app1 app2]";

/// The `count` of each Event about the typo, with the name of its object.
async fn counts_by_object(env: &TestEnv) -> Vec<(String, i64)> {
    let events = env.list("/api/v1/namespaces/ns/events").await;
    let refusals = events.values().filter(|event| event["message"] == MESSAGE);
    let name = |event: &Value| event["involvedObject"]["name"].as_str().unwrap_or_default().to_owned();
    let mut counts: Vec<_> = refusals.map(|event| (name(event), event["count"].as_i64().unwrap_or(1))).collect();
    counts.sort();
    counts
}

#[tokio::test(start_paused = true)]
async fn every_waiting_pod_gets_the_event_and_no_other() {
    let mut env = TestEnv::new().await;
    env.create_namespace("ns").await;
    let volumes = json!([{ "name": "certificate", "secret": { "secretName": "web" } }]);
    let projected = json!([{ "name": "p", "projected": { "sources": [{ "secret": { "name": "web" } }] } }]);
    env.create_pod("ns", "volume", volumes.clone()).await;
    env.create_pod("ns", "projected", projected).await;
    let key = json!([{ "name": "CRT", "valueFrom": { "secretKeyRef": { "name": "web", "key": "tls.crt" } } }]);
    for (name, field, value) in
        [("env", "env", key), ("env-from", "envFrom", json!([{ "secretRef": { "name": "web" } }]))]
    {
        let mut pod = pod("ns", name, json!([]));
        pod["spec"]["containers"][0][field] = value;
        env.create(&pod).await;
    }
    // These do not wait for the Secret.
    env.create_pod("ns", "another-secret", json!([{ "name": "s", "secret": { "secretName": "other" } }])).await;
    for phase in ["Succeeded", "Failed"] {
        let pod = env.create_pod("ns", &phase.to_lowercase(), volumes.clone()).await;
        env.patch_status(&pod, json!({ "phase": phase })).await;
    }
    env.run(config()).await;
    env.wait_ready().await;
    let pki = env.create_pki("ns", "web", "appp1").await;
    env.wait_pki(&pki, "NameNotAllowed").await;
    let mut wanted = [("env", 1), ("env-from", 1), ("projected", 1), ("volume", 1), ("web", 1)].map(own).to_vec();
    env.wait_until(async || check_counts(&env, &wanted).await).await;

    // A later pod gets the event, too. Neither this nor a resync repeats it for the others.
    env.create_pod("ns", "later", volumes).await;
    wanted.insert(2, own(("later", 1)));
    env.wait_until(async || check_counts(&env, &wanted).await).await;
    sleep(Duration::from_secs(1500)).await;
    assert_eq!(counts_by_object(&env).await, wanted);
    assert!(env.list("/api/v1/namespaces/ns/secrets").await.is_empty());

    // A restart may repeat each event once.
    env.stop().await;
    env.run(config()).await;
    sleep(Duration::from_secs(1500)).await;
    let after = counts_by_object(&env).await;
    assert!(after.iter().map(|(name, _)| name).eq(wanted.iter().map(|(name, _)| name)), "{after:?}");
    assert!(after.iter().all(|(_, count)| *count <= 2), "{after:?}");
    assert_eq!(meta(&env.get(&path(&pki)).await, "generation"), meta(&pki, "generation"));
    env.end().await;
}

#[tokio::test(start_paused = true)]
async fn stop_writes_the_queued_events_within_the_grace() {
    let mut env = TestEnv::new().await;
    env.create_namespace("ns").await;
    let delay = Fault::Delay { duration: Duration::from_secs(5) };
    env.add_fault(Rule::new(delay).verb(Verb::Create).resource("events"));
    env.run(config()).await;
    let pki = env.create_pki("ns", "web", "appp1").await;
    env.wait_pki(&pki, "NameNotAllowed").await;
    env.stop().await;
    assert_eq!(counts_by_object(&env).await, [own(("web", 1))]);
    env.end().await;
}

fn own((name, count): (&str, i64)) -> (String, i64) {
    (name.to_owned(), count)
}

async fn check_counts(env: &TestEnv, wanted: &[(String, i64)]) -> Result<(), Vec<(String, i64)>> {
    let counts = counts_by_object(env).await;
    if counts == wanted { Ok(()) } else { Err(counts) }
}
