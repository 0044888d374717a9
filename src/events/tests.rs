//! The recorder against a scripted API server.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Call, FakeApiServer, Log, api_server, status, terminating};
use tokio::time::{Instant, timeout};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// A reference to a pod of the namespace app1.
pub fn pod_reference(name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".into()),
        kind: Some("Pod".into()),
        namespace: Some("app1".into()),
        name: Some(name.into()),
        uid: Some(format!("uid of {name}")),
        resource_version: Some("7".into()),
        field_path: None,
    }
}

struct Harness {
    recorder: Recorder,
    server: FakeApiServer,
    telemetry: Telemetry,
}

fn start(dry_run: bool) -> Harness {
    let (client, server) = api_server();
    let telemetry = Telemetry::default();
    let (recorder, writer) = Recorder::new(client, "controlplane", dry_run, &telemetry);
    tokio::spawn(writer);
    Harness { recorder, server, telemetry }
}

impl Harness {
    fn record(&self, pod: &str, message: &str) {
        self.recorder.record(&pod_reference(pod), EventType::Warning, "Reason", message);
    }

    async fn flush(&self) {
        timeout(HOUR, self.recorder.flush()).await.expect("a flush within an hour");
    }

    /// Responds to every request with 201 and returns their number.
    async fn serve(&mut self) -> usize {
        let mut requests = 0;
        while let Some(call) = self.server.next_within(Duration::from_secs(1)).await {
            requests += 1;
            accept(call);
        }
        requests
    }

    fn assert_counts(&self, expected: &[(&str, u64)]) {
        let text = self.telemetry.encode().unwrap();
        for (result, count) in expected {
            assert!(text.contains(&format!("events_total{{result=\"{result}\"}} {count}\n")), "{result}: {text}");
        }
    }
}

/// Accepts a POST and returns the Event.
fn accept(call: Call) -> Value {
    assert_eq!(call.method, "POST");
    let event = call.body.clone();
    call.json(201, &event);
    event
}

/// Responds to a POST with 409 and to the next GET with the Event, at this count and version. Returns the PATCH.
async fn report_existing(server: &mut FakeApiServer, count: i32, version: &str) -> Call {
    let call = server.next().await;
    let mut event = call.body.clone();
    event["count"] = json!(count);
    event["metadata"]["resourceVersion"] = json!(version);
    assert_eq!(call.method, "POST");
    call.status(409, "AlreadyExists", "it exists");
    let call = server.next().await;
    assert_eq!(call.line(), format!("GET /api/v1/namespaces/app1/events/{}", name_of(&event)));
    call.json(200, &event);
    let call = server.next().await;
    assert_eq!(call.line(), format!("PATCH /api/v1/namespaces/app1/events/{}", name_of(&event)));
    assert_eq!(call.body["metadata"]["resourceVersion"], version);
    assert_eq!(call.body["count"], count + 1);
    call
}

fn name_of(event: &Value) -> String {
    event["metadata"]["name"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn new_event_is_created_and_counted() {
    let mut harness = start(false);
    harness.assert_counts(&[("sent", 0), ("dropped_namespace_deleted", 0)]);
    harness.record("pod", "no such name");
    let call = harness.server.next().await;
    assert_eq!(call.line(), "POST /api/v1/namespaces/app1/events");
    assert_eq!(call.query.len(), 0);
    assert_eq!(call.body["source"]["component"], "controlplane");
    accept(call);
    harness.flush().await;
    harness.assert_counts(&[("sent", 1)]);
}

#[tokio::test(start_paused = true)]
async fn repeat_raises_the_count_of_the_existing_event() {
    let mut harness = start(false);
    harness.record("pod", "no such name");
    let call = report_existing(&mut harness.server, 7, "70").await;
    assert!(call.body["lastTimestamp"].is_string());
    assert_eq!(call.body.get("firstTimestamp"), None, "firstTimestamp is kept");
    call.json(200, &json!({}));
    harness.flush().await;
    harness.assert_counts(&[("sent", 1)]);
}

#[tokio::test(start_paused = true)]
async fn event_is_read_again_after_a_conflict() {
    let mut harness = start(false);
    harness.record("pod", "no such name");
    report_existing(&mut harness.server, 1, "1").await.status(409, "Conflict", "the object has been modified");
    report_existing(&mut harness.server, 2, "2").await.json(200, &json!({}));
    harness.flush().await;
    harness.assert_counts(&[("sent", 1)]);
}

#[tokio::test(start_paused = true)]
async fn event_that_expires_before_the_patch_is_created_again() {
    let mut harness = start(false);
    harness.record("pod", "no such name");
    report_existing(&mut harness.server, 7, "70").await.status(404, "NotFound", "not found");
    assert_eq!(accept(harness.server.next().await)["count"], 1);
    harness.flush().await;
    harness.assert_counts(&[("sent", 1)]);
}

#[tokio::test(start_paused = true)]
async fn dry_run_applies_to_every_write() {
    let mut harness = start(true);
    harness.record("pod", "new");
    let call = harness.server.next().await;
    assert_eq!(call.param("dryRun"), "All");
    accept(call);
    harness.record("pod", "existing");
    let call = report_existing(&mut harness.server, 1, "1").await;
    assert_eq!(call.param("dryRun"), "All");
}

#[tokio::test(start_paused = true)]
async fn full_queue_drops_the_new_event_with_one_log_line() {
    let log = Log::start(tracing::Level::WARN);
    let mut harness = start(false);
    // No await: the writer takes nothing from the queue, and `record` does not wait for it.
    for n in 0..QUEUE_LIMIT + 5 {
        harness.record(&n.to_string(), "no such name");
    }
    assert_eq!(harness.recorder.pending(), QUEUE_LIMIT);
    harness.assert_counts(&[("dropped_queue_full", 5)]);
    let lines = log.lines();
    assert_eq!((lines.len(), &lines[0]["error"]), (1, &json!("the queue is full")));

    assert_eq!(harness.serve().await, QUEUE_LIMIT);
    harness.record("0", "the queue has space again");
    assert_eq!(harness.serve().await, 1);
}

#[tokio::test(start_paused = true)]
async fn too_many_events_about_one_object_are_dropped() {
    let mut harness = start(false);
    for n in 0..30 {
        harness.record("noisy", &n.to_string());
    }
    harness.record("quiet", "no such name");
    assert_eq!(harness.serve().await, 25 + 1);
    harness.assert_counts(&[("dropped_spam", 5), ("sent", 26)]);
}

#[tokio::test(start_paused = true)]
async fn slow_response_does_not_delay_other_events() {
    let mut harness = start(false);
    harness.record("slow", "no such name");
    let unanswered = harness.server.next().await;
    for n in 0..100 {
        harness.record(&n.to_string(), "no such name");
    }
    let start = Instant::now();
    for _ in 0..100 {
        accept(harness.server.next().await);
    }
    assert!(start.elapsed() < Duration::from_secs(1));
    drop(unanswered);
}

#[tokio::test(start_paused = true)]
async fn unavailable_api_server_is_retried() {
    let mut harness = start(false);
    harness.record("pod", "no such name");
    harness.server.next().await.refuse();
    for (code, reason) in [(429, "TooManyRequests"), (500, "InternalError"), (503, "ServiceUnavailable")] {
        harness.server.next().await.status(code, reason, "");
    }
    let timed_out = harness.server.next().await;
    accept(harness.server.next().await);
    harness.flush().await;
    harness.assert_counts(&[("sent", 1), ("dropped_failed", 0)]);
    drop(timed_out);
}

#[tokio::test(start_paused = true)]
async fn event_that_fails_twelve_times_is_dropped() {
    let mut harness = start(false);
    harness.record("pod", "no such name");
    let start = Instant::now();
    for _ in 0..12 {
        harness.server.next().await.status(500, "InternalError", "");
    }
    assert!(harness.server.next_within(HOUR).await.is_none());
    let minutes = (start.elapsed() - HOUR).as_secs() / 60;
    assert_eq!(minutes, 3, "the delays grow up to a limit");
    harness.assert_counts(&[("dropped_failed", 1)]);
}

#[tokio::test(start_paused = true)]
async fn rejected_event_is_dropped_at_once() {
    let mut harness = start(false);
    for (code, reason) in [(403, "Forbidden"), (422, "Invalid"), (400, "BadRequest")] {
        harness.record("pod", reason);
        harness.server.next().await.status(code, reason, "no");
        assert!(harness.server.next_within(HOUR).await.is_none());
    }
    harness.assert_counts(&[("dropped_failed", 3)]);
}

#[tokio::test(start_paused = true)]
async fn event_in_a_deleted_namespace_is_dropped_silently() {
    let log = Log::start(tracing::Level::WARN);
    let mut harness = start(false);
    for (code, body) in [(403, terminating()), (404, status(404, "NotFound", "namespaces \"app1\" not found"))] {
        harness.record("pod", &code.to_string());
        harness.server.next().await.json(code, &body);
        assert!(harness.server.next_within(HOUR).await.is_none());
    }
    harness.assert_counts(&[("dropped_namespace_deleted", 2), ("dropped_failed", 0)]);
    assert_eq!(log.lines().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn flush_returns_when_every_event_is_sent_or_dropped() {
    let mut harness = start(false);
    harness.flush().await;
    harness.record("first", "no such name");
    harness.record("second", "no such name");
    let recorder = harness.recorder.clone();
    let flush = tokio::spawn(async move { recorder.flush().await });
    let (first, second) = (harness.server.next().await, harness.server.next().await);
    accept(first);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!flush.is_finished() && harness.recorder.pending() == 1);
    second.status(403, "Forbidden", "no");
    timeout(HOUR, flush).await.expect("the flush ends").unwrap();
    assert_eq!(harness.recorder.pending(), 0);
}
