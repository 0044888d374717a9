//! Two replicas, one Lease.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use apiserver::{Fault, Rule, Verb};
use demo_controller::{
    cli::Run,
    controller::{self, Failed},
    process::leader::Candidate,
};
use http::Request;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service, service_fn};
use tracing::Level;

use testkit::Log;

use crate::{
    fleet,
    said::{lifecycle, lines, said},
    world::{CONTROLLER, World, key},
};

const SECOND: Duration = Duration::from_secs(1);

/// A replica, as `--leader-elect` runs it.
struct Replica {
    /// Its requests hang, and so do the answers that it waits for.
    cut: Arc<AtomicBool>,
    stop: CancellationToken,
    run: JoinHandle<Result<(), Failed>>,
}

impl Replica {
    async fn start(world: &World, name: &str) -> Replica {
        let cut = Arc::new(AtomicBool::new(false));
        let client = cuttable(world.client().await, cut.clone());
        Replica { cut, ..Replica::with(client, name) }
    }

    fn with(client: Client, name: &str) -> Replica {
        let (cut, stop) = (Arc::default(), CancellationToken::new());
        let candidate = Candidate { name: Some(name.into()), namespace: Some("controlplane".into()) };
        let settings = Run { leader_elect: Some(candidate), ..Run::default() };
        let run = tokio::spawn(controller::run(client, settings, None, stop.clone()));
        Replica { cut, stop, run }
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

/// A client whose writes take a moment before they go out, as those that wait for a connection do. Says that one does.
async fn hesitant(world: &World, hesitates: Arc<AtomicBool>) -> Client {
    let server = world.service().await;
    let service = service_fn(move |request: Request<Body>| {
        let (mut server, hesitates) = (server.clone(), hesitates.clone());
        async move {
            if request.method() != http::Method::GET && !request.uri().path().contains("/leases") {
                hesitates.store(true, Ordering::SeqCst);
                sleep(SECOND / 2).await;
            }
            server.call(request).await
        }
    });
    Client::new(service, "controlplane")
}

async fn lease(world: &World) -> Value {
    world
        .ask(
            http::Method::GET,
            "/apis/coordination.k8s.io/v1/namespaces/controlplane/leases/demo-controller",
            &Value::Null,
        )
        .await
}

/// The name of the replica that leads; empty for none.
async fn leader(world: &World) -> String {
    let lease = lease(world).await;
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
    holder.rsplit_once('_').map_or(String::new(), |(name, _)| name.to_owned())
}

/// Waits until this one leads; returns how long that took.
async fn leads(world: &World, name: &str) -> Duration {
    let begun = Instant::now();
    while leader(world).await != name {
        assert!(begun.elapsed() < SECOND * 60, "{name} never leads");
        sleep(SECOND / 10).await;
    }
    begun.elapsed()
}

/// What our ServiceAccount wrote, but for the Lease.
fn writes(world: &World) -> usize {
    let ours = |entry: &apiserver::Entry| entry.user == CONTROLLER && entry.resource != "leases";
    let write = |entry: &apiserver::Entry| ["create", "patch", "update", "delete"].contains(&entry.verb.as_str());
    world.server.requests().iter().filter(|entry| ours(entry) && write(entry)).count()
}

/// A world in which `one` works and `two` stands by.
async fn two() -> (World, Replica, Replica) {
    let world = World::new(1).await;
    fleet::create(&world).await;
    let one = Replica::start(&world, "one").await;
    leads(&world, "one").await;
    let two = Replica::start(&world, "two").await;
    world.until(async || fleet::check(&world).await).await;
    sleep(SECOND * 30).await;
    (world, one, two)
}

/// Everything as it should be, each refusal in one Event that was told once, or once more after a change of the leader.
async fn is_done(world: &World, times: i64) {
    world.until(async || fleet::check(world).await).await;
    sleep(SECOND * 30).await;
    let told = fleet::tellings(world).await;
    assert!(told.iter().all(|count| (1..=times).contains(count)), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn one_works_and_the_other_stands_by() {
    let (world, one, two) = two().await;
    is_done(&world, 1).await;
    let before = writes(&world);
    // The one that stands by alone: it sees a change, and writes nothing.
    one.cut.store(true, Ordering::SeqCst);
    fleet::change(&world).await;
    sleep(SECOND * 9).await;
    assert_eq!((writes(&world), leader(&world).await.as_str()), (before, "one"));
    // It ends at once, and gives nothing back that is not its own.
    two.stop.cancel();
    let begun = Instant::now();
    assert_eq!(two.run.await.unwrap(), Ok(()));
    assert_eq!((begun.elapsed(), leader(&world).await.as_str()), (Duration::ZERO, "one"));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn when_the_leader_dies_the_other_takes_over_within_20_seconds() {
    let (world, one, _two) = two().await;
    one.run.abort();
    fleet::change(&world).await;
    let took = leads(&world, "two").await;
    assert!((SECOND * 10..SECOND * 20).contains(&took), "{took:?}");
    is_done(&world, 2).await;
    assert_eq!(lease(&world).await["spec"]["leaseTransitions"], 1);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_ends_before_the_other_takes_over() {
    let (world, one, _two) = two().await;
    one.cut.store(true, Ordering::SeqCst);
    fleet::change(&world).await;
    let begun = Instant::now();
    let lost = one.run.await.unwrap().unwrap_err();
    assert!(matches!(&lost, Failed::Lost(_)), "{lost}");
    assert!(begun.elapsed() <= SECOND * 10 && leader(&world).await == "one", "{:?}", begun.elapsed());
    leads(&world, "two").await;
    is_done(&world, 2).await;
    world.end().await;
}

/// A process that is stopped and goes on half a minute later: to it, a clock that jumps. Its write, which was to go out
/// before the next renewal, is what it goes on with.
#[tokio::test(start_paused = true)]
async fn a_write_that_has_not_left_when_its_leader_is_stopped_never_does() {
    let world = World::new(1).await;
    let hesitates = Arc::new(AtomicBool::new(false));
    let one = Replica::with(hesitant(&world, hesitates.clone()).await, "one");
    leads(&world, "one").await;
    fleet::create(&world).await;
    world.until(async || fleet::check(&world).await).await;
    sleep(SECOND * 30).await;
    let renewed = lease(&world).await["spec"]["renewTime"].clone();
    while lease(&world).await["spec"]["renewTime"] == renewed {
        sleep(SECOND / 1000).await;
    }
    hesitates.store(false, Ordering::SeqCst);
    world.patch(&fleet::pki(3), json!({ "spec": { "serviceName": "app2" } })).await;
    while !hesitates.load(Ordering::SeqCst) {
        sleep(SECOND / 1000).await;
    }
    let before = writes(&world);
    tokio::time::advance(SECOND * 30).await;
    let lost = one.run.await.unwrap().unwrap_err();
    assert!(matches!(&lost, Failed::Lost(_)), "{lost}");
    assert_eq!(writes(&world), before, "{:?}", world.requests());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_told_to_end_gives_the_lease_back_and_the_other_takes_over_within_5_seconds() {
    let log = Log::start(Level::INFO);
    let (world, one, _two) = two().await;
    fleet::change(&world).await;
    one.stop.cancel();
    assert_eq!(one.run.await.unwrap(), Ok(()));
    said(&log, "gave the Lease back").unwrap();
    assert_eq!(lease(&world).await["spec"]["holderIdentity"], "", "after all else");
    // From here on only the other one says anything.
    let mark = lines(&log).len();
    let took = leads(&world, "two").await;
    assert!(took < SECOND * 5, "{took:?}");
    is_done(&world, 2).await;
    // What it had seen while it stood by is no news, what comes now is.
    world.create_pod("team0", "late").await;
    let late = world.create_pki("team0", "late", "app1").await;
    world.judged(&late, "Issued").await;
    sleep(SECOND).await;
    let told = lines(&log).split_off(mark);
    assert_eq!(lifecycle(&told, &key(&fleet::pod(1))), ["none>Pending baseline"]);
    assert_eq!(lifecycle(&told, "team0/late"), ["none>Pending"]);
    world.end().await;
}

/// Longer than a leader may lead without a renewal.
#[tokio::test(start_paused = true)]
async fn a_leader_that_is_told_to_end_leads_until_its_work_is_finished() {
    let (world, one, _two) = two().await;
    let slow = Fault::Delay { duration: SECOND * 14 };
    world.fault(Rule::new(slow).verb(Verb::Get).resource("secrets").times(1));
    world.patch(&fleet::pki(3), json!({ "spec": { "serviceName": "app2" } })).await;
    sleep(SECOND).await;
    one.stop.cancel();
    let begun = Instant::now();
    assert_eq!(one.run.await.unwrap(), Ok(()));
    assert!(begun.elapsed() > SECOND * 12, "{:?}", begun.elapsed());
    let pki = &world.all(fleet::PKIS).await["team0/pki3"];
    assert_eq!(pki["status"]["conditions"][0]["reason"], "Issued", "{pki}");
    assert_eq!(lease(&world).await["spec"]["holderIdentity"], "");
    world.end().await;
}
