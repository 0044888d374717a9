//! A reflector at work, and the test as its API server. The scenarios are played at the HTTP boundary, one for each way in
//! which a list or a watch is known to go wrong.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use testkit::{Call, Server, api_server};

use crate::informer::tests::{Thing, short};

pub struct Rig {
    pub server: Server,
    pub changes: mpsc::UnboundedReceiver<String>,
    pub store: Arc<Store<Thing>>,
    pub health: Arc<Health>,
    pub stop: CancellationToken,
    pub task: tokio::task::JoinHandle<()>,
}

pub fn start() -> Rig {
    let (client, server) = api_server();
    let (tell, changes) = mpsc::unbounded_channel();
    let (store, health) = (Arc::new(Store::<Thing>::new()), Arc::new(Health::default()));
    let reflector = Reflector {
        resource: "things",
        list_watch: ListWatch::new(client, "/api/v1/things"),
        store: store.clone(),
        health: health.clone(),
        watch_idle: Duration::from_secs(150),
        metrics: ReflectorMetrics::default(),
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(reflector.run(stop.clone(), move |change| drop(tell.send(short(&change)))));
    Rig { server, changes, store, health, stop, task }
}

impl Rig {
    /// Lets the reflector list `things` at `version` and open its first watch.
    pub async fn watching(&mut self, things: &[Value], version: &str) -> Call {
        let call = self.server.next().await;
        assert_list(&call);
        call.json(200, &list(things, version, ""));
        self.skip(things.len()).await;
        let watch = self.server.next().await;
        assert_watch(&watch, version);
        watch
    }

    pub async fn skip(&mut self, changes: usize) {
        for _ in 0..changes {
            self.change().await;
        }
    }

    pub async fn change(&mut self) -> String {
        self.change_or_end().await.expect("a change")
    }

    /// None: the task has ended.
    pub async fn change_or_end(&mut self) -> Option<String> {
        timeout(Duration::from_secs(60), self.changes.recv()).await.expect("a change or the end")
    }

    /// The next request, and how long it was waited for.
    pub async fn next_timed(&mut self) -> (Call, Duration) {
        let begun = Instant::now();
        let call = self.server.next().await;
        (call, begun.elapsed())
    }
}

pub fn list(things: &[Value], version: &str, next: &str) -> Value {
    json!({ "metadata": { "resourceVersion": version, "continue": next }, "items": things })
}

pub fn bookmark(version: &str) -> Value {
    json!({ "metadata": { "resourceVersion": version } })
}

pub fn assert_list(call: &Call) {
    assert_eq!((call.line().as_str(), call.param("watch")), ("GET /api/v1/things", ""), "{:?}", call.query);
}

pub fn assert_watch(call: &Call, version: &str) {
    assert_eq!((call.param("watch"), call.param("resourceVersion")), ("true", version), "{:?}", call.query);
}

pub fn is_backoff(wait: Duration) -> bool {
    (Duration::from_millis(800)..=Duration::from_millis(1600)).contains(&wait)
}

/// In real time: a paused clock does not show what a timer costs. A timer per event takes at least 1 ms each, 10 s in all;
/// without timers a debug build takes 0.4 s on an idle machine.
#[tokio::test]
async fn ten_thousand_events_in_one_chunk_wait_for_no_timer() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    let events: String = (0..10_000)
        .map(|i| {
            format!(
                "{}\n",
                json!({ "type": "ADDED", "object": crate::informer::tests::wire(&format!("t{i}"), 10 + i) })
            )
        })
        .collect();
    let begun = std::time::Instant::now();
    stream.raw(events);
    rig.skip(10_000).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn reflector_that_ends_before_stop_fails_liveness() {
    let mut rig = start();
    let _watch = rig.watching(&[], "9").await;
    assert_eq!(rig.health.check_running(), Ok(()));
    rig.task.abort();
    assert!(rig.change_or_end().await.is_none());
    assert!(rig.health.check_running().is_err());

    let rig = start();
    rig.stop.cancel();
    rig.task.await.unwrap();
    assert_eq!(rig.health.check_running(), Ok(()), "stopped");
}
