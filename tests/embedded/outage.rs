//! Servers and networks fail, and every wait for them to come back is a backoff. The scenarios of
//! `tests/e2e/scenarios/outage.rs`, in the time that they take without it.

use std::{net::SocketAddr, time::Duration};

use demo_controller::cli::Run;
use serde_json::json;
use tokio::time::{Instant, sleep};
use tracing::Level;

use testkit::Log;

use crate::{
    metrics::count,
    pages,
    said::{lifecycle, lines},
    world::World,
};

/// The longest backoff, and time for what comes then: sooner than any time-out or resync would bring it.
const SOON: Duration = Duration::from_secs(60);
/// Whatever is told again by mistake is by then: two resyncs, and more than one limit of a watch.
const LONG: Duration = Duration::from_secs(25 * 60);

/// Waits until the lifecycle log says just this about a pod.
async fn followed(world: &World, log: &Log, pod: &str, wanted: &[&str]) {
    let told = async || {
        let told = lifecycle(&lines(log), pod);
        if told == wanted { Ok(()) } else { Err(told) }
    };
    world.until(told).await;
}

async fn lists(address: SocketAddr, resource: &str) -> f64 {
    count(address, "reflector_lists_total", &[("resource", resource)]).await
}

/// Cuts the controller off, changes everything, does `meanwhile`, and sees to it that no change is lost or told twice.
/// Returns where its pages are.
async fn while_cut_off(world: &mut World, log: &Log, meanwhile: fn(&World)) -> SocketAddr {
    let address = world.serve(Run::default()).await;
    world.ready(address).await;
    world.namespace("ns").await;
    let names = ["stays", "goes", "replaced", "runs"];
    let [stays, goes, replaced, runs] =
        futures::future::join_all(names.map(|name| world.create_pod("ns", name))).await.try_into().expect("four pods");
    for name in names {
        followed(world, log, &format!("ns/{name}"), &["none>Pending"]).await;
    }
    let changes = world.create_pki("ns", "changes", "app1").await;
    world.judged(&changes, "Issued").await;
    assert_eq!((lists(address, "pkis").await, lists(address, "pods").await), (1.0, 1.0));

    world.cut();
    world.delete(&goes).await;
    world.delete(&replaced).await;
    world.create_pod("ns", "replaced").await;
    world.create_pod("ns", "new").await;
    world.run_pod(&runs).await;
    world.patch(&changes, json!({ "spec": { "serviceName": "app2" } })).await;
    let new = world.create_pki("ns", "new", "app1").await;
    meanwhile(world);
    world.mend();
    let mended = Instant::now();

    for pki in [&changes, &new] {
        world.judged(pki, "Issued").await;
    }
    let told = [
        ("goes", &["none>Pending", "Pending>Deleted"][..]),
        ("new", &["none>Pending"]),
        // Two pods of one name. No list tells of the end of the first; a watch does, but with the second so soon that the
        // worker finds only that one. So it is the UID that tells.
        ("replaced", &["none>Pending", "Pending>Pending replaced"]),
        ("runs", &["none>Pending", "Pending>Ready"]),
    ];
    for (name, told) in told {
        followed(world, log, &format!("ns/{name}"), told).await;
    }
    followed(world, log, "ns/stays", &["none>Pending"]).await;
    // And the watches that follow work.
    world.delete(&stays).await;
    followed(world, log, "ns/stays", &["none>Pending", "Pending>Deleted"]).await;
    assert!(mended.elapsed() < SOON, "{:?}", mended.elapsed());
    // Nor is anything told later.
    sleep(LONG).await;
    for (name, told) in told.into_iter().chain([("stays", &["none>Pending", "Pending>Deleted"][..])]) {
        assert_eq!(lifecycle(&lines(log), &format!("ns/{name}")), told, "{name}");
    }
    address
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_a_watch_from_where_it_was() {
    let (log, mut world) = (Log::start(Level::INFO), World::new(1).await);
    let address = while_cut_off(&mut world, &log, |_| ()).await;
    let lists = (lists(address, "pkis").await, lists(address, "pods").await);
    assert_eq!(lists, (1.0, 1.0), "no list but the first of each resource");
    world.end().await;
}

/// Compacted by etcd, or forgotten in a restart of the API server: to a watch it is the same.
#[tokio::test(start_paused = true)]
async fn a_watch_from_a_version_that_the_server_has_forgotten_is_a_new_list_that_loses_nothing() {
    let (log, mut world) = (Log::start(Level::INFO), World::new(1).await);
    let address = while_cut_off(&mut world, &log, |world| world.server.compact()).await;
    for resource in ["pkis", "pods"] {
        let expired = [("resource", resource), ("reason", "expired")];
        let expired = count(address, "reflector_watch_errors_total", &expired).await;
        let lists = lists(address, resource).await;
        assert!(lists >= 2.0 && expired >= 1.0, "{resource}: {lists} lists, {expired} times 410");
    }
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_dies_and_comes_back_is_no_news_about_any_object() {
    let (log, mut world) = (Log::start(Level::INFO), World::new(1).await);
    let address = world.serve(Run::default()).await;
    world.ready(address).await;
    world.namespace("ns").await;
    let web = world.create_pod("ns", "web").await;
    let before = world.create_pki("ns", "before", "app1").await;
    world.judged(&before, "Issued").await;
    followed(&world, &log, "ns/web", &["none>Pending"]).await;
    let secret = "/api/v1/namespaces/ns/secrets/before";
    let issued = world.get(secret).await;

    world.cut();
    // A real one's watch cache begins with the present.
    world.server.compact();
    for resource in ["pkis", "pods"] {
        let noticed = async || {
            let errors = count(address, "reflector_watch_errors_total", &[("resource", resource)]).await;
            if errors > 0.0 { Ok(()) } else { Err(errors) }
        };
        world.until(noticed).await;
    }
    assert_eq!(pages::get(address, "/readyz").await.0, 200, "its caches are still good");
    world.mend();
    let mended = Instant::now();

    let after = world.create_pki("ns", "after", "app2").await;
    world.run_pod(&web).await;
    world.judged(&after, "Issued").await;
    followed(&world, &log, "ns/web", &["none>Pending", "Pending>Ready"]).await;
    world.delete(&web).await;
    followed(&world, &log, "ns/web", &["none>Pending", "Pending>Ready", "Ready>Deleted"]).await;
    assert!(mended.elapsed() < SOON, "{:?}", mended.elapsed());
    assert_eq!(world.get(secret).await, issued, "nobody touched it");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_is_waited_for() {
    let mut world = World::new(1).await;
    world.cut();
    let address = world.serve(Run::default()).await;
    let waits = async || {
        let (code, body) = pages::get(address, "/readyz").await;
        let why = |name: &str| body.lines().any(|line| line.starts_with(name) && line.contains("connection reset"));
        if code == 503 && why("pkis: not synced") && why("pods: not synced") { Ok(()) } else { Err(body) }
    };
    world.until(waits).await;
    assert_eq!(pages::get(address, "/healthz").await.0, 200);
    world.mend();
    world.ready(address).await;
    world.namespace("ns").await;
    let web = world.create_pki("ns", "web", "app1").await;
    world.judged(&web, "Issued").await;
    world.end().await;
}
