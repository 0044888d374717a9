//! A certificate that is due. Its dates go by the wall clock, which cannot be paused: but the test can be the CA, and
//! have issued it a while ago.

use std::time::Duration;

use demo_controller::{
    cli::Run,
    informer::Key,
    pki::{Pki, authority::Authority, secret::build, validate::validate},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    fleet,
    world::{World, soon},
};

/// Of the status: seconds.
fn moment(pki: &Value, field: &str) -> i64 {
    let text = pki["status"][field].as_str().unwrap_or_default();
    text.parse::<Timestamp>().unwrap_or_else(|e| panic!("{field}: {e}: {pki:#}")).as_second()
}

/// One that may be renewed a second after it was issued, and was issued nine seconds ago: it has its ten seconds.
async fn one_that_is_nine_seconds_old_is_renewed_when_it_is_ten(resync: Option<Duration>) {
    let mut world = World::new(1).await;
    world.namespace("due").await;
    let spec = json!({ "serviceName": "app1", "duration": "1h", "renewBefore": "59m59s" });
    let metadata = json!({ "namespace": "due", "name": "web" });
    let pki = json!({ "apiVersion": "box.com/v1", "kind": "Pki", "metadata": metadata, "spec": spec });
    let created = world.create(&pki).await;

    let then = Timestamp::now() - SignedDuration::from_secs(9);
    let ca = Authority::create(then, [1; 16]).expect("a CA");
    let request = validate(&spec).expect("a request");
    let key = Key::new("due", "web");
    let issued = ca.issue(&request, &key, then, [2; 16]).expect("a certificate");
    let owner: Pki = serde_json::from_value(created.clone()).expect("a Pki");
    let ca = build(&Key::new("controlplane", "demo-controller-ca"), ca.secret_data(), None);
    let ours = build(&key, issued.secret_data(), Some(&owner));
    for secret in [ca, ours] {
        let mut secret = serde_json::to_value(secret).expect("JSON");
        (secret["apiVersion"], secret["kind"]) = ("v1".into(), "Secret".into());
        world.create(&secret).await;
    }
    let before = world.server.revision();

    world.run(Run { resync, ..Run::default() }).await;
    let path = "/apis/box.com/v1/namespaces/due/pkis/web";
    let serial = |secret: &Value| fleet::serial(secret).expect("a certificate");
    let secret = "/api/v1/namespaces/due/secrets/web";
    let old = serial(&world.get(secret).await);
    let renewed = soon(async || {
        let (pki, new) = (world.get(path).await, serial(&world.get(secret).await));
        let told = pki["status"]["serialNumber"].as_str().unwrap_or_default().replace(':', "").to_lowercase();
        if new != old && told.ends_with(&new) { Ok(pki) } else { Err(pki) }
    })
    .await;
    let waited = moment(&renewed, "notBefore") - (then.as_second() - 300);
    assert!(waited >= 10, "renewed after {waited} s: {renewed:#}");
    let writes = world.history(fleet::SECRETS, before).await;
    assert!(writes.iter().all(|event| event["type"] == "MODIFIED"), "in place: {writes:#?}");
    soon(async || {
        let events = world.all(fleet::EVENTS).await;
        if events.values().any(|event| event["reason"] == "Renewed") { Ok(()) } else { Err(events) }
    })
    .await;
    world.end().await;
}

/// Nobody looks at it in between: it is the timer that brings it back.
#[tokio::test]
async fn a_certificate_that_is_due_is_renewed_and_no_sooner_than_10_seconds_after_issue() {
    one_that_is_nine_seconds_old_is_renewed_when_it_is_ten(None).await;
}

#[tokio::test]
async fn a_resync_does_not_find_a_certificate_due_before_its_time() {
    one_that_is_nine_seconds_old_is_renewed_when_it_is_ten(Some(Duration::from_millis(20))).await;
}
