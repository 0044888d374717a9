//! A reflector against a scripted API server.

mod error;
mod list;
mod watch;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use testkit::{Call, FakeApiServer, api_server};

use crate::informer::tests::{TestObject, summary, test_json};

struct Harness {
    server: FakeApiServer,
    changes: mpsc::UnboundedReceiver<String>,
    store: Arc<Store<TestObject>>,
    health: Arc<Health>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn start() -> Harness {
    let (client, server) = api_server();
    let (sender, changes) = mpsc::unbounded_channel();
    let (store, health) = (Arc::new(Store::<TestObject>::new()), Arc::new(Health::default()));
    let reflector = Reflector {
        resource: "objects",
        list_watch: ListWatch::new(client, "/api/v1/objects"),
        store: store.clone(),
        health: health.clone(),
        watch_idle: Duration::from_secs(150),
        metrics: ReflectorMetrics::default(),
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(reflector.run(stop.clone(), move |change| drop(sender.send(summary(&change)))));
    Harness { server, changes, store, health, stop, task }
}

impl Harness {
    /// Responds to the list with `objects` at `version`, skips their changes, and returns the watch.
    async fn open_watch(&mut self, objects: &[Value], version: &str) -> Call {
        let call = self.server.next().await;
        assert_list(&call);
        call.json(200, &list(objects, version, ""));
        self.skip(objects.len()).await;
        let watch = self.server.next().await;
        assert_watch(&watch, version);
        watch
    }

    async fn skip(&mut self, changes: usize) {
        for _ in 0..changes {
            self.change().await;
        }
    }

    async fn change(&mut self) -> String {
        self.change_or_end().await.expect("a change")
    }

    /// The next change, or `None` at the end of the task.
    async fn change_or_end(&mut self) -> Option<String> {
        timeout(Duration::from_secs(60), self.changes.recv()).await.expect("a change or the end")
    }

    /// The next request, and the time until it arrived.
    async fn next_timed(&mut self) -> (Call, Duration) {
        let start = Instant::now();
        let call = self.server.next().await;
        (call, start.elapsed())
    }
}

fn list(objects: &[Value], version: &str, next: &str) -> Value {
    json!({ "metadata": { "resourceVersion": version, "continue": next }, "items": objects })
}

fn bookmark(version: &str) -> Value {
    json!({ "metadata": { "resourceVersion": version } })
}

fn assert_list(call: &Call) {
    assert_eq!((call.line().as_str(), call.param("watch")), ("GET /api/v1/objects", ""), "{:?}", call.query);
}

fn assert_watch(call: &Call, version: &str) {
    assert_eq!((call.param("watch"), call.param("resourceVersion")), ("true", version), "{:?}", call.query);
}

fn is_backoff(wait: Duration) -> bool {
    (Duration::from_millis(800)..=Duration::from_millis(1600)).contains(&wait)
}

/// Uses real time, because a timer costs nothing under a paused clock. A timer takes at least 1 ms: 10 s for all events.
/// Without timers, a debug build takes 0.4 s.
#[tokio::test]
async fn ten_thousand_events_in_one_chunk_need_no_timer() {
    let mut harness = start();
    let stream = harness.open_watch(&[], "9").await.stream();
    let events: String = (0..10_000)
        .map(|i| format!("{}\n", json!({ "type": "ADDED", "object": test_json(&format!("t{i}"), 10 + i) })))
        .collect();
    let start = std::time::Instant::now();
    stream.raw(events);
    harness.skip(10_000).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn reflector_that_ends_before_stop_fails_liveness() {
    let mut harness = start();
    let _watch = harness.open_watch(&[], "9").await;
    assert_eq!(harness.health.check_running(), Ok(()));
    harness.task.abort();
    assert!(harness.change_or_end().await.is_none());
    assert!(harness.health.check_running().is_err());

    let harness = start();
    harness.stop.cancel();
    harness.task.await.unwrap();
    assert_eq!(harness.health.check_running(), Ok(()), "a stop is not a failure");
}
