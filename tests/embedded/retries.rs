//! Requests that keep failing, and `--dry-run`.

use std::time::Duration;

use apiserver::{Fault, Rule, Verb};
use demo_controller::{controller::Config, pki};
use testkit::objects::ready;
use tokio::time::sleep;

use crate::{
    fleet,
    test_env::{TestEnv, config},
};

#[tokio::test(start_paused = true)]
async fn failing_pki_is_dropped_until_a_resync() {
    let mut env = TestEnv::new().await;
    env.add_fault(Rule::new(Fault::InternalError).verb(Verb::Get).resource("secrets"));
    env.run(Config { max_retries: 3, ..config() }).await;
    env.create_namespace("ns").await;
    let web = env.create_pki("ns", "web", "app1").await;
    let failed = env.wait_pki(&web, "IssueFailed").await;
    assert!(ready(&failed, "message").contains("500"), "{failed}");
    let result = |result| env.metric("reconcile_total", &[("queue", "pki"), ("result", result)]);
    assert_eq!((result("retry"), result("retries_exhausted")), (3.0, 1.0));
    let is_event = |event: &serde_json::Value| event["reason"] == "IssueFailed" && event["type"] == "Warning";
    env.wait_until(async || {
        let events = env.list(fleet::EVENTS).await;
        if events.values().any(is_event) { Ok(()) } else { Err(events) }
    })
    .await;
    // The next resync starts new retries.
    sleep(Duration::from_secs(700)).await;
    assert!(result("retries_exhausted") >= 2.0, "{}", result("retries_exhausted"));
    env.server.clear_faults();
    env.wait_pki(&web, "Issued").await;
    env.end().await;
}

#[tokio::test(start_paused = true)]
async fn dry_run_stores_nothing() {
    let mut env = TestEnv::new().await;
    fleet::create(&env).await;
    let revision = env.server.revision();
    env.run(Config { pki: pki::Config { dry_run: true, ..config().pki }, ..config() }).await;
    sleep(Duration::from_secs(1500)).await;
    assert_eq!(env.server.revision(), revision);
    let requests = env.requests();
    for request in ["create secrets", "patch pkis/status", "create events"] {
        assert!(requests.contains_key(request), "{request} is sent: {requests:?}");
    }
    env.end().await;
}
