use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    machine::{DURATION, RENEW_DEADLINE, RETRY},
    *,
};
use testkit::{Call, Log, Server, api_server, pass};

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases";
const ONE: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/demo-controller";

/// A candidate that runs, and the API server.
struct Rig {
    election: Arc<Election>,
    server: Server,
    resign: CancellationToken,
    run: JoinHandle<Result<(), Lost>>,
    /// The Lease as it is stored.
    lease: Value,
    version: u64,
}

impl Rig {
    fn start() -> Rig {
        let (client, server) = api_server();
        let candidate = Candidate { name: Some("pod-1".into()), namespace: Some("ns".into()) };
        let election = Arc::new(Election::new(client, &candidate, Metrics::default()));
        let resign = CancellationToken::new();
        let run = tokio::spawn({
            let (election, resign) = (election.clone(), resign.clone());
            async move { election.run(resign).await }
        });
        Rig { election, server, resign, run, lease: Value::Null, version: 0 }
    }

    /// Answers what comes next as an API server does; returns what it was.
    async fn serve(&mut self) -> (String, Value) {
        let call = self.server.next().await;
        let (line, body) = (call.line(), call.body.clone());
        self.answer(call);
        (line, body)
    }

    fn answer(&mut self, call: Call) {
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

    fn taken_by(&mut self, holder: &str) {
        let spec = json!({ "holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 3 });
        self.store(json!({ "metadata": { "name": LEASE, "namespace": "ns" }, "spec": spec }));
    }

    async fn leading() -> Rig {
        let mut rig = Rig::start();
        rig.serve().await;
        rig.serve().await;
        rig.election.elected().cancelled().await;
        rig
    }

    fn is_leading(&self) -> bool {
        assert_eq!(self.election.metrics.0.get() == 1, self.election.fence().is_open());
        self.election.fence().is_open()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_candidate_creates_the_lease_and_leads() {
    let mut rig = Rig::start();
    assert_eq!(rig.serve().await.0, format!("GET {ONE}"));
    assert!(!rig.is_leading() && !rig.election.elected().is_cancelled());
    let (line, lease) = rig.serve().await;
    assert_eq!(line, format!("POST {PATH}"));
    assert_eq!(lease["metadata"], json!({ "name": LEASE }));
    let spec = &lease["spec"];
    assert!(spec["holderIdentity"].as_str().is_some_and(|name| name.starts_with("pod-1_") && name.len() == 22));
    assert_eq!((&spec["leaseDurationSeconds"], &spec["leaseTransitions"]), (&15.into(), &0.into()));
    // The API server takes microseconds, and nothing else: 2026-01-02T03:04:05.123456Z.
    for time in ["acquireTime", "renewTime"] {
        let text = spec[time].as_str().unwrap();
        assert!(text.len() == 27 && text.ends_with('Z') && text.as_bytes()[19] == b'.', "{text}");
    }
    rig.election.elected().cancelled().await;
    assert!(rig.is_leading());
}

#[tokio::test(start_paused = true)]
async fn the_leader_renews_every_two_seconds_at_the_version_that_it_wrote_last() {
    let mut rig = Rig::leading().await;
    let acquired = rig.lease["spec"]["acquireTime"].clone();
    for renewal in 1..50 {
        let before = Instant::now();
        let (line, lease) = rig.serve().await;
        assert_eq!((line, before.elapsed()), (format!("PUT {ONE}"), RETRY));
        assert_eq!(lease["metadata"]["resourceVersion"], renewal.to_string());
        assert_eq!((&lease["spec"]["acquireTime"], &lease["spec"]["leaseTransitions"]), (&acquired, &0.into()));
        assert!(rig.is_leading());
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_stands_by_waits_until_the_lease_has_not_changed_for_its_whole_duration() {
    let log = Log::start(tracing::Level::INFO);
    let mut rig = Rig::start();
    rig.taken_by("other");
    let begun = Instant::now();
    loop {
        let (line, lease) = rig.serve().await;
        if line.starts_with("PUT") {
            assert_eq!(lease["spec"]["leaseTransitions"], 4);
            break;
        }
        assert!(!rig.is_leading());
    }
    assert_eq!(begun.elapsed(), DURATION);
    rig.election.elected().cancelled().await;
    let told: Vec<_> = log.lines().iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(told, ["another process leads, this one stands by", "became the leader"]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_an_answer_has_lost_the_lease_10_seconds_after_the_renewal_was_sent() {
    let mut rig = Rig::leading().await;
    let renewal = rig.server.next().await;
    let sent = Instant::now();
    pass(Duration::from_secs(1)).await;
    rig.answer(renewal);
    // Whatever it asks from now on hangs.
    let mut hung = Vec::new();
    while let Some(call) = rig.server.next_within(RENEW_DEADLINE).await {
        assert!(rig.is_leading() || sent.elapsed() >= RENEW_DEADLINE);
        hung.push(call);
    }
    let lost = rig.run.await.unwrap().unwrap_err();
    assert_eq!(
        lost.to_string(),
        "no longer the leader, Lease ns/demo-controller is lost: not renewed for 10s: ended, to be started again"
    );
    assert!(hung.len() >= 2, "one that hangs is given up for another");
    assert!(!rig.election.fence().is_open());
    assert_eq!(rig.election.metrics.0.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_fence_closes_at_the_deadline_even_if_nothing_else_notices() {
    let rig = Rig::leading().await;
    let opened = Instant::now();
    // As one that is stopped: nobody runs the election, and the clock goes on.
    rig.run.abort();
    pass(RENEW_DEADLINE - Duration::from_millis(1)).await;
    assert!(rig.election.fence().is_open());
    pass(Duration::from_millis(1)).await;
    assert!(!rig.election.fence().is_open() && opened.elapsed() == RENEW_DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn who_finds_anothers_name_has_lost_at_once() {
    let mut rig = Rig::leading().await;
    rig.taken_by("other");
    assert!(rig.serve().await.0.starts_with("PUT"), "a conflict");
    assert!(rig.serve().await.0.starts_with("GET"));
    assert_eq!(rig.run.await.unwrap().unwrap_err().why, "it is other's now");
    assert!(!rig.election.fence().is_open());
}

#[tokio::test(start_paused = true)]
async fn who_resigns_closes_the_fence_and_gives_back_what_it_has_just_read_as_its_own() {
    let mut rig = Rig::leading().await;
    rig.resign.cancel();
    assert_eq!(rig.serve().await.0, format!("GET {ONE}"));
    let call = rig.server.next().await;
    assert!(!rig.is_leading(), "closed first");
    let spec = &call.body["spec"];
    assert_eq!(
        (call.method.as_str(), &spec["holderIdentity"], &spec["leaseDurationSeconds"]),
        ("PUT", &"".into(), &1.into())
    );
    assert_eq!(call.body["metadata"]["resourceVersion"], "1");
    // A renewal that was still on its way was faster: it looks again.
    call.status(409, "Conflict", "another version");
    assert!(rig.serve().await.0.starts_with("GET"));
    assert!(rig.serve().await.0.starts_with("PUT"));
    assert_eq!(rig.run.await.unwrap(), Ok(()));
    assert_eq!(rig.lease["spec"]["holderIdentity"], "");
}

#[tokio::test(start_paused = true)]
async fn who_resigns_leaves_anothers_lease_alone_and_does_not_wait_for_ever() {
    let mut rig = Rig::leading().await;
    rig.taken_by("other");
    rig.resign.cancel();
    assert!(rig.serve().await.0.starts_with("GET"));
    assert_eq!(rig.run.await.unwrap(), Ok(()));
    assert!(rig.server.next_within(DURATION).await.is_none());

    let mut rig = Rig::leading().await;
    rig.resign.cancel();
    let (_hangs, begun) = (rig.server.next().await, Instant::now());
    assert_eq!(rig.run.await.unwrap(), Ok(()));
    assert_eq!(begun.elapsed(), RELEASE_LIMIT);
}

#[tokio::test(start_paused = true)]
async fn who_stands_by_ends_at_once() {
    let mut rig = Rig::start();
    rig.taken_by("other");
    rig.serve().await;
    pass(Duration::from_millis(1)).await;
    rig.resign.cancel();
    let begun = Instant::now();
    assert_eq!(rig.run.await.unwrap(), Ok(()));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_on_its_way_at_the_end_is_given_back_as_well() {
    let mut rig = Rig::start();
    rig.serve().await;
    let claim = rig.server.next().await;
    rig.resign.cancel();
    let look = rig.server.next().await;
    // It arrives all the same.
    rig.store(claim.body.clone());
    rig.answer(look);
    assert_eq!(rig.serve().await.1["spec"]["holderIdentity"], "");
    assert_eq!(rig.run.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn one_that_may_not_read_the_lease_says_so_until_it_may() {
    let log = Log::start(tracing::Level::INFO);
    let mut rig = Rig::start();
    let check = rig.election.check();
    assert_eq!((check.ask)().unwrap_err(), "Lease ns/demo-controller cannot be used yet: waiting for the first answer");
    for _ in 0..10 {
        rig.server.next().await.status(403, "Forbidden", "not yours");
    }
    pass(Duration::from_millis(1)).await;
    assert_eq!((check.ask)().unwrap_err(), "Lease ns/demo-controller cannot be used yet: 403 Forbidden: not yours");
    assert!((1..=4).contains(&log.lines().len()), "a line now and then: {:?}", log.lines());
    rig.serve().await;
    rig.server.next().await.status(404, "NotFound", "no such namespace");
    pass(Duration::from_millis(1)).await;
    assert!((check.ask)().unwrap_err().ends_with("404 NotFound: no such namespace"), "that there is none says nothing");
    rig.taken_by("other");
    rig.serve().await;
    pass(Duration::from_millis(1)).await;
    assert_eq!((check.ask)(), Ok(()), "one that stands by is ready");
    rig.server.next().await.status(403, "Forbidden", "not yours");
    pass(Duration::from_millis(1)).await;
    assert_eq!((check.ask)(), Ok(()), "and stays so");
}

#[test]
fn no_two_processes_have_the_same_identity() {
    let candidate = Candidate { name: Some("pod-1".into()), namespace: None };
    assert_ne!(candidate.identity(), candidate.identity());
    let nameless = Candidate::default().identity();
    assert!(!nameless.starts_with('_') && !nameless.starts_with("unknown_"), "the machine's name: {nameless}");
}
