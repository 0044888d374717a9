//! Watches: what their lines do to the cache, and how they end and go on where they were.

use serde_json::json;

use super::{tests::*, *};
use testkit::pass;

use crate::informer::{Key, tests::wire};

#[tokio::test(start_paused = true)]
async fn a_watch_asks_for_bookmarks_and_for_a_time_limit_of_5_to_10_minutes() {
    let mut rig = start();
    let watch = rig.watching(&[], "9").await;
    assert_eq!(watch.param("allowWatchBookmarks"), "true");
    let seconds: u64 = watch.param("timeoutSeconds").parse().unwrap();
    assert!((300..=600).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn events_change_the_cache_and_move_the_version_on() {
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
async fn a_bookmark_moves_the_version_on_and_changes_nothing() {
    let mut rig = start();
    let stream = rig.watching(&[wire("a", 1)], "9").await.stream();
    stream.event("BOOKMARK", &bookmark("77"));
    pass(Duration::from_secs(2)).await;
    drop(stream);
    assert_watch(&rig.server.next().await, "77");
    assert!(rig.changes.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_watch_whose_time_is_up_is_opened_again_at_once_where_it_was() {
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
async fn a_silent_watch_is_given_up_and_opened_again_where_it_was() {
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
async fn a_connection_that_breaks_is_opened_again_where_it_was() {
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
async fn an_object_that_cannot_be_decoded_is_passed_over_and_its_next_change_brings_it_back() {
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
async fn a_deletion_needs_no_more_than_the_name() {
    let mut rig = start();
    let stream = rig.watching(&[wire("a", 1)], "9").await.stream();
    let mut broken = wire("a", 10);
    broken["value"] = "not a number".into();
    stream.event("DELETED", &broken);
    assert_eq!(rig.change().await, "-a1");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_no_json_or_names_nothing_ends_the_watch_and_lists_again() {
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
async fn it_stops_in_the_middle_of_anything() {
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
