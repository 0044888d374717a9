//! One look at one Pki, with the test as the API server. What is asserted above all is what is *not* sent.

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

const CA: &str = "/api/v1/namespaces/controlplane/secrets";
const SECRETS: &str = "/api/v1/namespaces/app1/secrets";
const STATUS: &str = "PATCH /apis/box.com/v1/namespaces/app1/pkis/app1-pki/status";

struct Rig {
    job: Arc<Certificates>,
    server: Server,
    /// The recorder talks to a server of its own, so that its requests do not get between the others.
    events: Server,
    authority: Authority,
}

fn rig(pods: &[&str]) -> Rig {
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

fn key() -> Key {
    Key::new("app1", "app1-pki")
}

fn pki(service: &str) -> Value {
    json!({
        "metadata": { "name": "app1-pki", "namespace": "app1", "uid": "u1", "resourceVersion": "7", "generation": 1 },
        "spec": { "serviceName": service },
    })
}

/// A Secret as the server has it.
fn stored(data: &BTreeMap<String, ByteString>, owners: Value) -> Value {
    json!({
        "metadata": { "name": "app1-pki", "namespace": "app1", "resourceVersion": "50", "ownerReferences": owners },
        "type": "kubernetes.io/tls", "data": data,
    })
}

fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!([{ "apiVersion": "box.com/v1", "kind": kind, "name": name, "uid": uid, "controller": true }])
}

impl Rig {
    fn put(&self, wire: &Value) {
        self.job.store.apply(serde_json::from_str(&wire.to_string()).unwrap());
    }

    fn look(&self) -> JoinHandle<Result<Outcome, Error>> {
        let job = self.job.clone();
        tokio::spawn(async move { job.reconcile(&key()).await })
    }

    async fn expect(&mut self, line: &str) -> Call {
        let call = self.server.next().await;
        assert_eq!(call.line(), line, "{}", call.body);
        call
    }

    async fn ca(&mut self) {
        let secret = stored(&self.authority.secret_data(), Value::Null);
        self.expect(&format!("GET {CA}/demo-controller-ca")).await.json(200, &secret);
    }

    /// The secret that was asked for, so that no more than the status is left to say.
    async fn secret(&mut self, answer: &Value) {
        let code = if answer["kind"] == "Status" { answer["code"].as_u64().unwrap() as u16 } else { 200 };
        self.expect(&format!("GET {SECRETS}/app1-pki")).await.json(code, answer);
    }

    async fn status(&mut self) -> Value {
        self.status_at("7").await
    }

    /// The condition that is written, on the basis of this version.
    async fn status_at(&mut self, version: &str) -> Value {
        let call = self.expect(STATUS).await;
        let answer = written(&call);
        let condition = call.body["status"]["conditions"][0].clone();
        assert_eq!(call.body["metadata"]["resourceVersion"], version, "of the Pki that was judged");
        call.json(200, &answer);
        condition
    }

    async fn nothing_more(&mut self) {
        let more = self.server.next_within(Duration::from_secs(5)).await.map(|call| call.line());
        assert_eq!(more, None);
    }

    fn issued(&self) -> BTreeMap<String, ByteString> {
        let request = validate(&json!({ "serviceName": "app1" })).unwrap();
        self.authority.issue(&request, &key(), Timestamp::now(), rand::random()).unwrap().secret_data()
    }
}

/// What the server answers to a patch of the status: the Pki, in the next version.
fn written(patch: &Call) -> Value {
    let mut pki = pki("app1");
    pki["status"] = patch.body["status"].clone();
    pki["metadata"]["resourceVersion"] = "8".into();
    pki
}

fn not_found() -> Value {
    status(404, "NotFound", "secrets \"app1-pki\" not found")
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_allowed_gets_a_certificate_and_a_status_that_says_so() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&not_found()).await;
    let created = rig.expect(&format!("POST {SECRETS}")).await;
    let secret = created.body.clone();
    created.json(201, &secret);
    assert_eq!(secret["type"], "kubernetes.io/tls");
    assert_eq!(secret["metadata"]["labels"]["app.kubernetes.io/managed-by"], "demo-controller");
    assert_eq!(secret["metadata"]["ownerReferences"], owner("Pki", "app1-pki", "u1"), "and no blockOwnerDeletion");
    let mut files: Vec<_> = secret["data"].as_object().unwrap().keys().cloned().collect();
    files.sort();
    assert_eq!(files, ["ca.crt", "tls.crt", "tls.key"]);
    let condition = rig.status().await;
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("True"), &json!("Issued")));
    assert!(matches!(look.await.unwrap(), Ok(Outcome::RequeueAfter(_))), "comes back for the renewal");
    let event = rig.events.next().await;
    assert_eq!((&event.body["reason"], &event.body["type"]), (&json!("Issued"), &json!("Normal")));
    assert_eq!(event.body["involvedObject"]["kind"], "Pki");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_valid_costs_one_get_and_no_write() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let secret = stored(&rig.issued(), owner("Pki", "app1-pki", "u1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&secret).await;
    let call = rig.expect(STATUS).await;
    let mut settled = pki("app1");
    settled["status"] = call.body["status"].clone();
    settled["metadata"]["resourceVersion"] = "8".into();
    call.json(200, &settled);
    look.await.unwrap().unwrap();

    rig.put(&settled);
    for _ in 0..3 {
        let look = rig.look();
        rig.secret(&secret).await;
        look.await.unwrap().unwrap();
        rig.nothing_more().await;
    }
    assert!(rig.events.next_within(Duration::from_secs(60)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_on_the_list_is_told_to_the_pki_and_to_its_pods_once() {
    let mut rig = rig(&["pod-1", "pod-2"]);
    rig.put(&pki("appp1"));
    let look = rig.look();
    let condition = rig.status().await;
    let message = "ServiceName: appp1 in pki: app1-pki is not found in allowedNames: [app1 app2]";
    assert_eq!((&condition["reason"], &condition["message"]), (&json!("NameNotAllowed"), &json!(message)));
    assert!(matches!(look.await.unwrap(), Err(Error::Permanent { requeue_after: Some(_), .. })));
    let mut told = Vec::new();
    for _ in 0..3 {
        let event = rig.events.next().await;
        assert_eq!(event.body["reason"], "pki ServiceName error");
        assert_eq!((&event.body["message"], &event.body["type"]), (&json!(message), &json!("Warning")));
        assert_eq!(event.body["source"]["component"], "controlplane");
        told.push(event.body["involvedObject"]["name"].as_str().unwrap().to_owned());
        let body = event.body.clone();
        event.json(201, &body);
    }
    told.sort();
    assert_eq!(told, ["app1-pki", "pod-1", "pod-2"]);

    // A resync looks again: no Secret is even asked for, and nobody is told again.
    let mut again = pki("appp1");
    again["status"] = json!({ "observedGeneration": 1, "conditions": [condition] });
    again["metadata"]["resourceVersion"] = "8".into();
    rig.put(&again);
    rig.look().await.unwrap().unwrap_err();
    rig.nothing_more().await;
    assert!(rig.events.next_within(Duration::from_secs(60)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_makes_no_sense_is_told_to_its_owner() {
    let mut rig = rig(&["pod-1"]);
    let mut wrong = pki("app1");
    wrong["spec"] = json!({ "serviceName": 7 });
    rig.put(&wrong);
    let look = rig.look();
    assert_eq!(rig.status().await["reason"], "InvalidSpec");
    assert!(matches!(look.await.unwrap(), Err(Error::Permanent { .. })));
    let event = rig.events.next().await;
    assert_eq!((&event.body["reason"], &event.body["involvedObject"]["kind"]), (&json!("InvalidSpec"), &json!("Pki")));
    assert!(rig.events.next_within(Duration::from_secs(5)).await.is_none(), "the pod is told of names only");
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_someone_else_is_never_touched() {
    for owners in [Value::Null, owner("Certificate", "app1-pki", "u9"), owner("Pki", "another", "u9")] {
        let mut rig = rig(&[]);
        rig.put(&pki("app1"));
        let look = rig.look();
        rig.ca().await;
        rig.secret(&stored(&BTreeMap::new(), owners)).await;
        assert_eq!(rig.status().await["reason"], "SecretConflict");
        assert!(matches!(look.await.unwrap(), Err(Error::Permanent { .. })));
        rig.nothing_more().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_secret_of_an_earlier_pki_of_this_name_is_waited_for() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&stored(&rig.issued(), owner("Pki", "app1-pki", "u0"))).await;
    assert!(matches!(look.await.unwrap(), Err(Error::Unavailable(_))));
    rig.nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_is_faster_with_the_secret_is_looked_at_again() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&not_found()).await;
    rig.expect(&format!("POST {SECRETS}")).await.status(409, "AlreadyExists", "secrets \"app1-pki\" already exists");
    assert!(matches!(look.await.unwrap(), Err(Error::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_secret_is_mended_at_the_version_that_was_checked() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let mut damaged = rig.issued();
    damaged.insert("tls.key".into(), ByteString(b"not a key".to_vec()));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&stored(&damaged, owner("Pki", "app1-pki", "u1"))).await;
    let patch = rig.expect(&format!("PATCH {SECRETS}/app1-pki")).await;
    assert_eq!(patch.body["metadata"], json!({ "resourceVersion": "50" }));
    patch.json(200, &json!({ "metadata": {} }));
    assert_eq!(rig.status().await["reason"], "Issued");
    look.await.unwrap().unwrap();
    assert_eq!(rig.events.next().await.body["reason"], "Renewed");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_someone_made_immutable_is_told_at_once() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&stored(&BTreeMap::new(), owner("Pki", "app1-pki", "u1"))).await;
    rig.expect(&format!("PATCH {SECRETS}/app1-pki")).await.status(
        422,
        "Invalid",
        "data: Forbidden: field is immutable",
    );
    assert_eq!(rig.status().await["reason"], "IssueFailed");
    assert!(matches!(look.await.unwrap(), Err(Error::Permanent { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_immutable_secret_that_will_do_is_fine_and_one_that_will_not_is_not_even_tried() {
    for good in [true, false] {
        let mut rig = rig(&[]);
        rig.put(&pki("app1"));
        let data = if good { rig.issued() } else { BTreeMap::new() };
        let mut secret = stored(&data, owner("Pki", "app1-pki", "u1"));
        secret["immutable"] = true.into();
        let look = rig.look();
        rig.ca().await;
        rig.secret(&secret).await;
        assert_eq!(rig.status().await["reason"], if good { "Issued" } else { "IssueFailed" });
        assert_eq!(look.await.unwrap().is_ok(), good);
        rig.nothing_more().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_going_is_not_an_error() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&not_found()).await;
    let mut refusal = status(403, "Forbidden", "because it is being terminated");
    refusal["details"] = json!({ "causes": [{ "reason": "NamespaceTerminating", "message": "" }] });
    rig.expect(&format!("POST {SECRETS}")).await.json(403, &refusal);
    assert_eq!(look.await.unwrap().unwrap(), Outcome::Settled);
    rig.nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_for_a_pki_that_is_going_or_gone() {
    let mut rig = rig(&[]);
    assert_eq!(rig.look().await.unwrap().unwrap(), Outcome::Settled);
    let mut going = pki("appp1");
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    rig.put(&going);
    assert_eq!(rig.look().await.unwrap().unwrap(), Outcome::Settled);
    rig.job.gave_up(&key(), "why").await.unwrap();
    rig.nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn a_ca_is_created_once_and_never_replaced() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    // Another controller is faster: its CA is taken.
    let look = rig.look();
    rig.expect(&format!("GET {CA}/demo-controller-ca")).await.status(404, "NotFound", "");
    rig.expect(&format!("POST {CA}")).await.status(409, "AlreadyExists", "");
    rig.ca().await;
    rig.secret(&stored(&rig.issued(), owner("Pki", "app1-pki", "u1"))).await;
    assert_eq!(rig.status().await["reason"], "Issued");
    look.await.unwrap().unwrap();

    // Two minutes later it is of no use any more.
    tokio::time::advance(Duration::from_secs(120)).await;
    let look = rig.look();
    let broken = stored(&BTreeMap::new(), Value::Null);
    rig.expect(&format!("GET {CA}/demo-controller-ca")).await.json(200, &broken);
    assert_eq!(rig.status_at("8").await["reason"], "IssueFailed");
    assert!(matches!(look.await.unwrap(), Err(Error::Permanent { .. })));
    rig.nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn another_ca_is_noticed_within_a_minute_and_its_leaves_are_issued_anew() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let secret = stored(&rig.issued(), owner("Pki", "app1-pki", "u1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&secret).await;
    rig.status().await;
    look.await.unwrap().unwrap();

    rig.authority = Authority::create(Timestamp::now(), rand::random()).unwrap();
    tokio::time::advance(Duration::from_secs(61)).await;
    let look = rig.look();
    rig.ca().await;
    rig.secret(&secret).await;
    rig.expect(&format!("PATCH {SECRETS}/app1-pki")).await.json(200, &json!({ "metadata": {} }));
    rig.expect(STATUS).await.status(409, "Conflict", "the object has been modified");
    assert!(matches!(look.await.unwrap(), Err(Error::Unavailable(_))), "a conflict is a new look");
}

#[tokio::test(start_paused = true)]
async fn the_namespace_of_the_ca_that_is_going_is_waited_for() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let look = rig.look();
    rig.expect(&format!("GET {CA}/demo-controller-ca")).await.status(404, "NotFound", "");
    let mut refusal = status(403, "Forbidden", "because it is being terminated");
    refusal["details"] = json!({ "causes": [{ "reason": "NamespaceTerminating", "message": "" }] });
    rig.expect(&format!("POST {CA}")).await.json(403, &refusal);
    assert!(matches!(look.await.unwrap(), Err(Error::Unavailable(_))));
}

/// The cache does not show our last write yet, and what it shows happens to be what we would write next.
#[tokio::test(start_paused = true)]
async fn a_status_is_compared_with_what_was_written_last_and_not_with_an_old_cache() {
    let mut rig = rig(&[]);
    let mut cached = pki("app1");
    rig.put(&cached);
    let secret = stored(&rig.issued(), owner("Pki", "app1-pki", "u1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&secret).await;
    let patch = rig.expect(STATUS).await;
    cached["status"] = patch.body["status"].clone();
    let answer = written(&patch);
    patch.json(200, &answer);
    look.await.unwrap().unwrap();
    rig.put(&answer);

    // Given up: written as version 9, of which the cache hears nothing.
    let job = rig.job.clone();
    let gave_up = tokio::spawn(async move { job.gave_up(&key(), "500 InternalError").await });
    let patch = rig.expect(STATUS).await;
    assert_eq!(patch.body["metadata"]["resourceVersion"], "8");
    let mut answer = written(&patch);
    answer["metadata"]["resourceVersion"] = "9".into();
    patch.json(200, &answer);
    gave_up.await.unwrap().unwrap();

    // And then it works. The cache says Issued, the server does not.
    let look = rig.look();
    rig.secret(&secret).await;
    let patch = rig.expect(STATUS).await;
    assert_eq!(patch.body["metadata"]["resourceVersion"], "9");
    assert_eq!(patch.body["status"]["conditions"][0]["status"], "True");
    let answer = written(&patch);
    patch.json(200, &answer);
    look.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pki_may_not_have_the_name_of_the_ca_even_before_there_is_one() {
    let mut rig = rig(&[]);
    let job = Arc::get_mut(&mut rig.job).unwrap();
    job.ca = CaSecret::new(job.client.clone(), key(), false);
    rig.put(&pki("app1"));
    let look = rig.look();
    assert_eq!(rig.status().await["reason"], "SecretConflict");
    assert!(matches!(look.await.unwrap(), Err(Error::Permanent { .. })));
    rig.nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_given_up_says_so_and_its_own_status_does_not_bring_it_back() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let job = rig.job.clone();
    let gave_up = tokio::spawn(async move { job.gave_up(&key(), "500 InternalError: etcd is unwell").await });
    let condition = rig.status().await;
    assert_eq!(
        (&condition["reason"], &condition["message"]),
        (&json!("IssueFailed"), &json!("500 InternalError: etcd is unwell"))
    );
    assert!(matches!(gave_up.await.unwrap(), Ok(Outcome::RequeueAfter(_))), "and reminds");
    assert_eq!(rig.events.next().await.body["reason"], "IssueFailed");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_cannot_be_written_is_tried_again_and_tells_nobody_twice() {
    let mut rig = rig(&[]);
    rig.put(&pki("appp1"));
    for _ in 0..2 {
        let look = rig.look();
        rig.expect(STATUS).await.status(403, "Forbidden", "no rights");
        assert!(matches!(look.await.unwrap(), Err(Error::Unavailable(_))));
    }
    let event = rig.events.next().await;
    let body = event.body.clone();
    event.json(201, &body);
    assert!(rig.events.next_within(Duration::from_secs(60)).await.is_none());
}
