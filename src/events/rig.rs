//! The recorder against a scripted server: the test is the API server. The clock stands still unless everyone waits.

use std::time::Duration;

use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Kind, Metrics, ObjectRef, Recorder, Settings, Ticket};
use crate::{
    testing::{Call, Server, api_server},
    worker, workqueue,
};

pub const REASON: &str = "pki ServiceName error";
const MOMENT: Duration = Duration::from_millis(1);

pub struct Rig {
    pub recorder: Recorder,
    pub server: Server,
    pub metrics: Metrics,
    pub queue: workqueue::Metrics,
}

/// A recorder at work, and the server that it talks to.
pub fn rig() -> Rig {
    rig_with(false)
}

pub fn rig_with(dry_run: bool) -> Rig {
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

    pub fn say(&self, namespace: &str, name: &str, message: &str) -> Ticket {
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

pub fn pod(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: namespace.into(),
        name: name.into(),
        uid: format!("uid of {namespace}/{name}"),
        resource_version: None,
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The answer to a POST: what was sent, and a version. Returns it.
pub fn created(call: Call) -> Value {
    assert_eq!(call.method, "POST");
    let mut event = call.body.clone();
    event["metadata"]["resourceVersion"] = json!("1");
    call.json(201, &event);
    event
}

/// The answer to a PATCH of this Event. Returns what it is afterwards.
pub fn patched(call: Call, event: &Value, version: &str) -> Value {
    assert_eq!(call.method, "PATCH");
    let mut event = event.clone();
    event["count"] = call.body["count"].clone();
    event["lastTimestamp"] = call.body["lastTimestamp"].clone();
    event["metadata"]["resourceVersion"] = json!(version);
    call.json(200, &event);
    event
}

pub fn scraped(register: impl FnOnce(&mut Registry)) -> String {
    let mut registry = Registry::default();
    register(&mut registry);
    let mut page = String::new();
    encode(&mut page, &registry).unwrap();
    page
}

/// Lets everyone do what can be done without waiting.
pub async fn settle() {
    tokio::time::sleep(MOMENT).await;
}
