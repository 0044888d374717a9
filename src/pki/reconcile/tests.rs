//! Reconciles of one Pki against a scripted API server.

use serde_json::Value;
use testkit::{Call, FakeApiServer, api_server, status, terminating};
use tokio::{task::JoinHandle, time::advance};

use super::*;
use crate::{
    events::tests::pod_reference,
    pki::certificate::{Authority, Data},
};

const CA: &str = "/api/v1/namespaces/controlplane/secrets";
const SECRETS: &str = "/api/v1/namespaces/app1/secrets";
const STATUS: &str = "PATCH /apis/box.com/v1/namespaces/app1/pkis/app1-pki/status";

struct Harness {
    job: Arc<PkiReconciler>,
    server: FakeApiServer,
    /// The recorder's API server. It is separate, so that the order of the requests to `server` is certain.
    events: FakeApiServer,
    telemetry: Telemetry,
    authority: Authority,
}

fn key() -> Key {
    Key::new("app1", "app1-pki")
}

fn pki_json(service: &str) -> Value {
    json!({
        "metadata": { "name": "app1-pki", "namespace": "app1", "uid": "u1", "resourceVersion": "7", "generation": 1 },
        "spec": { "serviceName": service },
        // It was reconciled before, so its Secret is read.
        "status": {},
    })
}

fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!([{ "apiVersion": "box.com/v1", "kind": kind, "name": name, "uid": uid, "controller": true }])
}

/// A Secret as the server stores it.
fn stored(data: &Data, owners: Value) -> Value {
    json!({
        "metadata": { "name": "app1-pki", "namespace": "app1", "resourceVersion": "50", "ownerReferences": owners },
        "type": "kubernetes.io/tls", "data": data,
    })
}

fn not_found() -> Value {
    status(404, "NotFound", "secrets \"app1-pki\" not found")
}

impl Harness {
    /// A Pki for this service in the cache, and these pods, which mount its Secret.
    fn new(service: &str, pods: &[&str]) -> Harness {
        let harness = Harness::with(pods, |_| ());
        harness.set_cached(&pki_json(service));
        harness
    }

    /// A reconcile that has read this Secret and written nothing yet.
    async fn with_secret(
        secret: impl FnOnce(&Harness) -> Value,
    ) -> (Harness, JoinHandle<Result<Action, ReconcileError>>) {
        let mut harness = Harness::new("app1", &[]);
        let (reconcile, secret) = (harness.reconcile(), secret(&harness));
        harness.serve_secret(&secret).await;
        harness.serve_ca().await;
        (harness, reconcile)
    }

    /// A Pki with a valid Secret and a cached status. Returns the Secret and the Pki.
    async fn ready() -> (Harness, Value, Value) {
        let mut harness = Harness::new("app1", &[]);
        let secret = harness.valid_secret();
        let reconcile = harness.reconcile();
        harness.serve_secret(&secret).await;
        harness.serve_ca().await;
        let patch = harness.expect(STATUS).await;
        let ready = harness.patched(&patch, "8");
        patch.json(200, &ready);
        reconcile.await.unwrap().unwrap();
        harness.set_cached(&ready);
        (harness, secret, ready)
    }

    fn with(pods: &[&str], change: impl FnOnce(&mut Config)) -> Harness {
        let (client, server) = api_server();
        let (events_client, events) = api_server();
        let telemetry = Telemetry::default();
        let (recorder, writer) = Recorder::new(events_client, "controlplane", false, &telemetry);
        tokio::spawn(writer);
        let pods: Vec<ObjectReference> = pods.iter().map(|name| pod_reference(name)).collect();
        let mut config = Config {
            allowed_names: None,
            ca_secret: Key::new("controlplane", "demo-controller-ca"),
            cluster_domain: "example.org".into(),
            remind: Duration::from_secs(1800),
            dry_run: false,
        };
        change(&mut config);
        let (pkis, pods) = (Arc::new(Store::new()), Arc::new(move |_: &Key| pods.clone()));
        let job = Arc::new(PkiReconciler::new(client, pkis, pods, recorder, &config, &telemetry));
        let authority = Authority::create(Timestamp::now(), rand::random()).unwrap();
        Harness { job, server, events, telemetry, authority }
    }

    /// Sets the Pki in the cache.
    fn set_cached(&self, wire: &Value) {
        self.job.pkis.apply(serde_json::from_str(&wire.to_string()).unwrap());
    }

    fn reconcile(&self) -> JoinHandle<Result<Action, ReconcileError>> {
        let job = self.job.clone();
        tokio::spawn(async move { job.reconcile(&key()).await })
    }

    fn exhaust_retries(&self, why: &'static str) -> JoinHandle<Result<Action, ReconcileError>> {
        let job = self.job.clone();
        tokio::spawn(async move { job.on_retries_exhausted(&key(), why).await })
    }

    async fn expect(&mut self, line: &str) -> Call {
        let call = self.server.next().await;
        assert_eq!(call.line(), line, "{}", call.body);
        call
    }

    /// The Pki after a patch of the status, in this version.
    fn patched(&self, patch: &Call, version: &str) -> Value {
        let mut pki = pki_json("");
        pki["spec"] = self.job.pkis.get(&key()).unwrap().spec.clone();
        pki["status"] = patch.body["status"].clone();
        pki["metadata"]["resourceVersion"] = version.into();
        pki
    }

    /// Responds to the GET of the CA's Secret.
    async fn serve_ca(&mut self) {
        let secret = stored(&self.authority.secret_data(), Value::Null);
        self.expect(&format!("GET {CA}/demo-controller-ca")).await.json(200, &secret);
    }

    /// Responds to the GET of the Pki's Secret.
    async fn serve_secret(&mut self, response: &Value) {
        let code = response["code"].as_u64().map_or(200, |code| code as u16);
        self.expect(&format!("GET {SECRETS}/app1-pki")).await.json(code, response);
    }

    /// Accepts the patch of the status and returns the condition.
    async fn accept_status(&mut self) -> Value {
        let call = self.expect(STATUS).await;
        let condition = call.body["status"]["conditions"][0].clone();
        let version: u32 = call.body["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        let response = self.patched(&call, &(version + 1).to_string());
        call.json(200, &response);
        condition
    }

    /// Accepts the POST of an event and returns it.
    async fn accept_event(&mut self) -> Value {
        let call = self.events.next().await;
        let event = call.body.clone();
        call.json(201, &event);
        event
    }

    /// Returns a date of the Pki's certificate from the metrics.
    fn metric(&self, date: &str) -> Option<f64> {
        let series = format!(r#"pki_certificate_{date}_timestamp_seconds{{namespace="app1",name="app1-pki"}} "#);
        self.telemetry.encode().unwrap().split_once(&series)?.1.lines().next()?.parse().ok()
    }

    async fn assert_no_request(&mut self) {
        let more = self.server.next_within(Duration::from_secs(5)).await.map(|call| call.line());
        assert_eq!(more, None);
        let event = self.events.next_within(Duration::from_secs(5)).await.map(|call| call.body);
        assert_eq!(event, None);
    }

    fn issue(&self) -> Data {
        let request = CertificateRequest::new(&json!({ "serviceName": "app1" }), "app1", "example.org").unwrap();
        self.authority.issue(&request, Timestamp::now(), rand::random()).unwrap().1
    }

    /// A valid Secret of the Pki.
    fn valid_secret(&self) -> Value {
        stored(&self.issue(), owner("Pki", "app1-pki", "u1"))
    }
}

fn is_permanent(result: &Result<Action, ReconcileError>) -> bool {
    matches!(result, Err(ReconcileError::Permanent { requeue_after: Some(_), .. }))
}

#[tokio::test(start_paused = true)]
async fn allowed_name_gets_a_secret_and_a_ready_status() {
    let (mut harness, reconcile) = Harness::with_secret(|_| not_found()).await;
    let created = harness.expect(&format!("POST {SECRETS}")).await;
    let secret = created.body.clone();
    created.json(201, &secret);
    assert_eq!(secret["type"], "kubernetes.io/tls");
    assert_eq!(secret["metadata"]["labels"]["app.kubernetes.io/managed-by"], "demo-controller");
    assert_eq!(secret["metadata"]["ownerReferences"], owner("Pki", "app1-pki", "u1"), "without blockOwnerDeletion");
    assert_eq!(secret["data"].as_object().unwrap().keys().collect::<Vec<_>>(), ["ca.crt", "tls.crt", "tls.key"]);
    let condition = harness.accept_status().await;
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("True"), &json!("Issued")));
    let Ok(Action::RequeueAfter(renewal)) = reconcile.await.unwrap() else { panic!("no renewal") };
    assert!(renewal <= Duration::from_secs(1440 * 3600) && renewal > Duration::from_secs(1290 * 3600), "{renewal:?}");
    let event = harness.accept_event().await;
    assert_eq!((&event["reason"], &event["type"]), (&json!("Issued"), &json!("Normal")));
    assert_eq!(event["involvedObject"]["kind"], "Pki");
    assert!(harness.metric("not_after").unwrap() - harness.metric("renewal").unwrap() >= 720.0 * 3600.0);
    harness.job.pkis.delete(&key());
    harness.reconcile().await.unwrap().unwrap();
    assert_eq!((harness.metric("not_after"), harness.metric("renewal")), (None, None), "removed with the Pki");
}

#[tokio::test(start_paused = true)]
async fn metrics_keep_the_dates_of_the_last_certificate() {
    let mut harness = Harness::with(&[], |_| ());
    let mut pki = pki_json("appp1");
    pki["status"] = json!({ "notAfter": "1970-01-01T00:00:09Z", "renewalTime": "1970-01-01T00:00:07Z" });
    harness.set_cached(&pki);
    let reconcile = harness.reconcile();
    harness.accept_status().await;
    reconcile.await.unwrap().unwrap_err();
    assert_eq!((harness.metric("not_after"), harness.metric("renewal")), (Some(9.0), Some(7.0)));
}

#[tokio::test(start_paused = true)]
async fn serial_number_of_each_certificate_is_random() {
    let mut serials = Vec::new();
    for _ in 0..2 {
        let (mut harness, _reconcile) = Harness::with_secret(|_| not_found()).await;
        let created = harness.expect(&format!("POST {SECRETS}")).await;
        let secret = created.body.clone();
        created.json(201, &secret);
        serials.push(harness.expect(STATUS).await.body["status"]["serialNumber"].to_string());
    }
    assert_ne!(serials[0], serials[1]);
}

#[tokio::test(start_paused = true)]
async fn valid_secret_costs_one_get_and_no_write() {
    let (mut harness, secret, _) = Harness::ready().await;
    for _ in 0..3 {
        let reconcile = harness.reconcile();
        harness.serve_secret(&secret).await;
        reconcile.await.unwrap().unwrap();
        harness.assert_no_request().await;
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_secret_is_reissued_at_the_checked_version() {
    let (mut harness, reconcile) = Harness::with_secret(|harness| {
        let mut damaged = harness.valid_secret();
        damaged["data"].as_object_mut().unwrap().remove("tls.key");
        damaged
    })
    .await;
    let patch = harness.expect(&format!("PATCH {SECRETS}/app1-pki")).await;
    assert_eq!(patch.body["metadata"], json!({ "resourceVersion": "50" }));
    patch.json(200, &json!({ "metadata": {} }));
    assert_eq!(harness.accept_status().await["reason"], "Issued");
    reconcile.await.unwrap().unwrap();
    assert_eq!(harness.accept_event().await["reason"], "Renewed");
}

#[tokio::test(start_paused = true)]
async fn name_not_allowed_is_reported_to_pki_and_pods_once() {
    let mut harness = Harness::new("appp1", &["pod-1", "pod-2"]);
    let reconcile = harness.reconcile();
    let condition = harness.accept_status().await;
    let message = "ServiceName: appp1 in pki: app1-pki is not found in allowedNames: [app1 app2]";
    assert_eq!((&condition["reason"], &condition["message"]), (&json!("NameNotAllowed"), &json!(message)));
    assert!(is_permanent(&reconcile.await.unwrap()));
    let mut objects = Vec::new();
    for _ in 0..3 {
        let event = harness.accept_event().await;
        assert_eq!((&event["reason"], &event["message"]), (&json!("pki ServiceName error"), &json!(message)));
        assert_eq!((&event["type"], &event["source"]["component"]), (&json!("Warning"), &json!("controlplane")));
        objects.push(event["involvedObject"]["name"].as_str().unwrap().to_owned());
    }
    objects.sort();
    assert_eq!(objects, ["app1-pki", "pod-1", "pod-2"]);
    // A resync reads no Secret and repeats no event.
    harness.reconcile().await.unwrap().unwrap_err();
    harness.assert_no_request().await;
}

#[tokio::test(start_paused = true)]
async fn error_that_returns_after_a_success_is_recorded_again() {
    let mut harness = Harness::new("appp1", &[]);
    for version in ["10", "20"] {
        let mut wrong = pki_json("appp1");
        wrong["metadata"]["resourceVersion"] = version.into();
        harness.set_cached(&wrong);
        let reconcile = harness.reconcile();
        harness.accept_status().await;
        reconcile.await.unwrap().unwrap_err();
        assert_eq!(harness.accept_event().await["reason"], "pki ServiceName error", "at version {version}");
        let mut right = pki_json("app1");
        right["metadata"]["resourceVersion"] = (version.to_owned() + "5").into();
        harness.set_cached(&right);
        let (reconcile, secret) = (harness.reconcile(), harness.valid_secret());
        harness.serve_secret(&secret).await;
        if version == "10" {
            harness.serve_ca().await;
        }
        harness.accept_status().await;
        reconcile.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_spec_is_reported_only_to_the_pki() {
    let mut harness = Harness::with(&["pod-1"], |_| ());
    let mut wrong = pki_json("app1");
    wrong["spec"] = json!({ "serviceName": 7 });
    harness.set_cached(&wrong);
    let reconcile = harness.reconcile();
    assert_eq!(harness.accept_status().await["reason"], "InvalidSpec");
    assert!(is_permanent(&reconcile.await.unwrap()));
    let event = harness.accept_event().await;
    assert_eq!((&event["reason"], &event["involvedObject"]["kind"]), (&json!("InvalidSpec"), &json!("Pki")));
    harness.assert_no_request().await;
}

#[tokio::test(start_paused = true)]
async fn deleted_pki_causes_no_write() {
    let mut harness = Harness::with(&[], |_| ());
    let mut deleting = pki_json("appp1");
    deleting["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    for present in [None, Some(&deleting)] {
        present.into_iter().for_each(|pki| harness.set_cached(pki));
        assert_eq!(harness.reconcile().await.unwrap().unwrap(), Action::AwaitChange);
        assert_eq!(harness.exhaust_retries("why").await.unwrap().unwrap(), Action::AwaitChange);
    }
    harness.assert_no_request().await;
}

#[tokio::test(start_paused = true)]
async fn dry_run_marks_every_write() {
    let mut harness = Harness::with(&[], |config| config.dry_run = true);
    harness.set_cached(&pki_json("app1"));
    let _reconcile = harness.reconcile();
    harness.serve_secret(&not_found()).await;
    harness.expect(&format!("GET {CA}/demo-controller-ca")).await.json(404, &not_found());
    for line in [&format!("POST {CA}"), &format!("POST {SECRETS}"), STATUS] {
        let write = harness.expect(line).await;
        assert_eq!(write.param("dryRun"), "All", "{line}");
        let body = write.body.clone();
        write.json(201, &body);
    }
}

/// The cache does not show the last write yet. It shows the status that is written next.
#[tokio::test(start_paused = true)]
async fn status_is_compared_with_the_last_write() {
    let (mut harness, secret, ready) = Harness::ready().await;
    // This write makes version 9, which the cache does not show.
    let report = harness.exhaust_retries("500 InternalError");
    harness.serve_secret(&not_found()).await;
    assert_eq!(harness.accept_status().await["status"], "False");
    report.await.unwrap().unwrap();
    let reconcile = harness.reconcile();
    harness.serve_secret(&secret).await;
    let patch = harness.expect(STATUS).await;
    assert_eq!(patch.body["metadata"]["resourceVersion"], "9");
    assert_eq!(patch.body["status"]["conditions"][0]["status"], "True");
    patch.json(200, &ready);
    reconcile.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn failure_without_retries_left_is_reported() {
    let mut harness = Harness::new("app1", &[]);
    let report = harness.exhaust_retries("500 InternalError:\n etcd");
    harness.serve_secret(&not_found()).await;
    let condition = harness.accept_status().await;
    assert_eq!(
        (&condition["reason"], &condition["message"]),
        (&json!("IssueFailed"), &json!("500 InternalError: etcd"))
    );
    assert!(matches!(report.await.unwrap(), Ok(Action::RequeueAfter(_))), "a reminder");
    assert_eq!(harness.accept_event().await["reason"], "IssueFailed");
}

#[tokio::test(start_paused = true)]
async fn failed_status_write_is_retried_and_reported_once() {
    let mut harness = Harness::new("appp1", &[]);
    for _ in 0..2 {
        let reconcile = harness.reconcile();
        harness.expect(STATUS).await.status(403, "Forbidden", "no access");
        assert!(matches!(reconcile.await.unwrap(), Err(ReconcileError::Unavailable(_))));
    }
    harness.accept_event().await;
    harness.assert_no_request().await;
}

#[tokio::test(start_paused = true)]
async fn deleted_pki_is_recognized_by_the_details_of_a_404() {
    let details = json!({ "name": "app1-pki", "group": "box.com", "kind": "pkis" });
    for (message, details, is_deleted) in [
        ("any message", details, true),
        ("404 page not found", Value::Null, false),
        ("namespace not found", json!({ "name": "app1", "kind": "namespaces" }), false),
    ] {
        let mut harness = Harness::new("appp1", &[]);
        let reconcile = harness.reconcile();
        let mut response = status(404, "NotFound", message);
        response["details"] = details;
        harness.expect(STATUS).await.json(404, &response);
        let result = reconcile.await.unwrap();
        assert_eq!(is_permanent(&result), is_deleted, "{message}");
        assert_eq!(matches!(result, Err(ReconcileError::Unavailable(_))), !is_deleted, "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn secret_that_the_pki_does_not_control_is_never_touched() {
    for owners in [Value::Null, owner("Certificate", "app1-pki", "u9"), owner("Pki", "another", "u9")] {
        let mut harness = Harness::new("app1", &[]);
        let reconcile = harness.reconcile();
        harness.serve_secret(&stored(&Data::new(), owners)).await;
        let condition = harness.accept_status().await;
        assert_eq!(condition["reason"], "SecretConflict");
        assert!(condition["message"].as_str().unwrap().contains("once a minute"), "{condition}");
        assert!(is_permanent(&reconcile.await.unwrap()));
        assert_eq!(harness.accept_event().await["reason"], "SecretConflict");
        harness.assert_no_request().await;
    }
}

#[tokio::test(start_paused = true)]
async fn secret_conflict_is_checked_each_minute_without_an_event() {
    let mut harness = Harness::new("app1", &[]);
    let foreign = stored(&Data::new(), Value::Null);
    for i in 0..3 {
        let reconcile = harness.reconcile();
        harness.serve_secret(&foreign).await;
        if i == 0 {
            harness.accept_status().await;
            harness.accept_event().await;
        }
        let minute = Duration::from_secs(60);
        let result = reconcile.await.unwrap();
        assert!(
            matches!(&result, Err(ReconcileError::Permanent { requeue_after, .. }) if *requeue_after == Some(minute)),
            "{result:?}"
        );
        harness.assert_no_request().await;
        advance(minute).await;
    }
    let reconcile = harness.reconcile();
    let secret = harness.valid_secret();
    harness.serve_secret(&secret).await;
    harness.serve_ca().await;
    assert_eq!(harness.accept_status().await["reason"], "Issued");
    reconcile.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn wait_for_a_secret_is_reported_after_some_seconds() {
    for (uid, finalizer) in [("u1", true), ("u0", true), ("u0", false)] {
        let mut harness = Harness::new("app1", &[]);
        let mut secret = stored(&harness.issue(), owner("Pki", "app1-pki", uid));
        if finalizer {
            secret["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            secret["metadata"]["finalizers"] = json!(["example.com/hold"]);
        }
        for reported in [false, true, false] {
            let reconcile = harness.reconcile();
            harness.serve_secret(&secret).await;
            if reported {
                let condition = harness.accept_status().await;
                assert_eq!(
                    (&condition["status"], &condition["reason"]),
                    (&json!("False"), &json!("SecretTerminating"))
                );
                let waits_for = if finalizer { "example.com/hold" } else { "garbage collector" };
                assert!(condition["message"].as_str().unwrap().contains(waits_for), "{condition}");
                let event = harness.accept_event().await;
                assert_eq!((&event["reason"], &event["message"]), (&condition["reason"], &condition["message"]));
            }
            assert!(matches!(reconcile.await.unwrap(), Err(ReconcileError::Unavailable(_))));
            harness.assert_no_request().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn secret_created_by_another_writer_is_retried() {
    let (mut harness, reconcile) = Harness::with_secret(|_| not_found()).await;
    harness.expect(&format!("POST {SECRETS}")).await.status(
        409,
        "AlreadyExists",
        "secrets \"app1-pki\" already exists",
    );
    assert!(matches!(reconcile.await.unwrap(), Err(ReconcileError::Unavailable(_))));
    harness.assert_no_request().await;
}

#[tokio::test(start_paused = true)]
async fn immutable_secret_is_reported_at_once() {
    let (mut harness, reconcile) = Harness::with_secret(|_| stored(&Data::new(), owner("Pki", "app1-pki", "u1"))).await;
    let patch = harness.expect(&format!("PATCH {SECRETS}/app1-pki")).await;
    patch.status(422, "Invalid", "data: Forbidden: field is immutable");
    assert_eq!(harness.accept_status().await["reason"], "IssueFailed");
    assert!(is_permanent(&reconcile.await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn short_renew_before_is_in_the_condition() {
    let mut harness = Harness::new("app1", &[]);
    let mut pki = pki_json("app1");
    pki["spec"]["renewBefore"] = "1m".into();
    pki["metadata"]["resourceVersion"] = "8".into();
    harness.set_cached(&pki);
    let reconcile = harness.reconcile();
    harness.serve_secret(&not_found()).await;
    harness.serve_ca().await;
    let created = harness.expect(&format!("POST {SECRETS}")).await;
    let secret = created.body.clone();
    created.json(201, &secret);
    let condition = harness.accept_status().await;
    assert_eq!(condition["status"], "True");
    assert!(
        condition["message"].as_str().unwrap().contains("spec.renewBefore is less: expected at least 5m"),
        "{condition}"
    );
    reconcile.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn failed_renewal_keeps_a_valid_certificate_ready() {
    for immutable in [true, false] {
        let (mut harness, secret, _) = Harness::ready().await;
        // Another CA: the certificate has to be replaced.
        harness.authority = Authority::create(Timestamp::now(), rand::random()).unwrap();
        advance(Duration::from_secs(61)).await;
        let reconcile = harness.reconcile();
        harness.serve_secret(&secret).await;
        if immutable {
            harness.serve_ca().await;
            let patch = harness.expect(&format!("PATCH {SECRETS}/app1-pki")).await;
            patch.status(422, "Invalid", "data: Forbidden: field is immutable");
            assert!(is_permanent(&reconcile.await.unwrap()));
        } else {
            harness.expect(&format!("GET {CA}/demo-controller-ca")).await.status(500, "InternalError", "etcd");
            let Err(ReconcileError::Transient(why)) = reconcile.await.unwrap() else { panic!("no retry") };
            assert!(why.contains("the CA in Secret controlplane/demo-controller-ca: 500"), "{why}");
            let report = harness.exhaust_retries("500");
            harness.serve_secret(&secret).await;
            report.await.unwrap().unwrap();
        }
        let event = harness.accept_event().await;
        assert_eq!((&event["type"], &event["reason"]), (&json!("Warning"), &json!("RenewFailed")));
        harness.assert_no_request().await;
    }
}

#[tokio::test(start_paused = true)]
async fn unreadable_secret_delays_the_report_of_exhausted_retries() {
    let (mut harness, ..) = Harness::ready().await;
    let report = harness.exhaust_retries("500 InternalError");
    harness.serve_secret(&status(503, "ServiceUnavailable", "")).await;
    assert!(matches!(report.await.unwrap(), Err(ReconcileError::Unavailable(_))));
    harness.assert_no_request().await;
}

#[tokio::test(start_paused = true)]
async fn terminating_namespace_is_not_retried() {
    let (mut harness, reconcile) = Harness::with_secret(|_| not_found()).await;
    harness.expect(&format!("POST {SECRETS}")).await.json(403, &terminating());
    assert_eq!(reconcile.await.unwrap().unwrap(), Action::AwaitChange);
    harness.assert_no_request().await;
}

#[tokio::test(start_paused = true)]
async fn ca_created_by_another_controller_is_used() {
    let mut harness = Harness::new("app1", &[]);
    let (reconcile, secret) = (harness.reconcile(), harness.valid_secret());
    harness.serve_secret(&secret).await;
    harness.expect(&format!("GET {CA}/demo-controller-ca")).await.json(404, &not_found());
    let created = harness.expect(&format!("POST {CA}")).await;
    assert_eq!(created.body["type"], "kubernetes.io/tls");
    assert_eq!(created.body["metadata"]["labels"]["app.kubernetes.io/managed-by"], "demo-controller");
    created.status(409, "AlreadyExists", "");
    harness.serve_ca().await;
    assert_eq!(harness.accept_status().await["reason"], "Issued");
    reconcile.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn unusable_ca_is_not_replaced_and_keeps_valid_certificates() {
    let mut harness = Harness::new("app1", &[]);
    // The certificate is valid, then its Secret is deleted.
    for valid in [true, false] {
        let secret = if valid { harness.valid_secret() } else { not_found() };
        let reconcile = harness.reconcile();
        let unusable = stored(&Data::new(), Value::Null);
        harness.serve_secret(&secret).await;
        harness.expect(&format!("GET {CA}/demo-controller-ca")).await.json(200, &unusable);
        let condition = harness.accept_status().await;
        let expected = if valid { ("True", "Issued") } else { ("False", "IssueFailed") };
        assert_eq!((&condition["status"], &condition["reason"]), (&json!(expected.0), &json!(expected.1)));
        assert!(is_permanent(&reconcile.await.unwrap()));
        let event = harness.accept_event().await;
        let reason = if valid { "RenewFailed" } else { "IssueFailed" };
        assert_eq!((&event["type"], &event["reason"]), (&json!("Warning"), &json!(reason)));
        let message = "the CA in Secret controlplane/demo-controller-ca cannot be used: tls.crt is missing";
        assert!(event["message"].as_str().unwrap().starts_with(message), "{event}");
        harness.assert_no_request().await;
    }
}

#[tokio::test(start_paused = true)]
async fn replaced_ca_is_used_after_a_minute() {
    let mut harness = Harness::new("app1", &[]);
    let secret = harness.valid_secret();
    let reconcile = harness.reconcile();
    harness.serve_secret(&secret).await;
    harness.serve_ca().await;
    harness.accept_status().await;
    reconcile.await.unwrap().unwrap();

    harness.authority = Authority::create(Timestamp::now(), rand::random()).unwrap();
    advance(Duration::from_secs(61)).await;
    let reconcile = harness.reconcile();
    harness.serve_secret(&secret).await;
    harness.serve_ca().await;
    harness.expect(&format!("PATCH {SECRETS}/app1-pki")).await.json(200, &json!({ "metadata": {} }));
    harness.expect(STATUS).await.status(409, "Conflict", "the object has been modified");
    assert!(matches!(reconcile.await.unwrap(), Err(ReconcileError::Unavailable(_))), "reconcile again");
}

#[tokio::test(start_paused = true)]
async fn wait_for_the_namespace_of_the_ca_is_reported() {
    let mut harness = Harness::new("app1", &[]);
    for reported in [false, true] {
        let reconcile = harness.reconcile();
        harness.serve_secret(&not_found()).await;
        harness.expect(&format!("GET {CA}/demo-controller-ca")).await.json(404, &not_found());
        harness.expect(&format!("POST {CA}")).await.json(403, &terminating());
        if reported {
            assert_eq!(harness.accept_status().await["reason"], "IssueFailed");
            harness.accept_event().await;
        }
        assert!(matches!(reconcile.await.unwrap(), Err(ReconcileError::Unavailable(_))));
        harness.assert_no_request().await;
    }
}

#[tokio::test(start_paused = true)]
async fn pki_named_like_the_ca_secret_is_a_conflict() {
    let mut harness = Harness::with(&[], |config| config.ca_secret = key());
    harness.set_cached(&pki_json("app1"));
    let reconcile = harness.reconcile();
    assert_eq!(harness.accept_status().await["reason"], "SecretConflict");
    assert!(is_permanent(&reconcile.await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn secret_of_a_new_pki_is_created_without_a_read() {
    let mut harness = Harness::new("app1", &[]);
    let mut new = pki_json("app1");
    new["status"] = Value::Null;
    new["metadata"]["resourceVersion"] = "8".into();
    harness.set_cached(&new);
    let reconcile = harness.reconcile();
    harness.serve_ca().await;
    let post = harness.expect(&format!("POST {SECRETS}")).await;
    // There was one: it is read, and its valid certificate stays.
    let secret = harness.valid_secret();
    post.json(409, &status(409, "AlreadyExists", ""));
    harness.serve_secret(&secret).await;
    assert_eq!(harness.accept_status().await["reason"], "Issued");
    assert!(matches!(reconcile.await.unwrap(), Ok(Action::RequeueAfter(_))));
    harness.assert_no_request().await;
}
