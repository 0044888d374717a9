//! The process: how it ends, and an API server that restarts.

use serde_json::json;
use testkit::{
    log::{lifecycle, text},
    objects::meta,
    wait::{eventually, expect},
};

use crate::{
    controller::Controller,
    kubelet::running,
    objects::{pki_path, pod, pod_path},
    stage::Stage,
};

/// A controller whose only worker waits for the API server, which is paused, while other keys wait for the worker.
fn stuck(stage: &mut Stage, namespace: &str, flags: &str) -> Controller {
    let flags = format!("--namespace {namespace} --resync 150ms --workers 1 {flags}");
    let controller = Controller::start(stage, &flags);
    stage.namespace(namespace);
    for name in ["one", "two", "three"] {
        stage.create_pki(namespace, name, json!({ "serviceName": "app1" }));
        stage.wait_pki(namespace, name, "Issued");
    }
    stage.servers.pause();
    let now = |metric| controller.metric(metric, &[("name", "pki")]);
    eventually("one key is in the worker, and others wait", || {
        let (unfinished, waiting) = (now("workqueue_unfinished_work_seconds"), now("workqueue_depth"));
        expect(unfinished > 0.2 && waiting >= 2.0, format!("{unfinished} {waiting}"))
    });
    controller
}

pub fn sigterm_finishes_work_in_progress_and_exits_0(stage: &mut Stage) {
    let mut controller = stuck(stage, "in-progress", "--explain");
    let mark = stage.servers.audit().len();
    controller.signal("TERM");
    controller.wait_line("nothing new is taken from the queues");
    stage.servers.resume();
    assert_eq!(controller.wait_end(), Some(0));
    let audit = stage.servers.audit().since(mark);
    assert_eq!(audit.only(|r| r.resource == "secrets").len(), 1, "the one in progress:\n{audit}");
    // An Event about what was done before may still be written.
    let others = audit.only(|r| !matches!(r.resource.as_str(), "secrets" | "events"));
    others.assert_none("a list, a watch or other work after SIGTERM");
}

pub fn expired_grace_exits_1_and_names_the_keys(stage: &mut Stage) {
    let mut controller = stuck(stage, "grace", "--shutdown-grace 200ms");
    controller.signal("TERM");
    assert_eq!(controller.wait_end(), Some(1));
    stage.servers.resume();
    let last = controller.lines().pop().expect("a last line");
    assert!(text(&last, "level") == "ERROR" && last.to_string().contains("grace/"), "{last}");
}

pub fn restarted_api_server_costs_no_change(stage: &mut Stage) {
    let controller = Controller::start(stage, "");
    stage.namespace("restart");
    for name in ["stays", "goes", "runs"] {
        stage.create(&pod("restart", name, "none"));
        controller.wait_lifecycle(&format!("restart/{name}"), &["none>Pending"]);
    }
    stage.create_pki("restart", "changes", json!({ "serviceName": "app1" }));
    stage.wait_pki("restart", "changes", "Issued");
    let secret = stage.secret("restart", "changes");
    // It is paused over the restart, and over all changes.
    controller.signal("STOP");
    stage.delete(&format!("{}?gracePeriodSeconds=0", pod_path("restart", "goes")));
    stage.servers.kill();
    stage.servers.start();
    let runs = stage.find(&pod_path("restart", "runs")).expect("the pod");
    stage.patch(&format!("{}/status", pod_path("restart", "runs")), &json!({ "status": running(&runs) }));
    stage.create(&pod("restart", "comes", "none"));
    stage.patch(&pki_path("restart", "changes"), &json!({ "spec": { "serviceName": "app2" } }));
    controller.signal("CONT");

    controller.wait_lifecycle("restart/runs", &["none>Pending", "Pending>Ready"]);
    controller.wait_lifecycle("restart/comes", &["none>Pending"]);
    eventually("the end of one is logged", || {
        let lines = lifecycle(&controller.lines(), "restart/goes");
        expect(lines.last().is_some_and(|line| line.ends_with(">Deleted")), format!("{lines:?}"))
    });
    assert_eq!(lifecycle(&controller.lines(), "restart/stays"), ["none>Pending"]);
    stage.wait_pki("restart", "changes", "Issued");
    let reissued = stage.secret("restart", "changes");
    assert_eq!(meta(&reissued, "uid"), meta(&secret, "uid"));
}
