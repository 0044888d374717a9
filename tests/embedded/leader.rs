//! Two replicas and one Lease. (The election itself, clocks and the fence included: `daemon/src/leader`.)

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
    world::{World, config},
};

const SECOND: Duration = Duration::from_secs(1);
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/controlplane/leases/demo-controller";

/// A replica with `--leader-elect`.
struct Replica {
    telemetry: Telemetry,
    /// Its requests and their answers hang.
    cut: Arc<AtomicBool>,
    stop: CancellationToken,
    run: JoinHandle<Result<(), String>>,
}

impl Replica {
    async fn start(world: &World, name: &str) -> Replica {
        let (cut, stop, telemetry) = (Arc::<AtomicBool>::default(), CancellationToken::new(), Telemetry::default());
        let client = cuttable(world.client().await, cut.clone());
        let candidate = Candidate { name: Some(name.into()), namespace: "controlplane".into() };
        let run = tokio::spawn({
            let (telemetry, stop) = (telemetry.clone(), stop.clone());
            async move {
                let work = |client| controller::run(client, config(), &telemetry, stop.clone());
                lead(client, candidate, &telemetry, &stop, work).await.map_err(|why| why.to_string())
            }
        });
        Replica { telemetry, cut, stop, run }
    }
}

fn cuttable(client: Client, cut: Arc<AtomicBool>) -> Client {
    let service = service_fn(move |request: Request<Body>| {
        let (client, cut) = (client.clone(), cut.clone());
        async move {
            if cut.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let answer = client.send(request).await;
            if cut.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            answer.map_err(BoxError::from)
        }
    });
    Client::new(service, "controlplane")
}

async fn holder(world: &World) -> String {
    let lease = world.ask(http::Method::GET, LEASE, &Value::Null).await;
    let identity = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
    identity.rsplit_once('_').map_or(String::new(), |(name, _)| name.to_owned())
}

/// Waits until this replica leads; returns how long that took.
async fn leads(world: &World, name: &str) -> Duration {
    let start = Instant::now();
    while holder(world).await != name {
        assert!(start.elapsed() < SECOND * 60, "{name} never leads");
        sleep(SECOND / 10).await;
    }
    start.elapsed()
}

/// A world in which `one` works and `two` is the standby.
async fn two() -> (World, Replica, Replica) {
    let world = World::new().await;
    fleet::create(&world).await;
    let one = Replica::start(&world, "one").await;
    leads(&world, "one").await;
    let two = Replica::start(&world, "two").await;
    world.until(async || fleet::check(&world).await).await;
    sleep(SECOND * 30).await;
    (world, one, two)
}

/// Everything is as it should be, and each event was recorded once, or once more after a change of the leader.
async fn check(world: &World) {
    world.until(async || fleet::check(world).await).await;
    sleep(SECOND * 30).await;
    let counts = fleet::event_counts(world).await;
    assert!(counts.iter().all(|count| (1..=2).contains(count)), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn standby_is_ready_and_sends_only_lease_requests() {
    let (world, one, two) = two().await;
    assert_eq!(two.telemetry.readiness(), Ok(()));
    let requests = world.requests();
    assert_eq!((requests["list pkis"], requests["list pods"]), (1, 1), "those of the leader: {requests:?}");
    one.cut.store(true, Ordering::SeqCst);
    let revision = world.server.revision();
    sleep(SECOND * 8).await;
    assert_eq!(world.server.revision(), revision, "the standby writes nothing while another process leads");
    // It ends at once, and leaves the Lease alone.
    two.stop.cancel();
    let start = Instant::now();
    assert_eq!(two.run.await.unwrap(), Ok(()));
    assert_eq!((start.elapsed(), holder(&world).await.as_str()), (Duration::ZERO, "one"));
    world.end().await;
}

/// The drain takes longer than a leader may lead without a renewal.
#[tokio::test(start_paused = true)]
async fn stopped_leader_drains_then_releases_the_lease() {
    let log = Log::start(tracing::Level::INFO);
    let (world, one, _two) = two().await;
    let slow = Fault::Delay { duration: SECOND * 14 };
    world.fault(Rule::new(slow).verb(Verb::Get).resource("secrets").times(1));
    world.patch(&fleet::pki(3), json!({ "spec": { "serviceName": "app2" } })).await;
    sleep(SECOND).await;
    one.stop.cancel();
    let start = Instant::now();
    assert_eq!(one.run.await.unwrap(), Ok(()));
    assert!(start.elapsed() > SECOND * 12, "{:?}", start.elapsed());
    world.reconciled(&fleet::pki(3), "Issued").await;
    assert_eq!(holder(&world).await, "");

    let mark = log.lines().len();
    let took = leads(&world, "two").await;
    assert!(took < SECOND * 5, "{took:?}");
    check(&world).await;
    // What the first list shows is the baseline, what comes later is a change.
    world.create_pod("team0", "late", json!([])).await;
    world
        .until(async || {
            let lines = log.lines().split_off(mark);
            let seen = (lifecycle(&lines, &key(&fleet::pod(1))), lifecycle(&lines, "team0/late"));
            if seen == (vec!["none>Pending baseline".to_owned()], vec!["none>Pending".to_owned()]) {
                Ok(())
            } else {
                Err(seen)
            }
        })
        .await;
    world.end().await;
}
