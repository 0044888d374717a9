//! What the recorder makes of refusals, conflicts, lost answers and servers that are away.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{
    MAX_TRIES,
    rig::{created, patched, rig, settle},
};
use crate::{
    request::TIME_LIMIT,
    testing::{status, terminating},
};

#[tokio::test(start_paused = true)]
async fn a_conflict_is_read_again_and_the_count_never_goes_back() {
    let mut rig = rig();
    rig.tell("app1", "pod");
    let mut event = created(rig.server.next().await);
    rig.flushed().await;

    rig.tell("app1", "pod");
    rig.server.next().await.status(409, "Conflict", "the object has been modified");
    event["count"] = json!(30);
    event["metadata"]["resourceVersion"] = json!("9");
    let call = rig.server.next().await;
    assert_eq!(call.method, "GET");
    call.json(200, &event);
    let call = rig.server.next().await;
    assert_eq!((&call.body["count"], &call.body["metadata"]["resourceVersion"]), (&json!(31), &json!("9")));
    patched(call, &event, "10");
    rig.flushed().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_others_change_all_the_time_is_left_for_later() {
    let mut rig = rig();
    rig.tell("app1", "pod");
    let mut event = rig.server.next().await.body;
    event["metadata"]["resourceVersion"] = json!("1");
    event["lastTimestamp"] = json!("2020-01-01T00:00:00Z");
    // The first POST was dropped, which broke its connection; from here on every write is a conflict.
    let (start, mut requests) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(600) && requests < 600 {
        let Some(call) = rig.server.next_within(Duration::from_secs(60)).await else { break };
        requests += 1;
        match call.method.as_str() {
            "GET" => call.json(200, &event),
            _ => call.status(409, "Conflict", "the object has been modified"),
        }
    }
    assert!(requests > 12, "{requests}: it is never given up");
    assert!(requests < 600, "{requests}: it does not spin");
    assert_eq!(rig.metrics.failed.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_not_counted_twice() {
    let mut rig = rig();
    rig.tell("app1", "pod");
    let lost = rig.server.next().await;
    let mut event = lost.body.clone();
    event["metadata"]["resourceVersion"] = json!("1");
    lost.refuse();
    rig.tell("app1", "pod");

    rig.server.next().await.status(409, "AlreadyExists", "events \"pod\" already exists");
    let call = rig.server.next().await;
    assert_eq!(call.method, "GET");
    call.json(200, &event);
    let call = rig.server.next().await;
    assert_eq!(
        (call.method.as_str(), &call.body["count"]),
        ("PATCH", &json!(2)),
        "the second record, on top of the first"
    );

    // The same again, with a PATCH that takes too long.
    let mut event = event.clone();
    event["count"] = json!(2);
    event["lastTimestamp"] = call.body["lastTimestamp"].clone();
    event["metadata"]["resourceVersion"] = json!("2");
    tokio::time::sleep(TIME_LIMIT).await;
    drop(call);
    rig.server.next().await.status(409, "Conflict", "the object has been modified");
    let call = rig.server.next().await;
    assert_eq!(call.method, "GET");
    call.json(200, &event);
    rig.flushed().await;
    assert_eq!(rig.metrics.sent.get(), 2);
    assert!(rig.server.next_within(Duration::from_secs(60)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_whose_events_fail_holds_up_no_other() {
    let mut rig = rig();
    for n in 0..50 {
        rig.tell("broken", &n.to_string());
    }
    rig.tell("fine", "pod");
    let start = Instant::now();
    loop {
        let call = rig.server.next().await;
        if call.path.contains("/fine/") {
            created(call);
            break;
        }
        call.status(500, "InternalError", "etcd has a bad day");
    }
    settle().await;
    assert_eq!(rig.metrics.sent.get(), 1);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_twelve_times_is_dropped_and_the_next_one_is_tried() {
    let mut rig = rig();
    let ticket = rig.tell("app1", "pod");
    for _ in 0..MAX_TRIES {
        assert!(!ticket.dropped());
        rig.server.next().await.status(500, "InternalError", "etcd has a bad day");
    }
    assert!(rig.server.next_within(Duration::from_secs(3600)).await.is_none());
    assert!(ticket.dropped());
    assert_eq!(rig.metrics.failed.get(), 1);

    let again = rig.tell("app1", "pod");
    created(rig.server.next().await);
    rig.flushed().await;
    assert!(!again.dropped());
    assert!(ticket.dropped(), "the fate of the first is not rewritten");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_waited_for_as_long_as_it_takes() {
    let mut rig = rig();
    let ticket = rig.tell("app1", "pod");
    for n in 0..60 {
        let call = rig.server.next().await;
        match n % 3 {
            0 => call.refuse(),
            1 => call.status(429, "TooManyRequests", "slow down"),
            _ => call.status(503, "ServiceUnavailable", "starting"),
        }
    }
    created(rig.server.next().await);
    rig.flushed().await;
    assert!(!ticket.dropped());
    assert_eq!((rig.metrics.sent.get(), rig.metrics.failed.get()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_is_dropped_at_once() {
    for (code, reason) in [(403, "Forbidden"), (422, "Invalid"), (400, "BadRequest")] {
        let mut rig = rig();
        let ticket = rig.tell("app1", "pod");
        rig.server.next().await.status(code, reason, "no");
        assert!(rig.server.next_within(Duration::from_secs(3600)).await.is_none());
        assert!(ticket.dropped());
        assert_eq!(rig.metrics.failed.get(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_going_or_gone_is_no_reason_to_complain() {
    let gone = status(404, "NotFound", "namespaces \"app1\" not found");
    for (code, body) in [(403, terminating()), (404, gone)] {
        let mut rig = rig();
        let ticket = rig.tell("app1", "pod");
        rig.server.next().await.json(code, &body);
        assert!(rig.server.next_within(Duration::from_secs(3600)).await.is_none());
        assert!(ticket.dropped());
        assert_eq!((rig.metrics.absorbed.get(), rig.metrics.failed.get()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_needs_no_second_leave_of_its_namespace() {
    let mut rig = rig();
    for n in 0..199 {
        rig.tell("busy", &n.to_string());
    }
    rig.serve(Duration::from_millis(1)).await;
    // The last token of the burst. Four tries within 5 + 10 + 20 ms, and the next token comes after 200.
    rig.tell("busy", "pod");
    let start = Instant::now();
    for _ in 0..3 {
        rig.server.next().await.status(500, "InternalError", "etcd has a bad day");
    }
    created(rig.server.next().await);
    assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_as_slow_as_it_may_be_keeps_no_worker_for_minutes() {
    let mut rig = rig();
    rig.tell("app1", "pod");
    let mut event = None;
    let start = Instant::now();
    // Somebody changes and deletes the Event before each of our writes.
    while start.elapsed() < Duration::from_secs(1800) {
        let Some(call) = rig.server.next_within(Duration::from_secs(60)).await else { break };
        tokio::time::sleep(TIME_LIMIT - Duration::from_secs(1)).await;
        let longest = rig.recorder.oldest().map_or(Duration::ZERO, |(_, age)| age);
        assert!(longest <= Duration::from_secs(121), "{longest:?}");
        match call.method.as_str() {
            "POST" => {
                let mut body = call.body.clone();
                body["metadata"]["resourceVersion"] = json!("1");
                body["lastTimestamp"] = json!("2020-01-01T00:00:00Z");
                event = Some(body);
                call.status(409, "AlreadyExists", "it exists");
            }
            "GET" => call.json(200, event.as_ref().unwrap()),
            _ => call.status(404, "NotFound", "it is gone"),
        }
    }
    assert!(start.elapsed() >= Duration::from_secs(1800), "it is tried again and again");
}
