//! Failed watches: whether a list or a watch follows, and after which backoff.

use super::*;
use testkit::{pass, status};

#[tokio::test(start_paused = true)]
async fn status_410_of_a_watch_causes_a_relist() {
    let mut harness = start();
    harness.open_watch(&[test_json("a", 1)], "9").await.status(410, "Expired", "too old resource version: 9 (120)");
    let (call, wait) = harness.next_timed().await;
    assert_list(&call);
    assert!(is_backoff(wait), "{wait:?}");
    call.json(200, &list(&[test_json("b", 100)], "120", ""));
    assert_eq!([harness.change().await, harness.change().await], ["-a1", "+b100"]);
    assert_watch(&harness.server.next().await, "120");
}

#[tokio::test(start_paused = true)]
async fn error_410_inside_the_stream_causes_a_relist() {
    let mut harness = start();
    let stream = harness.open_watch(&[test_json("a", 1)], "9").await.stream();
    stream.event("ERROR", &status(410, "Gone", "too old resource version"));
    let (call, wait) = harness.next_timed().await;
    assert_list(&call);
    assert!(is_backoff(wait), "{wait:?}");
    assert!(stream.is_abandoned());
}

#[tokio::test(start_paused = true)]
async fn status_410_after_every_list_backs_off() {
    let mut harness = start();
    let mut waits = Vec::new();
    for _ in 0..8 {
        let (call, wait) = harness.next_timed().await;
        assert_list(&call);
        waits.push(wait);
        call.json(200, &list(&[], "9", ""));
        harness.server.next().await.status(410, "Expired", "too old");
    }
    assert!(waits[7] >= Duration::from_secs(15), "a successful list does not reset the backoff: {waits:?}");
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(30)), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn too_large_version_causes_a_relist() {
    for message_only in [false, true] {
        let mut harness = start();
        let mut response = status(504, "Timeout", "Timeout: Too large resource version: 9, current: 3");
        if !message_only {
            response["message"] = "another message".into();
            response["details"] = json!({ "causes": [{ "reason": "ResourceVersionTooLarge", "message": "" }] });
        }
        harness.open_watch(&[], "9").await.json(504, &response);
        let (call, wait) = harness.next_timed().await;
        assert_list(&call);
        assert!(is_backoff(wait), "{wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn refused_connection_keeps_the_version_and_backs_off() {
    let mut harness = start();
    let mut watch = harness.open_watch(&[], "9").await;
    let mut waits = Vec::new();
    for _ in 0..8 {
        watch.refuse();
        let (next, wait) = harness.next_timed().await;
        assert_watch(&next, "9");
        waits.push(wait);
        watch = next;
    }
    assert!(is_backoff(waits[0]), "{waits:?}");
    assert!(waits[7] >= Duration::from_secs(15) && waits[7] <= Duration::from_secs(30), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_up_to_30_seconds() {
    let mut harness = start();
    let busy = status(429, "TooManyRequests", "slow down").to_string();
    harness.open_watch(&[], "9").await.bytes(429, &[("Retry-After", "7")], busy.clone());
    let (watch, wait) = harness.next_timed().await;
    assert_watch(&watch, "9");
    assert_eq!(wait, Duration::from_secs(7));
    watch.bytes(429, &[("Retry-After", "86400")], busy);
    let (watch, wait) = harness.next_timed().await;
    assert_watch(&watch, "9");
    assert_eq!(wait, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn error_429_inside_the_stream_keeps_the_version() {
    let mut harness = start();
    let stream = harness.open_watch(&[], "9").await.stream();
    stream.event("ERROR", &status(429, "TooManyRequests", "storage is (re)initializing"));
    let (watch, wait) = harness.next_timed().await;
    assert_watch(&watch, "9");
    assert!(is_backoff(wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn other_error_inside_the_stream_causes_a_relist() {
    let mut harness = start();
    let stream = harness.open_watch(&[], "9").await.stream();
    stream.event("ERROR", &status(500, "InternalError", "unable to decode an event from the watch stream"));
    assert_list(&harness.server.next().await);
}

#[tokio::test(start_paused = true)]
async fn short_empty_watch_causes_a_relist_after_a_backoff() {
    let mut harness = start();
    let mut waits = Vec::new();
    for _ in 0..7 {
        let (call, wait) = harness.next_timed().await;
        assert_list(&call);
        waits.push(wait);
        call.json(200, &list(&[], "9", ""));
        drop(harness.server.next().await.stream());
    }
    assert!(is_backoff(waits[1]) && waits[6] >= Duration::from_secs(12), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn backoff_is_reset_by_a_watch_longer_than_30_seconds() {
    let mut harness = start();
    let mut watch = harness.open_watch(&[], "9").await;
    for _ in 0..6 {
        watch.refuse();
        watch = harness.server.next().await;
    }
    let stream = watch.stream();
    pass(Duration::from_secs(31)).await;
    stream.event("BOOKMARK", &bookmark("10"));
    pass(Duration::from_secs(1)).await;
    stream.reset();
    let (watch, wait) = harness.next_timed().await;
    assert_watch(&watch, "10");
    assert!(is_backoff(wait), "{wait:?}");
}
