//! Lists: pages, consistency, undecodable objects and time limits.

use super::*;
use testkit::pass;

#[tokio::test(start_paused = true)]
async fn first_list_is_consistent_in_pages_of_500() {
    let mut harness = start();
    let call = harness.server.next().await;
    assert_eq!(call.param("limit"), "500");
    assert!(!call.query.contains_key("resourceVersion"), "no version: the most recent state");
    call.json(200, &list(&[test_json("a", 1)], "9", "tok/1"));

    let call = harness.server.next().await;
    assert_eq!((call.param("continue"), call.param("limit")), ("tok%2F1", "500"));
    assert!(harness.store.is_empty() && harness.health.check_synced().is_err(), "the list is not complete");
    call.json(200, &list(&[test_json("b", 2)], "9", ""));

    assert_eq!([harness.change().await, harness.change().await], ["*a1", "*b2"]);
    assert_watch(&harness.server.next().await, "9");
    assert!(harness.health.check_synced().is_ok());
}

#[tokio::test(start_paused = true)]
async fn too_large_page_is_requested_with_fewer_objects() {
    let mut harness = start();
    let mut large = test_json("a", 1);
    large["metadata"]["annotations"]["text"] = "x".repeat(33 << 20).into();
    for size in ["500", "125"] {
        let call = harness.server.next().await;
        assert_eq!((call.param("limit"), call.param("continue")), (size, ""));
        call.json(200, &list(std::slice::from_ref(&large), "9", "token"));
    }
    harness.server.next().await.json(200, &list(&[test_json("a", 1)], "9", "token"));
    // The next page has the small limit, the next list the default limit again.
    let call = harness.server.next().await;
    assert_eq!((call.param("limit"), call.param("continue")), ("31", "token"));
    call.status(500, "InternalError", "etcd is not available");
    let call = harness.server.next().await;
    assert_eq!((call.param("limit"), call.param("continue")), ("500", ""));
}

#[tokio::test(start_paused = true)]
async fn expired_continue_token_restarts_at_the_first_page() {
    let mut harness = start();
    harness.server.next().await.json(200, &list(&[test_json("a", 1)], "9", "token"));
    let mut expired = testkit::status(410, "Expired", "The provided continue parameter is too old");
    expired["metadata"] = json!({ "continue": "inconsistent" });
    harness.server.next().await.json(410, &expired);
    let (call, wait) = harness.next_timed().await;
    assert_eq!((call.param("limit"), call.param("continue")), ("500", ""));
    assert!(is_backoff(wait), "{wait:?}");
    call.json(200, &list(&[test_json("b", 12)], "12", ""));
    assert_eq!(harness.change().await, "*b12");
    assert_watch(&harness.server.next().await, "12");
    assert_eq!(harness.store.len(), 1, "objects of the expired pages are dropped");
}

#[tokio::test(start_paused = true)]
async fn failed_page_restarts_the_list_after_a_backoff() {
    let mut harness = start();
    harness.server.next().await.json(200, &list(&[test_json("a", 1)], "9", "token"));
    harness.server.next().await.status(500, "InternalError", "etcd is not available");
    let (call, wait) = harness.next_timed().await;
    assert_eq!((call.param("limit"), call.param("continue")), ("500", ""));
    assert!(is_backoff(wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn list_without_a_response_fails_after_30_seconds() {
    let mut harness = start();
    let _unanswered = harness.server.next().await;
    let (call, wait) = harness.next_timed().await;
    assert_list(&call);
    assert!(wait > Duration::from_secs(30) && wait < Duration::from_secs(32), "{wait:?}");
    assert!(
        harness.health.check_synced().unwrap_err().contains("no response within 30 s"),
        "{:?}",
        harness.health.check_synced()
    );
}

#[tokio::test(start_paused = true)]
async fn selectors_are_sent_with_every_request() {
    let (client, mut server) = api_server();
    let list_watch =
        ListWatch::<TestObject>::new(client, "/api/v1/objects").selecting(Some("app in (a,b)"), Some("x=1"));
    tokio::spawn(async move {
        let _ = list_watch.list(&ListRequest::First).await;
        let _ = list_watch.list(&ListRequest::Continue("more".into())).await;
        let _ = list_watch.watch("7", Duration::from_secs(60)).await;
    });
    for part in ["limit", "continue", "watch"] {
        let call = server.next().await;
        assert!(call.query.contains_key(part), "{:?}", call.query);
        let selectors = (call.param("labelSelector"), call.param("fieldSelector"));
        assert_eq!(selectors, ("app+in+%28a%2Cb%29", "x%3D1"));
        call.json(200, &list(&[], "7", ""));
    }
}

#[tokio::test(start_paused = true)]
async fn slow_list_fails_after_60_seconds() {
    for code in [200, 500] {
        let mut harness = start();
        let start = Instant::now();
        let body = harness.server.next().await.stream_with(code);
        let sender = tokio::spawn(async move {
            while !body.is_abandoned() {
                body.raw(" ");
                pass(Duration::from_secs(29)).await;
            }
        });
        assert_list(&harness.server.next().await);
        assert!(start.elapsed() < Duration::from_secs(62), "{code}: {:?}", start.elapsed());
        sender.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn interrupted_list_is_requested_again() {
    let mut harness = start();
    let body = harness.server.next().await.stream();
    body.raw("{\"metadata\":");
    let (call, wait) = harness.next_timed().await;
    assert_list(&call);
    assert!(wait > Duration::from_secs(30), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn undecodable_object_does_not_fail_the_list() {
    let mut harness = start();
    let mut broken = test_json("b", 2);
    broken["value"] = "not a number".into();
    let watch = harness.server.next().await;
    watch.json(200, &list(&[test_json("a", 1), broken, test_json("c", 3)], "9", ""));
    assert_eq!([harness.change().await, harness.change().await], ["*a1", "*c3"]);
    assert_watch(&harness.server.next().await, "9");
}

#[tokio::test(start_paused = true)]
async fn object_without_a_name_is_skipped() {
    let mut harness = start();
    let nameless = json!({ "metadata": { "uid": "u", "resourceVersion": "2" }, "value": 1 });
    harness.server.next().await.json(200, &list(&[test_json("a", 1), nameless.clone(), json!(null)], "9", ""));
    assert_eq!(harness.change().await, "*a1");
    let watch = harness.server.next().await;
    assert_watch(&watch, "9");
    let stream = watch.stream();
    stream.event("ADDED", &nameless);
    stream.event("ADDED", &test_json("b", 10));
    assert_eq!(harness.change().await, "+b10");
}

#[tokio::test(start_paused = true)]
async fn list_that_is_not_json_is_requested_again() {
    let mut harness = start();
    harness.server.next().await.bytes(200, &[], "<html>");
    let (call, wait) = harness.next_timed().await;
    assert_list(&call);
    assert!(is_backoff(wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn readiness_has_the_reason_until_a_list_succeeds() {
    for (code, reason) in [(404, "NotFound"), (403, "Forbidden")] {
        let mut harness = start();
        harness.server.next().await.status(code, reason, "no access");
        let call = harness.server.next().await;
        assert_eq!(harness.health.check_synced().unwrap_err(), format!("not synced: {code} {reason}: no access"));
        call.json(200, &list(&[], "9", ""));
        assert_watch(&harness.server.next().await, "9");
        assert!(harness.health.check_synced().is_ok());
    }
}
