//! What is missing is waited for, with the backoff between two looks: the rights, and the definition of a Pki.

use std::time::Duration;

use demo_controller::cli::Run;
use tokio::time::{Instant, sleep};
use tracing::Level;

use testkit::Log;

use crate::{pages, said::lines, world::World};

/// The controller's first backoff, before jitter.
const FIRST: Duration = Duration::from_millis(800);
const LOOK: Duration = Duration::from_millis(50);

/// Asks for this resource for a minute. They come no faster than the backoff, and it doubles.
async fn backs_off(world: &World, request: &str) {
    let (begun, mut count, mut times) = (Instant::now(), 0, Vec::new());
    while begun.elapsed() < Duration::from_secs(60) {
        sleep(LOOK).await;
        let now = world.requests().get(request).copied().unwrap_or_default();
        if now > count {
            times.push(Instant::now());
        }
        count = now;
    }
    assert!(times.len() > 4 && count == times.len(), "{request}: {count}, {times:?}");
    let mut shortest = FIRST;
    for pair in times.windows(2) {
        // What is seen at one look came since the last.
        assert!(pair[1] - pair[0] + LOOK >= shortest, "{request}: sooner than {shortest:?}: {times:?}");
        shortest = (shortest * 2).min(Duration::from_secs(15));
    }
}

/// Waits until `/readyz` has a line for each of these, which begins so and contains that, and no other line.
async fn unready(world: &World, address: std::net::SocketAddr, wanted: &[(&str, &str)]) {
    let told = async || {
        let (code, body) = pages::get(address, "/readyz").await;
        let line = |(begin, words): &(&str, &str)| body.lines().any(|l| l.starts_with(begin) && l.contains(words));
        let waits = body.lines().filter(|line| line.contains("not synced")).count();
        let so = code == 503 && wanted.iter().all(line) && waits == wanted.len();
        if so { Ok(()) } else { Err(body) }
    };
    world.until(told).await;
}

#[tokio::test(start_paused = true)]
async fn missing_rights_and_a_missing_definition_are_waited_for_and_named() {
    let (log, mut world) = (Log::start(Level::INFO), World::empty(1));
    world.apply(|kind| ["Namespace", "ServiceAccount"].contains(&kind)).await;
    let address = world.serve(Run::default()).await;
    tokio::join!(backs_off(&world, "list pkis"), backs_off(&world, "list pods"));
    unready(&world, address, &[("pkis: not synced", "403"), ("pods: not synced", "403")]).await;
    assert_eq!(pages::get(address, "/healthz").await.0, 200, "waiting is not dying");
    // One clear line for each request that was refused: the backoff is what keeps them few.
    for resource in ["pkis", "pods"] {
        let lines = lines(&log);
        let troubles = lines.iter().filter(|line| line["resource"] == resource && line["level"] == "WARN");
        let (troubles, asked) = (troubles.count(), world.requests()[&format!("list {resource}")]);
        assert_eq!(troubles, asked, "{resource}: {troubles} warnings, {asked} requests");
        assert!(lines.iter().any(|l| l["resource"] == resource && l.to_string().contains("403")), "{lines:?}");
    }

    // The rights, but not yet the definition.
    world.apply(|kind| !["Namespace", "ServiceAccount", "CustomResourceDefinition"].contains(&kind)).await;
    unready(&world, address, &[("pkis: not synced", "404")]).await;
    let refused = world.server.requests().iter().filter(|entry| entry.code == 403).count();

    world.apply(|kind| kind == "CustomResourceDefinition").await;
    world.ready(address).await;
    world.namespace("at-last").await;
    let web = world.create_pki("at-last", "web", "app1").await;
    world.judged(&web, "Issued").await;
    let now = world.server.requests().iter().filter(|entry| entry.code == 403).count();
    assert_eq!(now, refused, "nothing is refused any more");
}
