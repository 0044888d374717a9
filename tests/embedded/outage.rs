//! A connection that breaks while objects change: no change is lost, and none is logged twice.

use std::time::Duration;

use serde_json::json;
use testkit::{Log, log::lifecycle};
use tokio::time::{Instant, sleep};

use crate::world::{World, config};

/// The longest backoff and the reconciles after it: sooner than any time-out or resync.
const SOON: Duration = Duration::from_secs(60);
/// Longer than two resyncs and the server's limit of a watch.
const LONG: Duration = Duration::from_secs(25 * 60);

/// Waits until the lifecycle log of a pod consists of these lines.
async fn logged(world: &World, log: &Log, pod: &str, wanted: &[&str]) {
    world
        .until(async || {
            let lines = lifecycle(&log.lines(), pod);
            if lines == wanted { Ok(()) } else { Err(lines) }
        })
        .await;
}

async fn changes_while_cut_off(world: &mut World, meanwhile: fn(&World)) {
    let log = Log::start(tracing::Level::INFO);
    world.run(config()).await;
    world.ready().await;
    world.namespace("ns").await;
    let mut pods = Vec::new();
    for name in ["stays", "goes", "replaced", "runs"] {
        pods.push(world.create_pod("ns", name, json!([])).await);
        logged(world, &log, &format!("ns/{name}"), &["none>Pending"]).await;
    }
    let changes = world.create_pki("ns", "changes", "app1").await;
    world.reconciled(&changes, "Issued").await;

    world.cut();
    world.delete(&pods[1]).await;
    world.delete(&pods[2]).await;
    world.create_pod("ns", "replaced", json!([])).await;
    world.create_pod("ns", "new", json!([])).await;
    let running = json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] });
    world.patch_status(&pods[3], running).await;
    world.patch(&changes, json!({ "spec": { "serviceName": "app2" } })).await;
    let new = world.create_pki("ns", "new", "app1").await;
    meanwhile(world);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.telemetry.readiness(), Ok(()), "the caches are still good");
    world.server.clear_faults();
    let start = Instant::now();

    for pki in [&changes, &new] {
        world.reconciled(pki, "Issued").await;
    }
    let lines = [
        ("ns/goes", &["none>Pending", "Pending>Deleted"][..]),
        ("ns/new", &["none>Pending"]),
        // Two pods of one name: a list shows only the second one, so its UID tells that it is another.
        ("ns/replaced", &["none>Pending", "Pending>Pending replaced"]),
        ("ns/runs", &["none>Pending", "Pending>Ready"]),
        ("ns/stays", &["none>Pending", "Pending>Deleted"]),
    ];
    // The new watches work.
    world.delete(&pods[0]).await;
    for (pod, wanted) in lines {
        logged(world, &log, pod, wanted).await;
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    sleep(LONG).await;
    for (pod, wanted) in lines {
        assert_eq!(lifecycle(&log.lines(), pod), wanted, "{pod}, later");
    }
}

#[tokio::test(start_paused = true)]
async fn broken_watch_continues_without_a_list() {
    let mut world = World::new().await;
    changes_while_cut_off(&mut world, |_| ()).await;
    let requests = world.requests();
    assert_eq!((requests["list pkis"], requests["list pods"]), (1, 1), "{requests:?}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn forgotten_version_is_a_new_list_that_loses_nothing() {
    let mut world = World::new().await;
    changes_while_cut_off(&mut world, |world| world.server.compact()).await;
    for resource in ["pkis", "pods"] {
        let expired = [("resource", resource), ("reason", "expired")];
        assert!(world.metric("reflector_watch_errors_total", &expired) >= 1.0, "{resource}");
        assert!(world.metric("reflector_lists_total", &expired[..1]) >= 2.0, "{resource}");
    }
    world.end().await;
}
