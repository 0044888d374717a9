//! Objects change while the controller has no connection. No change is lost, and none is logged twice.

use std::time::Duration;

use serde_json::json;
use testkit::{Log, log::lifecycle};
use tokio::time::{Instant, sleep};

use crate::test_env::{TestEnv, config};

/// Time for the longest backoff and the reconciles after it, but not for a timeout or a resync.
const RECOVERY_TIME: Duration = Duration::from_secs(60);
/// Longer than two resyncs, and than the server's time limit of a watch.
const LONG: Duration = Duration::from_secs(25 * 60);

/// Waits until the lifecycle log of a pod consists of these lines.
async fn wait_lifecycle(env: &TestEnv, log: &Log, pod: &str, wanted: &[&str]) {
    env.wait_until(async || {
        let lines = lifecycle(&log.lines(), pod);
        if lines == wanted { Ok(()) } else { Err(lines) }
    })
    .await;
}

/// Changes objects during an outage, and checks that the controller notices each change exactly once. `before_end` runs
/// while the connection is still broken.
async fn change_during_outage(env: &mut TestEnv, before_end: fn(&TestEnv)) {
    let log = Log::start(tracing::Level::INFO);
    env.run(config()).await;
    env.wait_ready().await;
    env.create_namespace("ns").await;
    let mut pods = Vec::new();
    for name in ["kept", "deleted", "replaced", "started"] {
        pods.push(env.create_pod("ns", name, json!([])).await);
        wait_lifecycle(env, &log, &format!("ns/{name}"), &["none>Pending"]).await;
    }
    let changes = env.create_pki("ns", "changes", "app1").await;
    env.wait_pki(&changes, "Issued").await;

    env.break_connections();
    env.delete(&pods[1]).await;
    env.delete(&pods[2]).await;
    env.create_pod("ns", "replaced", json!([])).await;
    env.create_pod("ns", "new", json!([])).await;
    let running = json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] });
    env.patch_status(&pods[3], running).await;
    env.patch(&changes, json!({ "spec": { "serviceName": "app2" } })).await;
    let new = env.create_pki("ns", "new", "app1").await;
    before_end(env);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(env.telemetry.readiness(), Ok(()), "the caches stay ready");
    env.server.clear_faults();
    let start = Instant::now();

    for pki in [&changes, &new] {
        env.wait_pki(pki, "Issued").await;
    }
    let lines = [
        ("ns/deleted", &["none>Pending", "Pending>Deleted"][..]),
        ("ns/new", &["none>Pending"]),
        // The list shows only the second pod of this name. Its UID differs, so the pod was replaced.
        ("ns/replaced", &["none>Pending", "Pending>Pending replaced"]),
        ("ns/started", &["none>Pending", "Pending>Ready"]),
        ("ns/kept", &["none>Pending", "Pending>Deleted"]),
    ];
    // The new watches report changes.
    env.delete(&pods[0]).await;
    for (pod, wanted) in lines {
        wait_lifecycle(env, &log, pod, wanted).await;
    }
    assert!(start.elapsed() < RECOVERY_TIME, "{:?}", start.elapsed());
    sleep(LONG).await;
    for (pod, wanted) in lines {
        assert_eq!(lifecycle(&log.lines(), pod), wanted, "{pod}, later");
    }
}

#[tokio::test(start_paused = true)]
async fn broken_watch_continues_without_a_list() {
    let mut env = TestEnv::new().await;
    change_during_outage(&mut env, |_| ()).await;
    let requests = env.requests();
    assert_eq!((requests["list pkis"], requests["list pods"]), (1, 1), "{requests:?}");
    env.end().await;
}

#[tokio::test(start_paused = true)]
async fn expired_version_causes_a_list_that_loses_no_change() {
    let mut env = TestEnv::new().await;
    change_during_outage(&mut env, |env| env.server.compact()).await;
    for resource in ["pkis", "pods"] {
        let expired = [("resource", resource), ("reason", "expired")];
        assert!(env.metric("reflector_watch_errors_total", &expired) >= 1.0, "{resource}");
        assert!(env.metric("reflector_lists_total", &expired[..1]) >= 2.0, "{resource}");
    }
    env.end().await;
}
