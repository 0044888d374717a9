//! The job with a Pki to look at, and the test as its API server. What is asserted above all is what is *not* sent.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::{
    events,
    testing::{Call, Server, api_server, status},
    worker,
};

pub const CA: &str = "/api/v1/namespaces/controlplane/secrets";
pub const SECRETS: &str = "/api/v1/namespaces/app1/secrets";
pub const STATUS: &str = "PATCH /apis/box.com/v1/namespaces/app1/pkis/app1-pki/status";

pub struct Rig {
    pub job: Arc<Certificates>,
    pub server: Server,
    /// The recorder talks to a server of its own, so that its requests do not get between the others.
    pub events: Server,
    pub authority: Authority,
}

pub fn rig(pods: &[&str]) -> Rig {
    let (client, server) = api_server();
    let (events_client, events) = api_server();
    let settings = events::Settings { component: "controlplane".into(), dry_run: false };
    let (queues, workers) = (crate::workqueue::Metrics::default(), worker::Metrics::default());
    let (recorder, writer) = Recorder::new(events_client, settings, events::Metrics::default(), &queues, &workers);
    tokio::spawn(writer);
    let pods: Vec<ObjectRef> = pods
        .iter()
        .map(|name| ObjectRef {
            api_version: "v1".into(),
            kind: "Pod".into(),
            namespace: "app1".into(),
            name: (*name).into(),
            uid: format!("uid-{name}"),
            resource_version: None,
        })
        .collect();
    let metrics = Metrics::default();
    metrics.register(&mut Registry::default());
    let job = Certificates {
        client: client.clone(),
        store: Arc::new(Store::new(|_| &[])),
        allowed: Arc::new(Allowed::load(None)),
        ca: CaSecret::new(client, Key::new("controlplane", "demo-controller-ca"), false),
        mounts: Arc::new(move |_| pods.clone()),
        recorder,
        told: Told::default(),
        written: Written::default(),
        remind: Duration::from_secs(1800),
        dry_run: false,
        metrics,
    };
    let authority = Authority::create(Timestamp::now(), rand::random()).unwrap();
    Rig { job: Arc::new(job), server, events, authority }
}

pub fn key() -> Key {
    Key::new("app1", "app1-pki")
}

pub fn pki(service: &str) -> Value {
    json!({
        "metadata": { "name": "app1-pki", "namespace": "app1", "uid": "u1", "resourceVersion": "7", "generation": 1 },
        "spec": { "serviceName": service },
    })
}

/// A Secret as the server has it.
pub fn stored(data: &BTreeMap<String, ByteString>, owners: Value) -> Value {
    json!({
        "metadata": { "name": "app1-pki", "namespace": "app1", "resourceVersion": "50", "ownerReferences": owners },
        "type": "kubernetes.io/tls", "data": data,
    })
}

pub fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!([{ "apiVersion": "box.com/v1", "kind": kind, "name": name, "uid": uid, "controller": true }])
}

impl Rig {
    pub fn put(&self, wire: &Value) {
        self.job.store.apply(serde_json::from_str(&wire.to_string()).unwrap());
    }

    pub fn look(&self) -> JoinHandle<Result<Outcome, Error>> {
        let job = self.job.clone();
        tokio::spawn(async move { within_an_hour(job.reconcile(&key())).await })
    }

    pub fn give_up(&self, why: &'static str) -> JoinHandle<Result<Outcome, Error>> {
        let job = self.job.clone();
        tokio::spawn(async move { within_an_hour(job.gave_up(&key(), why)).await })
    }

    pub async fn expect(&mut self, line: &str) -> Call {
        let call = self.server.next().await;
        assert_eq!(call.line(), line, "{}", call.body);
        call
    }

    pub async fn ca(&mut self) {
        let secret = stored(&self.authority.secret_data(), Value::Null);
        self.expect(&format!("GET {CA}/demo-controller-ca")).await.json(200, &secret);
    }

    /// The secret that was asked for, so that no more than the status is left to say.
    pub async fn secret(&mut self, answer: &Value) {
        let code = if answer["kind"] == "Status" { answer["code"].as_u64().unwrap() as u16 } else { 200 };
        self.expect(&format!("GET {SECRETS}/app1-pki")).await.json(code, answer);
    }

    pub async fn status(&mut self) -> Value {
        self.status_at("7").await
    }

    /// The condition that is written, on the basis of this version.
    pub async fn status_at(&mut self, version: &str) -> Value {
        let call = self.expect(STATUS).await;
        let answer = written(&call);
        let condition = call.body["status"]["conditions"][0].clone();
        assert_eq!(call.body["metadata"]["resourceVersion"], version, "of the Pki that was judged");
        call.json(200, &answer);
        condition
    }

    pub async fn nothing_more(&mut self) {
        let more = self.server.next_within(Duration::from_secs(5)).await.map(|call| call.line());
        assert_eq!(more, None);
    }

    pub fn issued(&self) -> BTreeMap<String, ByteString> {
        let request = validate(&json!({ "serviceName": "app1" })).unwrap();
        self.authority.issue(&request, &key(), Timestamp::now(), rand::random()).unwrap().secret_data()
    }
}

async fn within_an_hour<T>(look: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(3600), look).await.expect("the end of it within an hour")
}

/// What the server answers to a patch of the status: the Pki, in the next version.
pub fn written(patch: &Call) -> Value {
    let mut pki = pki("app1");
    pki["status"] = patch.body["status"].clone();
    pki["metadata"]["resourceVersion"] = "8".into();
    pki
}

pub fn not_found() -> Value {
    status(404, "NotFound", "secrets \"app1-pki\" not found")
}
