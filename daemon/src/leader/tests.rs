use serde_json::{Value, json};
use testkit::{Call, FakeApiServer, Log, api_server, pass};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    machine::{LEASE_DURATION, RENEW_DEADLINE},
    *,
};

const COLLECTION: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases";
const OBJECT: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/demo-controller";

type LeadResult = Result<(), LeadError<&'static str>>;

/// A process under [`lead`], and the API server.
struct Harness {
    server: FakeApiServer,
    telemetry: Telemetry,
    stop: CancellationToken,
    lead: JoinHandle<LeadResult>,
    /// Sent by the work when it starts.
    started: oneshot::Receiver<Client>,
    /// Ends the work with a result. Closed when the work is dropped.
    end: Option<oneshot::Sender<Result<(), &'static str>>>,
    /// The stored Lease.
    lease: Value,
    version: u64,
}

impl Harness {
    fn start() -> Harness {
        let (client, server) = api_server();
        let candidate = Candidate { name: Some("pod-1".into()), namespace: "ns".into() };
        let (telemetry, stop) = (Telemetry::default(), CancellationToken::new());
        let ((start, started), (end, ended)) = (oneshot::channel(), oneshot::channel());
        let lead = tokio::spawn({
            let (telemetry, stop) = (telemetry.clone(), stop.clone());
            async move {
                let work = async |client| {
                    start.send(client).ok();
                    ended.await.unwrap()
                };
                lead(client, candidate, &telemetry, &stop, work).await
            }
        });
        Harness { server, telemetry, stop, lead, started, end: Some(end), lease: Value::Null, version: 0 }
    }

    /// Responds to the next request as the API server does, and returns the request.
    async fn serve(&mut self) -> (String, Value) {
        let call = self.server.next().await;
        let (line, body) = (call.line(), call.body.clone());
        self.respond(call);
        (line, body)
    }

    fn respond(&mut self, call: Call) {
        let stored = &self.lease["metadata"]["resourceVersion"];
        match call.method.as_str() {
            "GET" if self.lease.is_null() => call.status(404, "NotFound", "no such Lease"),
            "GET" => call.json(200, &self.lease),
            _ if call.body["metadata"]["resourceVersion"] != *stored => call.status(409, "Conflict", "another version"),
            _ => {
                self.store(call.body.clone());
                call.json(200, &self.lease);
            }
        }
    }

    fn store(&mut self, mut lease: Value) {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = self.version.to_string().into();
        lease["metadata"]["uid"] = "u".into();
        self.lease = lease;
    }

    fn store_lease_of(&mut self, holder: &str) {
        let spec = json!({ "holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 3 });
        self.store(json!({ "metadata": { "name": LEASE_NAME, "namespace": "ns" }, "spec": spec }));
    }

    async fn leading() -> Harness {
        let mut harness = Harness::start();
        harness.serve().await;
        harness.serve().await;
        (&mut harness.started).await.unwrap();
        harness
    }

    fn metric(&self) -> i64 {
        let gauge = self.telemetry.metrics::<LeaderMetrics>().0;
        gauge.get_or_create(&[("name", LEASE_NAME)]).get()
    }

    /// Ends the work.
    fn finish(&mut self, result: Result<(), &'static str>) {
        self.end.take().unwrap().send(result).unwrap();
    }

    fn work_is_dropped(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.is_closed())
    }

    async fn result(self) -> LeadResult {
        self.lead.await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn first_candidate_creates_the_lease_and_works() {
    let mut harness = Harness::start();
    assert_eq!(harness.serve().await.0, format!("GET {OBJECT}"));
    assert!(harness.started.try_recv().is_err() && harness.metric() == 0);
    let (line, lease) = harness.serve().await;
    assert_eq!(line, format!("POST {COLLECTION}"));
    assert_eq!(lease["metadata"], json!({ "name": LEASE_NAME }));
    let spec = &lease["spec"];
    assert!(spec["holderIdentity"].as_str().is_some_and(|name| name.starts_with("pod-1_") && name.len() == 22));
    assert_eq!((&spec["leaseDurationSeconds"], &spec["leaseTransitions"]), (&15.into(), &0.into()));
    // The API server accepts microseconds only: 2026-01-02T03:04:05.123456Z.
    for time in ["acquireTime", "renewTime"] {
        let text = spec[time].as_str().unwrap();
        assert!(text.len() == 27 && text.ends_with('Z') && text.as_bytes()[19] == b'.', "{text}");
    }
    (&mut harness.started).await.unwrap();
    assert_eq!(harness.metric(), 1);
    let text = harness.telemetry.encode().unwrap();
    assert!(text.contains(r#"leader_election_master_status{name="demo-controller"} 1"#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn standby_works_after_the_lease_has_expired() {
    let log = Log::start(tracing::Level::INFO);
    let mut harness = Harness::start();
    harness.store_lease_of("other");
    let start = Instant::now();
    while !harness.serve().await.0.starts_with("PUT") {
        assert!(harness.started.try_recv().is_err(), "a standby does not work");
    }
    assert_eq!(start.elapsed(), LEASE_DURATION);
    (&mut harness.started).await.unwrap();
    assert_eq!(harness.lease["spec"]["leaseTransitions"], 4);
    let lines: Vec<_> =
        log.lines().iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(lines, ["standby: another process leads", "became the leader"]);
}

#[tokio::test(start_paused = true)]
async fn leader_without_renewal_drops_the_work_after_10_seconds() {
    let mut harness = Harness::leading().await;
    let renewal = harness.server.next().await;
    let sent = Instant::now();
    pass(Duration::from_secs(1)).await;
    harness.respond(renewal);
    let mut hanging = Vec::new();
    while let Some(call) = harness.server.next_within(RENEW_DEADLINE).await {
        assert!(!harness.work_is_dropped() || sent.elapsed() >= RENEW_DEADLINE);
        hanging.push(call);
    }
    assert!(hanging.len() >= 2, "a hanging request is followed by another");
    assert!(harness.work_is_dropped() && harness.metric() == 0 && harness.stop.is_cancelled());
    let error = harness.result().await.unwrap_err();
    let expected = "lost the Lease ns/demo-controller: not renewed for 10s; ";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[tokio::test(start_paused = true)]
async fn lost_lease_is_not_logged_as_standby() {
    let log = Log::start(tracing::Level::INFO);
    let mut harness = Harness::leading().await;
    harness.store_lease_of("other");
    while !harness.work_is_dropped() {
        harness.serve().await;
        pass(Duration::from_millis(1)).await;
    }
    let error = harness.result().await.unwrap_err().to_string();
    assert!(error.starts_with("lost the Lease ns/demo-controller: other holds it now; "), "{error}");
    assert!(log.lines().iter().all(|line| line["message"] == "became the leader"), "{:?}", log.lines());
}

/// As in a stopped process: the election does not run, but the clock does.
#[tokio::test(start_paused = true)]
async fn fence_closes_at_the_deadline_by_itself() {
    let (client, mut server) = api_server();
    let candidate = Candidate { name: None, namespace: "ns".into() };
    let mut elector = LeaderElector::new(client, &candidate, &Telemetry::default());
    let responses = async {
        server.next().await.status(404, "NotFound", "no such Lease");
        let call = server.next().await;
        let lease = call.body.clone();
        call.json(201, &lease);
    };
    tokio::join!(elector.acquire(), responses);
    let opened = Instant::now();
    pass(RENEW_DEADLINE - Duration::from_millis(1)).await;
    assert!(elector.fence.is_open());
    pass(Duration::from_millis(1)).await;
    assert!(!elector.fence.is_open() && opened.elapsed() == RENEW_DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn client_of_the_work_is_fenced() {
    let mut harness = Harness::start();
    harness.serve().await;
    harness.serve().await;
    let client = (&mut harness.started).await.unwrap();
    harness.finish(Ok(()));
    assert_eq!(harness.serve().await.0, format!("GET {OBJECT}"), "the release starts");
    let write = http::Request::post("/api/v1/pods").body(kube::client::Body::empty()).unwrap();
    let response = timeout(RENEW_DEADLINE, client.send(write)).await.expect("not sent");
    assert!(response.is_err());
}

#[tokio::test(start_paused = true)]
async fn lease_is_renewed_until_the_work_ends_then_released() {
    let mut harness = Harness::leading().await;
    harness.stop.cancel();
    assert!(harness.serve().await.0.starts_with("PUT"), "a renewal during the drain");
    assert_eq!(harness.lease["spec"]["leaseDurationSeconds"], 15);
    harness.finish(Ok(()));
    assert_eq!(harness.serve().await.0, format!("GET {OBJECT}"));
    let call = harness.server.next().await;
    assert_eq!(harness.metric(), 0);
    let spec = &call.body["spec"];
    assert_eq!((&spec["holderIdentity"], &spec["leaseDurationSeconds"]), (&"".into(), &1.into()));
    assert_eq!((call.method.as_str(), &call.body["metadata"]["resourceVersion"]), ("PUT", &"2".into()));
    // A renewal that was in flight was faster.
    call.status(409, "Conflict", "another version");
    assert!(harness.serve().await.0.starts_with("GET"));
    assert!(harness.serve().await.0.starts_with("PUT"));
    assert_eq!(harness.lease["spec"]["holderIdentity"], "");
    assert_eq!(harness.result().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn release_takes_at_most_two_seconds() {
    let mut harness = Harness::leading().await;
    harness.finish(Ok(()));
    let (_hangs, start) = (harness.server.next().await, Instant::now());
    assert_eq!(harness.result().await, Ok(()));
    assert_eq!(start.elapsed(), RELEASE_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn failed_work_keeps_the_lease() {
    let mut harness = Harness::leading().await;
    harness.finish(Err("unfinished"));
    assert!(harness.server.next_within(LEASE_DURATION).await.is_none());
    assert_eq!(harness.result().await, Err(LeadError::Work("unfinished")));
}

#[tokio::test(start_paused = true)]
async fn stopped_standby_ends_at_once_without_work() {
    let mut harness = Harness::start();
    harness.store_lease_of("other");
    harness.serve().await;
    pass(Duration::from_millis(1)).await;
    harness.stop.cancel();
    let start = Instant::now();
    assert_eq!(harness.result().await, Ok(()));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn claim_in_flight_at_the_stop_is_released() {
    let mut harness = Harness::start();
    harness.serve().await;
    let claim = harness.server.next().await;
    harness.stop.cancel();
    let get = harness.server.next().await;
    // The claim arrives late.
    harness.store(claim.body.clone());
    harness.respond(get);
    assert_eq!(harness.serve().await.1["spec"]["holderIdentity"], "");
    assert_eq!(harness.result().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn readyz_reports_a_lease_that_cannot_be_used() {
    let log = Log::start(tracing::Level::INFO);
    let mut harness = Harness::start();
    for _ in 0..10 {
        harness.server.next().await.status(403, "Forbidden", "no access");
    }
    pass(Duration::from_millis(1)).await;
    let ready = |harness: &Harness| harness.telemetry.readiness();
    let expected = "leader: Lease ns/demo-controller cannot be used yet: 403 Forbidden: no access\n";
    assert_eq!(ready(&harness), Err(expected.to_owned()));
    assert!((1..=4).contains(&log.lines().len()), "limited: {:?}", log.lines());
    harness.serve().await;
    harness.server.next().await.status(404, "NotFound", "no such namespace");
    pass(Duration::from_millis(1)).await;
    assert!(ready(&harness).unwrap_err().ends_with("404 NotFound: no such namespace\n"), "absent is not a success");
    harness.store_lease_of("other");
    harness.serve().await;
    pass(Duration::from_millis(1)).await;
    assert_eq!(ready(&harness), Ok(()), "a standby is ready");
    harness.server.next().await.status(403, "Forbidden", "no access");
    pass(Duration::from_millis(1)).await;
    assert_eq!(ready(&harness), Ok(()), "and stays ready");
}

#[test]
fn identity_is_unique() {
    let candidate = Candidate { name: Some("pod-1".into()), namespace: "ns".into() };
    assert_ne!(candidate.new_identity(), candidate.new_identity());
}
