//! Watches: how events change the cache, and how a watch is reopened at the last version.

use super::*;
use testkit::pass;

use crate::informer::Key;

#[tokio::test(start_paused = true)]
async fn watch_requests_bookmarks_and_5_to_10_minutes() {
    let mut harness = start();
    let watch = harness.open_watch(&[], "9").await;
    assert_eq!(watch.param("allowWatchBookmarks"), "true");
    let seconds: u64 = watch.param("timeoutSeconds").parse().unwrap();
    assert!((300..=600).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn events_update_the_cache_and_the_version() {
    let mut harness = start();
    let stream = harness.open_watch(&[test_json("a", 1)], "9").await.stream();
    stream.event("MODIFIED", &test_json("a", 10));
    stream.event("ADDED", &test_json("b", 11));
    stream.event("DELETED", &test_json("a", 12));
    assert_eq!([harness.change().await, harness.change().await, harness.change().await], ["a1>10", "+b11", "-a10"]);
    pass(Duration::from_secs(2)).await;
    drop(stream);
    assert_watch(&harness.server.next().await, "12");
}

#[tokio::test(start_paused = true)]
async fn bookmark_updates_only_the_version() {
    let mut harness = start();
    let stream = harness.open_watch(&[test_json("a", 1)], "9").await.stream();
    stream.event("BOOKMARK", &bookmark("77"));
    pass(Duration::from_secs(2)).await;
    drop(stream);
    assert_watch(&harness.server.next().await, "77");
    assert!(harness.changes.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn ended_watch_is_reopened_at_once_at_the_last_version() {
    let mut harness = start();
    let stream = harness.open_watch(&[], "9").await.stream();
    pass(Duration::from_secs(120)).await;
    drop(stream);
    let (watch, wait) = harness.next_timed().await;
    assert_watch(&watch, "9");
    assert_eq!(wait, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn events_are_decoded_from_any_chunks() {
    let mut harness = start();
    let stream = harness.open_watch(&[], "9").await.stream();
    let text = format!(
        "{}\n\n{}\n",
        json!({"type": "ADDED", "object": test_json("a", 10)}),
        json!({"type": "ADDED", "object": test_json("b", 11)})
    );
    for byte in text.bytes() {
        stream.raw(vec![byte]);
    }
    assert_eq!([harness.change().await, harness.change().await], ["+a10", "+b11"]);
}

#[tokio::test(start_paused = true)]
async fn silent_watch_is_reopened_at_the_last_version() {
    let mut harness = start();
    let stream = harness.open_watch(&[], "9").await.stream();
    let (watch, wait) = harness.next_timed().await;
    assert_watch(&watch, "9");
    assert_eq!(wait, Duration::from_secs(150));
    assert!(stream.is_abandoned(), "the silent connection is closed");

    let stream = watch.stream();
    pass(Duration::from_secs(149)).await;
    stream.event("BOOKMARK", &bookmark("10"));
    let (watch, wait) = harness.next_timed().await;
    assert_watch(&watch, "10");
    assert_eq!(wait, Duration::from_secs(150), "a bookmark restarts the idle limit");
}

#[tokio::test(start_paused = true)]
async fn broken_watch_is_reopened_at_the_last_version() {
    let mut harness = start();
    let stream = harness.open_watch(&[], "9").await.stream();
    stream.event("ADDED", &test_json("a", 10));
    stream.raw("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"half");
    stream.reset();
    let (watch, wait) = harness.next_timed().await;
    assert_watch(&watch, "10");
    assert!(is_backoff(wait), "{wait:?}");
    assert_eq!(harness.change().await, "+a10");
}

#[tokio::test(start_paused = true)]
async fn undecodable_event_keeps_the_last_good_version() {
    let mut harness = start();
    let stream = harness.open_watch(&[test_json("a", 1)], "9").await.stream();
    let mut broken = test_json("a", 10);
    broken["value"] = "not a number".into();
    stream.event("MODIFIED", &broken);
    stream.event("ADDED", &test_json("b", 11));
    assert_eq!(harness.change().await, "+b11", "the next event is applied");
    assert_eq!(harness.store.get(&Key::new("ns", "a")).unwrap().version, "1", "the last good version stays");
    stream.event("MODIFIED", &test_json("a", 12));
    assert_eq!(harness.change().await, "a1>12");
}

#[tokio::test(start_paused = true)]
async fn undecodable_deletion_is_applied_by_its_name() {
    let mut harness = start();
    let stream = harness.open_watch(&[test_json("a", 1)], "9").await.stream();
    let mut broken = test_json("a", 10);
    broken["value"] = "not a number".into();
    stream.event("DELETED", &broken);
    assert_eq!(harness.change().await, "-a1");
}

#[tokio::test(start_paused = true)]
async fn line_that_is_not_an_event_causes_a_relist() {
    let nameless = json!({ "type": "DELETED", "object": { "metadata": { "resourceVersion": "10" } } }).to_string();
    for line in ["<html>gateway</html>", nameless.as_str(), r#"{"type":"RENAMED","object":{}}"#] {
        let mut harness = start();
        let stream = harness.open_watch(&[], "9").await.stream();
        stream.raw(format!("{line}\n"));
        let (call, wait) = harness.next_timed().await;
        assert_list(&call);
        assert!(is_backoff(wait), "{line}: {wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reflector_stops_in_any_state() {
    for state in ["list", "backoff", "watch"] {
        let mut harness = start();
        let call = harness.server.next().await;
        let mut held = None;
        match state {
            "list" => held = Some(call.stream()),
            "backoff" => call.refuse(),
            _ => {
                call.json(200, &list(&[], "9", ""));
                held = Some(harness.server.next().await.stream());
            }
        }
        harness.stop.cancel();
        assert!(harness.server.next_within(Duration::from_secs(600)).await.is_none(), "{state}");
        assert!(held.is_none_or(|stream| stream.is_abandoned()), "{state}");
        assert!(harness.change_or_end().await.is_none(), "the task has ended");
    }
}
