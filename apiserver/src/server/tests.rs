use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    ApiServer, Fault, Rule, Settings, Verb,
    testing::{CONFIG_MAPS, TestClient},
};

#[tokio::test]
async fn unreadable_body_is_rejected() {
    let api = TestClient::new();
    let deep = format!("{{\"data\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let large = " ".repeat((3 << 20) + 1);
    for (kind, body, code) in [
        ("application/json", "{", 400),
        ("application/json", &*deep, 400),
        ("application/json", &*large, 413),
        ("text/plain", "{}", 415),
        ("application/yaml", "a: b", 415),
    ] {
        let response = api.send("POST", CONFIG_MAPS, &[("content-type", kind)], body).await.unwrap();
        assert_eq!(response.code, code, "{}", response.body);
    }
    let plain = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } }).to_string();
    let charset = [("content-type", "application/json; charset=utf-8")];
    assert_eq!(api.send("POST", CONFIG_MAPS, &charset, &plain).await.unwrap().code, 201);
}

#[tokio::test(start_paused = true)]
async fn stalled_body_times_out_after_a_minute() {
    let first_frame = stream::once(async { Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"{"))) });
    let body = StreamBody::new(first_frame.chain(stream::pending()).boxed());
    let request = http::Request::post(CONFIG_MAPS).body(body).unwrap();
    let (start, mut server) = (Instant::now(), ApiServer::new(Settings::default()));
    let response = server.call(request).await.unwrap();
    assert_eq!((response.status().as_u16(), start.elapsed()), (504, Duration::from_secs(60)));
    let body: Value = serde_json::from_slice(&response.collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(body["reason"], "Timeout");
}

#[tokio::test]
async fn only_reset_after_the_write_stores_the_object() {
    let api = TestClient::new();
    let body = |name| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } }).to_string();
    api.server.fault(Rule::new(Fault::ResetBefore).verb(Verb::Create));
    assert!(api.send("POST", CONFIG_MAPS, &[], &body("a")).await.is_err());
    api.server.clear_faults();
    api.server.fault(Rule::new(Fault::ResetAfter).verb(Verb::Create));
    assert!(api.send("POST", CONFIG_MAPS, &[], &body("b")).await.is_err());
    assert_eq!(api.get(CONFIG_MAPS).await.names(), ["b"]);

    let codes: Vec<u16> = api.server.requests().iter().map(|entry| entry.code).collect();
    assert_eq!(codes, [0, 0, 200], "code 0 for a reset");
}

#[tokio::test(start_paused = true)]
async fn compact_fault_removes_old_versions_before_the_response() {
    let api = TestClient::new();
    let old = api.create("a", json!({})).await.version();
    let now = api.create("b", json!({})).await.version();
    let exactly = |version: u64| format!("{CONFIG_MAPS}?resourceVersion={version}&resourceVersionMatch=Exact");
    assert_eq!(api.get(&exactly(old)).await.names(), ["a"]);
    api.server.fault(Rule::new(Fault::Compact).verb(Verb::List).nth(1));
    assert_eq!(api.get(&exactly(old)).await.reason(), (410, "Expired"), "the request with the fault, too");
    assert_eq!(api.get(&exactly(now)).await.names(), ["a", "b"], "the latest version remains");
    let event = api.watch(&format!("resourceVersion={old}")).await.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
}
