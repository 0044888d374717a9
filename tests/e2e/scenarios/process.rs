//! How the process ends, and a restart of the API server.

use serde_json::json;
use testkit::{
    log::{lifecycle, text},
    objects::{meta, pki_path, pod_mounting, pod_path},
    wait::{eventually, expect},
};

use crate::{controller::Controller, kubelet::ready_status, test_env::TestEnv};

/// Starts a controller and pauses the API server, so that its only worker waits while other keys are queued.
fn start_stuck(env: &mut TestEnv, namespace: &str, flags: &str) -> Controller {
    let flags = format!("--namespace {namespace} --resync 150ms --workers 1 {flags}");
    let controller = Controller::start(env, &flags);
    env.create_namespace(namespace);
    for name in ["one", "two", "three"] {
        env.create_pki(namespace, name, json!({ "serviceName": "app1" }));
        env.wait_pki(namespace, name, "Issued");
    }
    env.servers.pause();
    let value = |metric| controller.metric(metric, &[("name", "pki")]);
    eventually("one key is in the worker and others are queued", || {
        let (unfinished, queued) = (value("workqueue_unfinished_work_seconds"), value("workqueue_depth"));
        expect(unfinished > 0.2 && queued >= 2.0, format!("{unfinished} {queued}"))
    });
    controller
}

pub fn sigterm_finishes_work_in_progress_and_exits_0(env: &mut TestEnv) {
    let mut controller = start_stuck(env, "in-progress", "--explain");
    let mark = env.servers.audit_log().len();
    controller.signal("TERM");
    controller.wait_line("no more keys are taken");
    env.servers.resume();
    assert_eq!(controller.wait_end(), Some(0));
    let audit = env.servers.audit_log().since(mark);
    assert_eq!(audit.only(|r| r.resource == "secrets").len(), 1, "only the key in progress:\n{audit}");
    // An Event that was recorded before may still be written.
    let others = audit.only(|r| !matches!(r.resource.as_str(), "secrets" | "events"));
    others.assert_none("a list, a watch or other work after SIGTERM");
}

pub fn expired_grace_exits_1_and_names_the_keys(env: &mut TestEnv) {
    let mut controller = start_stuck(env, "grace", "--shutdown-grace 200ms");
    controller.signal("TERM");
    assert_eq!(controller.wait_end(), Some(1));
    env.servers.resume();
    let last = controller.lines().pop().expect("a last line");
    assert!(text(&last, "level") == "ERROR" && last.to_string().contains("grace/"), "{last}");
}

pub fn restarted_api_server_loses_no_change(env: &mut TestEnv) {
    let controller = Controller::start(env, "");
    env.create_namespace("restart");
    for name in ["kept", "deleted", "started"] {
        env.create(&pod_mounting("restart", name, "none"));
        controller.wait_lifecycle(&format!("restart/{name}"), &["none>Pending"]);
    }
    env.create_pki("restart", "changes", json!({ "serviceName": "app1" }));
    env.wait_pki("restart", "changes", "Issued");
    let secret = env.secret("restart", "changes");
    // The controller is paused during the restart and all changes.
    controller.signal("STOP");
    env.delete(&format!("{}?gracePeriodSeconds=0", pod_path("restart", "deleted")));
    env.servers.kill();
    env.servers.start();
    let started = env.find(&pod_path("restart", "started")).expect("the pod");
    env.patch(&format!("{}/status", pod_path("restart", "started")), &json!({ "status": ready_status(&started) }));
    env.create(&pod_mounting("restart", "new", "none"));
    env.patch(&pki_path("restart", "changes"), &json!({ "spec": { "serviceName": "app2" } }));
    controller.signal("CONT");

    controller.wait_lifecycle("restart/started", &["none>Pending", "Pending>Ready"]);
    controller.wait_lifecycle("restart/new", &["none>Pending"]);
    eventually("the deletion is logged", || {
        let lines = lifecycle(&controller.lines(), "restart/deleted");
        expect(lines.last().is_some_and(|line| line.ends_with(">Deleted")), format!("{lines:?}"))
    });
    assert_eq!(lifecycle(&controller.lines(), "restart/kept"), ["none>Pending"]);
    env.wait_pki("restart", "changes", "Issued");
    let reissued = env.secret("restart", "changes");
    assert_eq!(meta(&reissued, "uid"), meta(&secret, "uid"));
}
