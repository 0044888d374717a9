//! Requests that keep failing, and writes that the server only checks.

use std::time::Duration;

use apiserver::{Fault, Rule, Verb};
use demo_controller::{controller::Config, pki};
use testkit::objects::ready;
use tokio::time::sleep;

use crate::{
    fleet,
    world::{World, config},
};

#[tokio::test(start_paused = true)]
async fn failing_pki_is_dropped_until_a_resync() {
    let mut world = World::new().await;
    world.fault(Rule::new(Fault::InternalError).verb(Verb::Get).resource("secrets"));
    world.run(Config { max_retries: 3, ..config() }).await;
    world.namespace("ns").await;
    let web = world.create_pki("ns", "web", "app1").await;
    let failed = world.reconciled(&web, "IssueFailed").await;
    assert!(ready(&failed, "message").contains("500"), "{failed}");
    let result = |result| world.metric("reconcile_total", &[("queue", "pki"), ("result", result)]);
    assert_eq!((result("retry"), result("retries_exhausted")), (3.0, 1.0));
    let is_event = |event: &serde_json::Value| event["reason"] == "IssueFailed" && event["type"] == "Warning";
    world
        .until(async || {
            let events = world.all(fleet::EVENTS).await;
            if events.values().any(is_event) { Ok(()) } else { Err(events) }
        })
        .await;
    // The next resync begins a new series, and does not repeat the status.
    sleep(Duration::from_secs(700)).await;
    assert!(result("retries_exhausted") >= 2.0, "{}", result("retries_exhausted"));
    world.server.clear_faults();
    world.reconciled(&web, "Issued").await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn dry_run_stores_nothing() {
    let mut world = World::new().await;
    fleet::create(&world).await;
    let revision = world.server.revision();
    world.run(Config { pki: pki::Config { dry_run: true, ..config().pki }, ..config() }).await;
    sleep(Duration::from_secs(1500)).await;
    assert_eq!(world.server.revision(), revision);
    let requests = world.requests();
    for request in ["create secrets", "patch pkis/status", "create events"] {
        assert!(requests.contains_key(request), "{request} is tried: {requests:?}");
    }
    world.end().await;
}
