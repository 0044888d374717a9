//! Watches: what their lines do to the cache, and how they end and go on where they were.

use serde_json::json;

use super::{tests::*, *};
use testkit::pass;

use crate::informer::{Key, tests::wire};

#[tokio::test(start_paused = true)]
async fn watch_requests_bookmarks_and_5_to_10_minutes() {
    let mut rig = start();
    let watch = rig.watching(&[], "9").await;
    assert_eq!(watch.param("allowWatchBookmarks"), "true");
    let seconds: u64 = watch.param("timeoutSeconds").parse().unwrap();
    assert!((300..=600).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn events_change_the_cache_and_the_version() {
    let mut rig = start();
    let stream = rig.watching(&[wire("a", 1)], "9").await.stream();
    stream.event("MODIFIED", &wire("a", 10));
    stream.event("ADDED", &wire("b", 11));
    stream.event("DELETED", &wire("a", 12));
    assert_eq!([rig.change().await, rig.change().await, rig.change().await], ["a1>10", "+b11", "-a10"]);
    pass(Duration::from_secs(2)).await;
    drop(stream);
    assert_watch(&rig.server.next().await, "12");
}

#[tokio::test(start_paused = true)]
async fn bookmark_changes_the_version_alone() {
    let mut rig = start();
    let stream = rig.watching(&[wire("a", 1)], "9").await.stream();
    stream.event("BOOKMARK", &bookmark("77"));
    pass(Duration::from_secs(2)).await;
    drop(stream);
    assert_watch(&rig.server.next().await, "77");
    assert!(rig.changes.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn expired_watch_is_reopened_at_once_where_it_was() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    pass(Duration::from_secs(120)).await;
    drop(stream);
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "9");
    assert_eq!(wait, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn lines_may_arrive_in_any_pieces() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    let text = format!(
        "{}\n\n{}\n",
        json!({"type": "ADDED", "object": wire("a", 10)}),
        json!({"type": "ADDED", "object": wire("b", 11)})
    );
    for byte in text.bytes() {
        stream.raw(vec![byte]);
    }
    assert_eq!([rig.change().await, rig.change().await], ["+a10", "+b11"]);
}

#[tokio::test(start_paused = true)]
async fn silent_watch_is_reopened_where_it_was() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "9");
    assert_eq!(wait, Duration::from_secs(150));
    assert!(stream.is_abandoned(), "the dead connection is not kept");

    let stream = watch.stream();
    pass(Duration::from_secs(149)).await;
    stream.event("BOOKMARK", &bookmark("10"));
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "10");
    assert_eq!(wait, Duration::from_secs(150), "a bookmark is a sign of life");
}

#[tokio::test(start_paused = true)]
async fn broken_watch_is_reopened_where_it_was() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    stream.event("ADDED", &wire("a", 10));
    stream.raw("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"half");
    stream.reset();
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "10");
    assert!(is_backoff(wait), "{wait:?}");
    assert_eq!(rig.change().await, "+a10");
}

#[tokio::test(start_paused = true)]
async fn undecodable_event_keeps_the_last_good_version() {
    let mut rig = start();
    let stream = rig.watching(&[wire("a", 1)], "9").await.stream();
    let mut broken = wire("a", 10);
    broken["value"] = "not a number".into();
    stream.event("MODIFIED", &broken);
    stream.event("ADDED", &wire("b", 11));
    assert_eq!(rig.change().await, "+b11", "the rest goes on");
    assert_eq!(rig.store.get(&Key::new("ns", "a")).unwrap().version, "1", "the last good version stays");
    stream.event("MODIFIED", &wire("a", 12));
    assert_eq!(rig.change().await, "a1>12");
}

#[tokio::test(start_paused = true)]
async fn deletion_needs_the_name_alone() {
    let mut rig = start();
    let stream = rig.watching(&[wire("a", 1)], "9").await.stream();
    let mut broken = wire("a", 10);
    broken["value"] = "not a number".into();
    stream.event("DELETED", &broken);
    assert_eq!(rig.change().await, "-a1");
}

#[tokio::test(start_paused = true)]
async fn line_that_is_not_an_event_lists_again() {
    let nameless = json!({ "type": "DELETED", "object": { "metadata": { "resourceVersion": "10" } } }).to_string();
    for line in ["<html>gateway</html>", nameless.as_str(), r#"{"type":"RENAMED","object":{}}"#] {
        let mut rig = start();
        let stream = rig.watching(&[], "9").await.stream();
        stream.raw(format!("{line}\n"));
        let (call, wait) = rig.next_timed().await;
        assert_list(&call);
        assert!(is_backoff(wait), "{line}: {wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reflector_stops_in_any_state() {
    // While it lists, while it backs off, while it watches.
    for stage in 0..3 {
        let mut rig = start();
        let call = rig.server.next().await;
        let mut held = None;
        match stage {
            0 => held = Some(call.stream()),
            1 => call.refuse(),
            _ => {
                call.json(200, &list(&[], "9", ""));
                held = Some(rig.server.next().await.stream());
            }
        }
        rig.stop.cancel();
        assert!(rig.server.next_within(Duration::from_secs(600)).await.is_none(), "stage {stage}");
        assert!(held.is_none_or(|stream| stream.is_abandoned()), "stage {stage}");
        assert!(rig.change_or_end().await.is_none(), "the task has ended");
    }
}
