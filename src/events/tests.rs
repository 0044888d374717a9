//! The recorder against a scripted server: the test is the API server. The clock stands still unless everyone waits.

use std::{future::Future, time::Duration};

use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Kind, MAX_PENDING, Metrics, ObjectRef, Recorder, Settings, Ticket, WORKERS, pending::Pending};
use crate::{
    testing::{Call, Server, api_server},
    worker, workqueue,
};

const REASON: &str = "pki ServiceName error";
const MOMENT: Duration = Duration::from_millis(1);

pub(super) struct Rig {
    pub recorder: Recorder,
    pub server: Server,
    pub metrics: Metrics,
    queue: workqueue::Metrics,
}

/// A recorder at work, and the server that it talks to.
pub(super) fn rig() -> Rig {
    rig_with(false)
}

fn rig_with(dry_run: bool) -> Rig {
    let (client, server) = api_server();
    let metrics = Metrics::new();
    let queue = workqueue::Metrics::default();
    let settings = Settings { component: "controlplane".into(), dry_run };
    let (recorder, task) = Recorder::new(client, settings, metrics.clone(), &queue, &worker::Metrics::default());
    tokio::spawn(task);
    Rig { recorder, server, metrics, queue }
}

impl Rig {
    pub fn tell(&self, namespace: &str, name: &str) -> Ticket {
        self.say(namespace, name, "no such name")
    }

    /// Everything that was told has been sent or dropped.
    pub async fn flushed(&self) {
        tokio::time::timeout(Duration::from_secs(3600), self.recorder.flush()).await.expect("a flush within an hour");
    }

    fn say(&self, namespace: &str, name: &str, message: &str) -> Ticket {
        self.recorder.record(&pod(namespace, name), Kind::Warning, REASON, message)
    }

    /// Answers everything as a server would that has no Events yet, until nothing comes for so long. Returns the
    /// objects that were told, and when.
    pub async fn serve(&mut self, quiet: Duration) -> Vec<(Duration, String)> {
        let start = Instant::now();
        let mut told = Vec::new();
        while let Some(call) = self.server.next_within(quiet).await {
            told.push((start.elapsed(), text(&call.body["involvedObject"]["name"])));
            created(call);
        }
        told
    }
}

fn pod(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: namespace.into(),
        name: name.into(),
        uid: format!("uid of {namespace}/{name}"),
        resource_version: None,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The answer to a POST: what was sent, and a version. Returns it.
pub(super) fn created(call: Call) -> Value {
    assert_eq!(call.method, "POST");
    let mut event = call.body.clone();
    event["metadata"]["resourceVersion"] = json!("1");
    call.json(201, &event);
    event
}

/// The answer to a PATCH of this Event. Returns what it is afterwards.
pub(super) fn patched(call: Call, event: &Value, version: &str) -> Value {
    assert_eq!(call.method, "PATCH");
    let mut event = event.clone();
    event["count"] = call.body["count"].clone();
    event["lastTimestamp"] = call.body["lastTimestamp"].clone();
    event["metadata"]["resourceVersion"] = json!(version);
    call.json(200, &event);
    event
}

fn scraped(register: impl FnOnce(&mut Registry)) -> String {
    let mut registry = Registry::default();
    register(&mut registry);
    let mut page = String::new();
    encode(&mut page, &registry).unwrap();
    page
}

/// Lets everyone do what can be done without waiting.
pub(super) async fn settle() {
    tokio::time::sleep(MOMENT).await;
}

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
async fn a_full_queue_drops_the_new_event_and_says_so() {
    let mut rig = rig();
    let tickets: Vec<Ticket> = (0..MAX_PENDING).map(|n| rig.tell(&format!("ns-{}", n % 10), &n.to_string())).collect();
    let over = rig.tell("ns-0", "one-more");
    assert!(over.dropped());
    assert!(tickets.iter().all(|ticket| !ticket.dropped()));
    assert_eq!(rig.metrics.queue_full.get(), 1);

    assert!(!rig.tell("ns-0", "0").dropped(), "a repeat takes no room");
    assert_eq!(rig.serve(Duration::from_secs(1)).await.len(), MAX_PENDING);
    assert!(!rig.tell("ns-0", "one-more").dropped(), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_never_blocks_whoever_records() {
    let mut rig = rig();
    rig.tell("app1", "pod");
    let unanswered = rig.server.next().await;
    let start = Instant::now();
    for n in 0..2 * MAX_PENDING {
        rig.tell("app1", &n.to_string());
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    drop(unanswered);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_about_one_object_is_dropped_and_other_objects_are_told() {
    let mut rig = rig();
    let tickets: Vec<Ticket> = (0..30).map(|n| rig.say("app1", "noisy", &format!("message {n}"))).collect();
    assert_eq!(tickets.iter().filter(|ticket| ticket.dropped()).count(), 5);
    assert_eq!(rig.metrics.spam.get(), 5);
    assert!(!rig.tell("app1", "quiet").dropped());
    assert_eq!(rig.serve(Duration::from_secs(1)).await.len(), 26);

    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(!rig.tell("app1", "noisy").dropped(), "one more after five minutes");
    assert!(rig.tell("app1", "noisy").dropped());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_over_its_burst_is_told_later_not_never_and_holds_up_no_other() {
    let mut rig = rig();
    for n in 0..300 {
        rig.tell("noisy", &format!("noisy-{n}"));
    }
    rig.tell("quiet", "quiet-pod");
    let told = rig.serve(Duration::from_secs(60)).await;
    let at_once = told.iter().filter(|(when, _)| *when < Duration::from_millis(100)).count();
    assert_eq!(at_once, 201, "the burst, and the other namespace's event");
    assert!(told[..at_once].iter().any(|(_, name)| name == "quiet-pod"));
    let (last, _) = told.last().unwrap();
    assert!((Duration::from_secs(20)..Duration::from_secs(22)).contains(last), "100 more at 5 a second: {last:?}");
    assert_eq!(rig.metrics.sent.get(), 301);

    // Each of those in line has its own time. All of them at every token would be thousands of looks.
    let page = scraped(|registry| rig.queue.register(registry));
    let adds = page.lines().find_map(|line| line.strip_prefix(r#"workqueue_adds_total{name="events"} "#)).unwrap();
    assert!(adds.parse::<u32>().unwrap() < 600, "{adds}");
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_the_process_nothing_waits_for_the_limit_of_its_namespace() {
    let mut rig = rig();
    for n in 0..500 {
        rig.tell("noisy", &format!("noisy-{n}"));
    }
    assert_eq!(rig.serve(Duration::from_millis(10)).await.len(), 200);
    let recorder = rig.recorder.clone();
    let flush = tokio::spawn(async move { recorder.flush().await });
    let told = rig.serve(Duration::from_secs(60)).await;
    assert_eq!((told.len(), rig.recorder.pending()), (300, 0));
    assert!(told.last().unwrap().0 < Duration::from_secs(1), "{:?}", told.last());
    flush.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn repeats_of_an_event_that_waits_for_its_turn_are_one_write() {
    let mut rig = rig();
    for n in 0..200 {
        rig.tell("noisy", &format!("noisy-{n}"));
    }
    rig.serve(Duration::from_millis(10)).await;
    for _ in 0..4 {
        rig.tell("noisy", "late");
        settle().await;
    }
    let call = rig.server.next().await;
    assert_eq!(call.body["count"], 4);
    created(call);
    assert!(rig.server.next_within(Duration::from_secs(60)).await.is_none());
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
    for _ in 0..3 {
        rig.tell("app1", "pod");
    }
    rig.serve(Duration::from_secs(1)).await;
    let page = scraped(|registry| rig.metrics.register(registry));
    let mut lines: Vec<&str> = page.lines().filter(|line| line.starts_with("events_total")).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            r#"events_total{result="absorbed"} 0"#,
            r#"events_total{result="dropped_failed"} 0"#,
            r#"events_total{result="dropped_queue_full"} 0"#,
            r#"events_total{result="dropped_spam"} 0"#,
            r#"events_total{result="sent"} 3"#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_noisy_namespace_leaves_room_for_the_others() {
    let rig = rig();
    for n in 0..Pending::NAMESPACE_LIMIT {
        assert!(!rig.tell("noisy", &n.to_string()).dropped());
    }
    assert!(rig.tell("noisy", "one-more").dropped());
    assert!(!rig.tell("quiet", "pod").dropped());
}
