//! What is written of what was told: one Event, its count, and until when that is waited for.

use std::{future::Future, time::Duration};

use serde_json::json;

use super::{WORKERS, pending::Pending, rig::*};

#[tokio::test(start_paused = true)]
async fn an_event_says_who_says_what_about_which_object() {
    let mut rig = rig();
    let ticket = rig.tell("app1", "app1-pod");
    let call = rig.server.next().await;
    assert_eq!(call.line(), "POST /api/v1/namespaces/app1/events");
    assert_eq!(call.query.len(), 0);
    assert_eq!(call.body["involvedObject"]["uid"], "uid of app1/app1-pod");
    assert_eq!(call.body["source"], json!({"component": "controlplane"}));
    assert_eq!(call.body["reason"], REASON);
    assert_eq!(call.body["count"], 1);
    assert_eq!(call.body["firstTimestamp"], call.body["lastTimestamp"]);
    created(call);
    rig.flushed().await;
    assert!(!ticket.dropped());
    assert_eq!(rig.metrics.sent.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_raises_the_count_of_the_same_event() {
    let mut rig = rig();
    rig.tell("app1", "pod");
    let mut event = created(rig.server.next().await);
    for (count, version) in [(2, "2"), (3, "3")] {
        rig.flushed().await;
        rig.tell("app1", "pod");
        let call = rig.server.next().await;
        assert_eq!(call.line(), format!("PATCH /api/v1/namespaces/app1/events/{}", text(&event["metadata"]["name"])));
        assert_eq!(call.body["count"], count);
        assert_eq!(call.body["metadata"]["resourceVersion"], event["metadata"]["resourceVersion"]);
        assert_eq!(call.body.get("firstTimestamp"), None, "it stays as it is");
        event = patched(call, &event, version);
    }
    rig.flushed().await;
    assert_eq!(rig.metrics.sent.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn repeats_during_a_slow_write_become_one_more_write() {
    let mut rig = rig();
    rig.tell("app1", "pod");
    let slow = rig.server.next().await;
    for _ in 0..5 {
        rig.tell("app1", "pod");
    }
    assert!(rig.server.next_within(Duration::from_secs(1)).await.is_none(), "one Event is never written twice at once");
    let event = created(slow);
    let call = rig.server.next().await;
    assert_eq!(call.body["count"], 6);
    patched(call, &event, "2");
    rig.flushed().await;
    assert!(rig.server.next_within(Duration::from_secs(60)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_repeat_whose_turn_was_spent_on_a_retry_is_written_after_it() {
    let mut rig = rig();
    rig.tell("app1", "pod");
    rig.server.next().await.status(500, "InternalError", "etcd has a bad day");
    // All workers are busy when the retry falls due and the repeat comes: one place in the queue for both.
    let mut slow = Vec::new();
    for n in 0..WORKERS {
        rig.tell("app1", &n.to_string());
        slow.push(rig.server.next().await);
    }
    rig.tell("app1", "pod");
    tokio::time::sleep(Duration::from_secs(1)).await;
    slow.into_iter().for_each(|call| drop(created(call)));

    let call = rig.server.next().await;
    assert_eq!(call.body["count"], 1, "the same batch again");
    let event = created(call);
    let call = rig.server.next().await;
    assert_eq!(call.body["count"], 2);
    patched(call, &event, "2");
    rig.flushed().await;
}

#[tokio::test(start_paused = true)]
async fn a_restarted_controller_raises_the_count_of_the_event_it_finds() {
    let mut before = rig();
    before.tell("app1", "pod");
    let mut event = created(before.server.next().await);
    event["count"] = json!(7);
    event["metadata"]["resourceVersion"] = json!("70");

    let mut after = rig();
    after.tell("app1", "pod");
    let call = after.server.next().await;
    assert_eq!(call.body["metadata"]["name"], event["metadata"]["name"]);
    call.status(409, "AlreadyExists", "events \"pod\" already exists");
    let call = after.server.next().await;
    assert_eq!(call.method, "GET");
    call.json(200, &event);
    let call = after.server.next().await;
    assert_eq!((&call.body["count"], &call.body["metadata"]["resourceVersion"]), (&json!(8), &json!("70")));
    patched(call, &event, "71");
    after.flushed().await;
    assert_eq!(after.metrics.sent.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_has_expired_is_created_again_and_its_count_goes_on() {
    let mut rig = rig();
    rig.tell("app1", "pod");
    // The server's copy, first seen long ago.
    let call = rig.server.next().await;
    let mut event = call.body.clone();
    event["metadata"]["resourceVersion"] = json!("1");
    event["count"] = json!(23);
    event["firstTimestamp"] = json!("2020-01-01T00:00:00Z");
    call.json(201, &event);
    rig.flushed().await;

    rig.tell("app1", "pod");
    rig.server.next().await.status(404, "NotFound", "events \"pod\" not found");
    let call = rig.server.next().await;
    assert_eq!(call.method, "POST");
    assert_eq!(call.body["count"], 24);
    assert_eq!(call.body["firstTimestamp"], "2020-01-01T00:00:00Z");
    assert_eq!(call.body["metadata"].get("resourceVersion"), None, "the server refuses a version on what is new");
    created(call);
    rig.flushed().await;
    assert_eq!(rig.metrics.sent.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn flush_waits_for_what_was_recorded_before_and_for_nothing_else() {
    let mut rig = rig();
    rig.flushed().await;

    rig.tell("app1", "first");
    rig.tell("app1", "second");
    let recorder = rig.recorder.clone();
    let mut flush = tokio::spawn(async move { recorder.flush().await });
    let (first, second) = (rig.server.next().await, rig.server.next().await);
    rig.tell("app1", "too late");
    let _unanswered = rig.server.next().await;
    created(first);
    assert!(not_within(Duration::from_secs(10), &mut flush).await, "one is still on its way");
    second.status(403, "Forbidden", "no");
    assert!(!not_within(Duration::from_secs(1), flush).await, "sent or dropped, both count");
}

async fn not_within(limit: Duration, future: impl Future) -> bool {
    tokio::time::timeout(limit, future).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_asks_the_server_and_leaves_nothing_behind() {
    let mut rig = rig_with(true);
    for _ in 0..2 {
        rig.tell("app1", "pod");
        let call = rig.server.next().await;
        assert_eq!((call.method.as_str(), call.param("dryRun")), ("POST", "All"), "there is no Event to raise");
        created(call);
        rig.flushed().await;
    }
    // Unless an earlier run that was in earnest has left one.
    rig.tell("app1", "pod");
    let call = rig.server.next().await;
    let mut event = call.body.clone();
    event["metadata"]["resourceVersion"] = json!("5");
    call.status(409, "AlreadyExists", "events \"pod\" already exists");
    rig.server.next().await.json(200, &event);
    let call = rig.server.next().await;
    assert_eq!((call.method.as_str(), call.param("dryRun")), ("PATCH", "All"));
    patched(call, &event, "6");
    rig.flushed().await;
}

#[tokio::test(start_paused = true)]
async fn every_event_is_counted_with_what_became_of_it() {
    let mut rig = rig();
    // In one namespace more than there is room for: 750, and 250 are left for others.
    for n in 0..Pending::NAMESPACE_LIMIT + 4 {
        rig.tell("crowded", &n.to_string());
    }
    // A repeat is counted, although it is no write of its own.
    rig.tell("crowded", "0");
    // About one object more than anyone reads: 25 at once.
    for n in 0..28 {
        rig.say("app1", "noisy", &n.to_string());
    }
    rig.serve(Duration::from_secs(60)).await;
    for _ in 0..2 {
        rig.tell("app1", "refused");
        rig.server.next().await.status(403, "Forbidden", "no");
        rig.flushed().await;
    }
    rig.tell("gone", "pod");
    rig.server.next().await.status(404, "NotFound", "namespaces \"gone\" not found");
    rig.flushed().await;

    let page = scraped(|registry| rig.metrics.register(registry));
    let mut lines: Vec<&str> = page.lines().filter(|line| line.starts_with("events_total")).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            r#"events_total{result="absorbed"} 1"#,
            r#"events_total{result="dropped_failed"} 2"#,
            r#"events_total{result="dropped_queue_full"} 4"#,
            r#"events_total{result="dropped_spam"} 3"#,
            r#"events_total{result="sent"} 776"#,
        ]
    );
}
