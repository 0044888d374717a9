//! What a server may answer to a watch instead of events: whether a list or a watch follows, and how long after.

use serde_json::json;

use super::{tests::*, *};
use testkit::{pass, status};

use crate::informer::tests::wire;

#[tokio::test(start_paused = true)]
async fn status_410_to_a_watch_lists_again() {
    let mut rig = start();
    rig.watching(&[wire("a", 1)], "9").await.status(410, "Expired", "too old resource version: 9 (120)");
    let (call, wait) = rig.next_timed().await;
    assert_list(&call);
    assert!(is_backoff(wait), "{wait:?}");
    call.json(200, &list(&[wire("b", 100)], "120", ""));
    assert_eq!([rig.change().await, rig.change().await], ["-a1", "+b100"]);
    assert_watch(&rig.server.next().await, "120");
}

#[tokio::test(start_paused = true)]
async fn error_410_inside_the_stream_lists_again() {
    let mut rig = start();
    let stream = rig.watching(&[wire("a", 1)], "9").await.stream();
    stream.event("ERROR", &status(410, "Gone", "too old resource version"));
    let (call, wait) = rig.next_timed().await;
    assert_list(&call);
    assert!(is_backoff(wait), "{wait:?}");
    assert!(stream.is_abandoned());
}

#[tokio::test(start_paused = true)]
async fn status_410_after_every_list_backs_off() {
    let mut rig = start();
    let mut waits = Vec::new();
    for _ in 0..8 {
        let (call, wait) = rig.next_timed().await;
        assert_list(&call);
        waits.push(wait);
        call.json(200, &list(&[], "9", ""));
        rig.server.next().await.status(410, "Expired", "too old");
    }
    assert!(waits[7] >= Duration::from_secs(15), "successful lists must not reset the backoff: {waits:?}");
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(30)), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn version_too_large_lists_again() {
    for words_only in [false, true] {
        let mut rig = start();
        let mut answer = status(504, "Timeout", "Timeout: Too large resource version: 9, current: 3");
        if !words_only {
            answer["message"] = "some other words".into();
            answer["details"] = json!({ "causes": [{ "reason": "ResourceVersionTooLarge", "message": "" }] });
        }
        rig.watching(&[], "9").await.json(504, &answer);
        let (call, wait) = rig.next_timed().await;
        assert_list(&call);
        assert!(is_backoff(wait), "{wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn refused_connection_keeps_the_version_and_backs_off() {
    let mut rig = start();
    let mut watch = rig.watching(&[], "9").await;
    let mut waits = Vec::new();
    for _ in 0..8 {
        watch.refuse();
        let (next, wait) = rig.next_timed().await;
        assert_watch(&next, "9");
        waits.push(wait);
        watch = next;
    }
    assert!(is_backoff(waits[0]), "{waits:?}");
    assert!(waits[7] >= Duration::from_secs(15) && waits[7] <= Duration::from_secs(30), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_up_to_30_seconds() {
    let mut rig = start();
    let busy = status(429, "TooManyRequests", "slow down").to_string();
    rig.watching(&[], "9").await.bytes(429, &[("Retry-After", "7")], busy.clone());
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "9");
    assert_eq!(wait, Duration::from_secs(7));
    watch.bytes(429, &[("Retry-After", "86400")], busy);
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "9");
    assert_eq!(wait, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn error_429_inside_the_stream_keeps_the_version() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    stream.event("ERROR", &status(429, "TooManyRequests", "storage is (re)initializing"));
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "9");
    assert!(is_backoff(wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn other_error_inside_the_stream_lists_again() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    stream.event("ERROR", &status(500, "InternalError", "unable to decode an event from the watch stream"));
    assert_list(&rig.server.next().await);
}

#[tokio::test(start_paused = true)]
async fn short_empty_watch_backs_off_and_lists() {
    let mut rig = start();
    let mut waits = Vec::new();
    for _ in 0..7 {
        let (call, wait) = rig.next_timed().await;
        assert_list(&call);
        waits.push(wait);
        call.json(200, &list(&[], "9", ""));
        drop(rig.server.next().await.stream());
    }
    assert!(is_backoff(waits[1]) && waits[6] >= Duration::from_secs(12), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn backoff_is_reset_after_a_watch_that_lived() {
    let mut rig = start();
    let mut watch = rig.watching(&[], "9").await;
    for _ in 0..6 {
        watch.refuse();
        watch = rig.server.next().await;
    }
    let stream = watch.stream();
    pass(Duration::from_secs(31)).await;
    stream.event("BOOKMARK", &bookmark("10"));
    pass(Duration::from_secs(1)).await;
    stream.reset();
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "10");
    assert!(is_backoff(wait), "{wait:?}");
}
