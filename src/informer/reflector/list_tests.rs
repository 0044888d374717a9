//! Lists: in pages, of one moment, without what cannot be read, and for how long they are waited for.

use super::{tests::*, *};
use serde_json::json;
use testkit::{api_server, pass};

use crate::informer::tests::{Thing, wire};

#[tokio::test(start_paused = true)]
async fn first_list_is_consistent_in_pages_of_500() {
    let mut rig = start();
    let call = rig.server.next().await;
    assert_eq!(call.param("limit"), "500");
    assert!(!call.query.contains_key("resourceVersion"), "no version asks for the state of this moment");
    call.json(200, &list(&[wire("a", 1)], "9", "tok/1"));

    let call = rig.server.next().await;
    assert_eq!((call.param("continue"), call.param("limit")), ("tok%2F1", "500"));
    assert!(rig.store.is_empty() && rig.health.check_synced().is_err(), "half a list is no list");
    call.json(200, &list(&[wire("b", 2)], "9", ""));

    assert_eq!([rig.change().await, rig.change().await], ["*a1", "*b2"]);
    assert_watch(&rig.server.next().await, "9");
    assert!(rig.health.check_synced().is_ok());
}

#[tokio::test(start_paused = true)]
async fn too_large_page_is_requested_with_fewer_objects() {
    let mut rig = start();
    let mut large = wire("a", 1);
    large["metadata"]["annotations"]["text"] = "x".repeat(33 << 20).into();
    for size in ["500", "125"] {
        let call = rig.server.next().await;
        assert_eq!((call.param("limit"), call.param("continue")), (size, ""));
        call.json(200, &list(std::slice::from_ref(&large), "9", "token"));
    }
    rig.server.next().await.json(200, &list(&[wire("a", 1)], "9", "token"));
    // So it goes on. The next list starts afresh.
    let call = rig.server.next().await;
    assert_eq!((call.param("limit"), call.param("continue")), ("31", "token"));
    call.status(500, "InternalError", "etcd is unwell");
    let call = rig.server.next().await;
    assert_eq!((call.param("limit"), call.param("continue")), ("500", ""));
}

#[tokio::test(start_paused = true)]
async fn expired_continue_token_restarts_at_the_first_page() {
    let mut rig = start();
    rig.server.next().await.json(200, &list(&[wire("a", 1)], "9", "token"));
    let mut expired = testkit::status(410, "Expired", "The provided continue parameter is too old");
    expired["metadata"] = json!({ "continue": "inconsistent" });
    rig.server.next().await.json(410, &expired);
    let (call, wait) = rig.next_timed().await;
    assert_eq!((call.param("limit"), call.param("continue")), ("500", ""));
    assert!(is_backoff(wait), "{wait:?}");
    call.json(200, &list(&[wire("b", 12)], "12", ""));
    assert_eq!(rig.change().await, "*b12");
    assert_watch(&rig.server.next().await, "12");
    assert_eq!(rig.store.len(), 1, "nothing of the expired pages is left");
}

#[tokio::test(start_paused = true)]
async fn failed_page_restarts_the_list_after_a_backoff() {
    let mut rig = start();
    rig.server.next().await.json(200, &list(&[wire("a", 1)], "9", "token"));
    rig.server.next().await.status(500, "InternalError", "etcd is unwell");
    let (call, wait) = rig.next_timed().await;
    assert_eq!((call.param("limit"), call.param("continue")), ("500", ""));
    assert!(is_backoff(wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn silent_server_is_abandoned_after_30_seconds() {
    let mut rig = start();
    let _never_answered = rig.server.next().await;
    let (call, wait) = rig.next_timed().await;
    assert_list(&call);
    assert!(wait > Duration::from_secs(30) && wait < Duration::from_secs(32), "{wait:?}");
    assert!(
        rig.health.check_synced().unwrap_err().contains("no answer within 30 s"),
        "{:?}",
        rig.health.check_synced()
    );
}

#[tokio::test(start_paused = true)]
async fn selectors_are_in_every_request() {
    let (client, mut server) = api_server();
    let list_watch = ListWatch::<Thing>::new(client, "/api/v1/things").selecting(Some("app in (a,b)"), Some("x=1"));
    tokio::spawn(async move {
        let _ = list_watch.list(&ListRequest::First).await;
        let _ = list_watch.list(&ListRequest::Continue("more".into())).await;
        let _ = list_watch.watch("7", Duration::from_secs(60)).await;
    });
    for part in ["limit", "continue", "watch"] {
        let call = server.next().await;
        assert!(call.query.contains_key(part), "{:?}", call.query);
        let chosen = (call.param("labelSelector"), call.param("fieldSelector"));
        assert_eq!(chosen, ("app+in+%28a%2Cb%29", "x%3D1"));
        call.json(200, &list(&[], "7", ""));
    }
}

#[tokio::test(start_paused = true)]
async fn list_that_drips_is_abandoned_after_60_seconds() {
    for code in [200, 500] {
        let mut rig = start();
        let begun = Instant::now();
        let body = rig.server.next().await.stream_with(code);
        let dripping = tokio::spawn(async move {
            while !body.is_abandoned() {
                body.raw(" ");
                pass(Duration::from_secs(29)).await;
            }
        });
        assert_list(&rig.server.next().await);
        assert!(begun.elapsed() < Duration::from_secs(62), "{code}: {:?}", begun.elapsed());
        dripping.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn list_that_stops_halfway_is_abandoned() {
    let mut rig = start();
    let body = rig.server.next().await.stream();
    body.raw("{\"metadata\":");
    let (call, wait) = rig.next_timed().await;
    assert_list(&call);
    assert!(wait > Duration::from_secs(30), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn undecodable_object_costs_itself_alone() {
    let mut rig = start();
    let mut broken = wire("b", 2);
    broken["value"] = "not a number".into();
    let watch = rig.server.next().await;
    watch.json(200, &list(&[wire("a", 1), broken, wire("c", 3)], "9", ""));
    assert_eq!([rig.change().await, rig.change().await], ["*a1", "*c3"]);
    assert_watch(&rig.server.next().await, "9");
}

#[tokio::test(start_paused = true)]
async fn nameless_objects_cost_themselves_alone() {
    let mut rig = start();
    let nameless = json!({ "metadata": { "uid": "u", "resourceVersion": "2" }, "value": 1 });
    rig.server.next().await.json(200, &list(&[wire("a", 1), nameless.clone(), json!(null)], "9", ""));
    assert_eq!(rig.change().await, "*a1");
    let watch = rig.server.next().await;
    assert_watch(&watch, "9");
    let stream = watch.stream();
    stream.event("ADDED", &nameless);
    stream.event("ADDED", &wire("b", 10));
    assert_eq!(rig.change().await, "+b10");
}

#[tokio::test(start_paused = true)]
async fn list_that_is_not_json_is_requested_again() {
    let mut rig = start();
    rig.server.next().await.bytes(200, &[], "<html>");
    let (call, wait) = rig.next_timed().await;
    assert_list(&call);
    assert!(is_backoff(wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn readiness_has_the_reason_until_the_list_works() {
    for (code, reason) in [(404, "NotFound"), (403, "Forbidden")] {
        let mut rig = start();
        rig.server.next().await.status(code, reason, "things are not for you");
        let call = rig.server.next().await;
        assert_eq!(
            rig.health.check_synced().unwrap_err(),
            format!("not synced: {code} {reason}: things are not for you")
        );
        call.json(200, &list(&[], "9", ""));
        assert_watch(&rig.server.next().await, "9");
        assert!(rig.health.check_synced().is_ok());
    }
}
