//! Two replicas and one Lease. (`daemon/src/leader` tests the election itself, with its clocks and the fence.)

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use apiserver::{Fault, Rule, Verb};
use daemon::{
    Telemetry,
    leader::{Candidate, lead},
};
use demo_controller::controller;
use http::Request;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use testkit::{Log, log::lifecycle, objects::key};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, service_fn};

use crate::{
    fleet,
    test_env::{TestEnv, config},
};

const SECOND: Duration = Duration::from_secs(1);
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/controlplane/leases/demo-controller";

/// A replica with `--leader-elect`.
struct Replica {
    telemetry: Telemetry,
    /// While it is set, requests and responses of the replica hang.
    hangs: Arc<AtomicBool>,
    stop: CancellationToken,
    run: JoinHandle<Result<(), String>>,
}

impl Replica {
    async fn start(env: &TestEnv, name: &str) -> Replica {
        let (hangs, stop, telemetry) = (Arc::<AtomicBool>::default(), CancellationToken::new(), Telemetry::default());
        let client = client_that_can_hang(env.client().await, hangs.clone());
        let candidate = Candidate { name: Some(name.into()), namespace: "controlplane".into() };
        let run = tokio::spawn({
            let (telemetry, stop) = (telemetry.clone(), stop.clone());
            async move {
                let work = |client| controller::run(client, config(), &telemetry, stop.clone());
                lead(client, candidate, &telemetry, &stop, work).await.map_err(|error| error.to_string())
            }
        });
        Replica { telemetry, hangs, stop, run }
    }
}

/// Returns a client whose requests and responses hang while `hangs` is set.
fn client_that_can_hang(client: Client, hangs: Arc<AtomicBool>) -> Client {
    let service = service_fn(move |request: Request<Body>| {
        let (client, hangs) = (client.clone(), hangs.clone());
        async move {
            if hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let response = client.send(request).await;
            if hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            response.map_err(BoxError::from)
        }
    });
    Client::new(service, "controlplane")
}

/// The replica that holds the Lease, empty if none does.
async fn holder(env: &TestEnv) -> String {
    let lease = env.request(http::Method::GET, LEASE, &Value::Null).await;
    let identity = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
    identity.rsplit_once('_').map_or(String::new(), |(name, _)| name.to_owned())
}

/// Waits until this replica leads, and returns how long it took.
async fn wait_leads(env: &TestEnv, name: &str) -> Duration {
    let start = Instant::now();
    while holder(env).await != name {
        assert!(start.elapsed() < SECOND * 60, "{name} does not lead");
        sleep(SECOND / 10).await;
    }
    start.elapsed()
}

/// Starts `one`, which becomes the leader, and `two`, the standby.
async fn start_two_replicas() -> (TestEnv, Replica, Replica) {
    let env = TestEnv::new().await;
    fleet::create(&env).await;
    let one = Replica::start(&env, "one").await;
    wait_leads(&env, "one").await;
    let two = Replica::start(&env, "two").await;
    env.wait_until(async || fleet::check(&env).await).await;
    sleep(SECOND * 30).await;
    (env, one, two)
}

/// Waits until the fleet is reconciled. Checks that a new leader has repeated each Event at most once.
async fn check_fleet_and_events(env: &TestEnv) {
    env.wait_until(async || fleet::check(env).await).await;
    sleep(SECOND * 30).await;
    let counts = fleet::event_counts(env).await;
    assert!(counts.iter().all(|count| (1..=2).contains(count)), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn standby_is_ready_and_sends_only_lease_requests() {
    let (env, one, two) = start_two_replicas().await;
    assert_eq!(two.telemetry.readiness(), Ok(()));
    let requests = env.requests();
    assert_eq!((requests["list pkis"], requests["list pods"]), (1, 1), "only the leader lists: {requests:?}");
    one.hangs.store(true, Ordering::SeqCst);
    let revision = env.server.revision();
    sleep(SECOND * 8).await;
    assert_eq!(env.server.revision(), revision, "the standby writes nothing while another process leads");
    // A stopped standby ends at once and does not change the Lease.
    two.stop.cancel();
    let start = Instant::now();
    assert_eq!(two.run.await.unwrap(), Ok(()));
    assert_eq!((start.elapsed(), holder(&env).await.as_str()), (Duration::ZERO, "one"));
    env.end().await;
}

/// The drain takes longer than the renew deadline.
#[tokio::test(start_paused = true)]
async fn stopped_leader_drains_then_releases_the_lease() {
    let log = Log::start(tracing::Level::INFO);
    let (env, one, _two) = start_two_replicas().await;
    let slow = Fault::Delay { duration: SECOND * 14 };
    env.add_fault(Rule::new(slow).verb(Verb::Get).resource("secrets").times(1));
    env.patch(&fleet::pki(3), json!({ "spec": { "serviceName": "app2" } })).await;
    sleep(SECOND).await;
    one.stop.cancel();
    let start = Instant::now();
    assert_eq!(one.run.await.unwrap(), Ok(()));
    assert!(start.elapsed() > SECOND * 12, "{:?}", start.elapsed());
    env.wait_pki(&fleet::pki(3), "Issued").await;
    assert_eq!(holder(&env).await, "");

    let mark = log.lines().len();
    let took = wait_leads(&env, "two").await;
    assert!(took < SECOND * 5, "{took:?}");
    check_fleet_and_events(&env).await;
    // The new leader logs pods of its first list as the baseline, and later pods as changes.
    env.create_pod("team0", "late", json!([])).await;
    env.wait_until(async || {
        let lines = log.lines().split_off(mark);
        let seen = (lifecycle(&lines, &key(&fleet::pod(1))), lifecycle(&lines, "team0/late"));
        if seen == (vec!["none>Pending baseline".to_owned()], vec!["none>Pending".to_owned()]) {
            Ok(())
        } else {
            Err(seen)
        }
    })
    .await;
    env.end().await;
}
