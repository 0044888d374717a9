//! `watch`, and a resource that comes, moves and goes. Each is found out by asking again, with a backoff in between.

use std::net::SocketAddr;

use demo_controller::{cli::Watch, watch::Wanted};
use serde_json::{Value, json};
use tracing::Level;

use testkit::{Log, widgets};

use crate::{
    pages,
    said::{said, told},
    world::World,
};

/// To watch this, and to log what happens to it.
pub fn simple(resource: &str) -> Watch {
    let wanted = Wanted::parse(Some(resource), None, None, None).expect("a resource's name");
    Watch { workers: 2, ..Watch::of(wanted) }
}

fn widget(version: &str, name: &str) -> Value {
    let metadata = json!({ "name": name, "namespace": "ns" });
    json!({ "apiVersion": version, "kind": "Widget", "metadata": metadata, "spec": { "size": 1 } })
}

/// Waits until just this was told of an object.
async fn wait_told(world: &World, log: &Log, object: &str, wanted: &str) {
    let so = async || {
        let now = told(log, object);
        if now == wanted { Ok(()) } else { Err(now) }
    };
    world.until(so).await;
}

async fn wait_unready(world: &World, address: SocketAddr, words: &str) {
    let so = async || {
        let (code, body) = pages::get(address, "/readyz").await;
        if code == 503 && body.contains(words) { Ok(()) } else { Err(body) }
    };
    world.until(so).await;
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_is_defined_later_is_waited_for() {
    let (log, mut world) = (Log::start(Level::INFO), World::new(1).await);
    world.grant("example.com", "widgets").await;
    world.namespace("ns").await;
    let address = world.watch(simple("wd")).await;
    wait_unready(&world, address, "wd: the API server serves no wd").await;
    world.until(async || said(&log, "the API server serves no wd")).await;
    world.create(&widgets("example.com", "v1")).await;
    world.ready(address).await;
    world.create(&widget("example.com/v1", "one")).await;
    wait_told(&world, &log, "ns/one", "ADDED").await;
    world.until(async || said(&log, "Kind: Widget; Name: one; Event Type: ADDED")).await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_moves_to_another_version_is_found_again_and_so_is_one_that_returns() {
    let (log, mut world) = (Log::start(Level::INFO), World::new(1).await);
    world.grant("example.net", "widgets").await;
    world.namespace("ns").await;
    let (beta, stable) = (widgets("example.net", "v1beta1"), widgets("example.net", "v1"));
    world.create(&beta).await;
    world.create(&widget("example.net/v1beta1", "before")).await;
    let address = world.watch(simple("widgets.example.net")).await;
    wait_told(&world, &log, "ns/before", "ADDED").await;

    let mut old = beta["spec"]["versions"][0].clone();
    (old["served"], old["storage"]) = (false.into(), false.into());
    world.patch(&beta, json!({ "spec": { "versions": [old, stable["spec"]["versions"][0]] } })).await;
    world.create(&widget("example.net/v1", "after")).await;
    wait_told(&world, &log, "ns/after", "ADDED").await;
    // That one may have been listed. The next one comes by the watch, so there is one.
    world.create(&widget("example.net/v1", "watched")).await;
    wait_told(&world, &log, "ns/watched", "ADDED").await;
    assert_eq!(told(&log, "ns/before"), "ADDED", "the move is no end of anything");

    // Without any version it is not ready, and says so; its return is noticed.
    world.delete(&beta).await;
    wait_told(&world, &log, "ns/after", "ADDED DELETED").await;
    wait_unready(&world, address, "the API server serves no widgets.example.net").await;
    world.create(&stable).await;
    world.ready(address).await;
    world.create(&widget("example.net/v1", "again")).await;
    wait_told(&world, &log, "ns/again", "ADDED").await;
    assert_eq!(told(&log, "ns/after"), "ADDED DELETED", "it is not back");
    world.end().await;
}
