//! How the process ends, and what it leaves behind.

use serde_json::json;

use super::rights::{grant_back, may, revoke};
use crate::{
    controller::{Controller, Setup},
    objects::{Is, pki_path},
    stage::Stage,
    wait::{eventually, expect},
};

pub fn kill_9_between_the_secret_and_the_status_leaves_nothing_that_a_restart_does_not_mend(stage: &mut Stage) {
    // So that it stays between the two for as long as we like: it may write Secrets, but no status.
    let taken = revoke(stage, "pkis/status");
    eventually("the right is gone", || expect(!may(stage, "patch pkis.box.com/status"), "not yet"));
    let controller = Controller::ready(stage, Setup::default());
    stage.namespace("kill-9");
    stage.create_pki("kill-9", "web", json!({ "serviceName": "app1" }));
    eventually("the Secret is there, and the status was refused", || {
        let refused =
            stage.servers.audit().only(|r| r.namespace == "kill-9" && r.resource == "pkis/status" && r.code == 403);
        expect(refused.len() > 0, stage.servers.audit())
    });
    let secret = stage.secret("kill-9", "web");
    controller.kill();
    assert!(stage.find(&pki_path("kill-9", "web")).unwrap()["status"].is_null());

    grant_back(stage, &taken);
    eventually("the right is back", || expect(may(stage, "patch pkis.box.com/status"), "not yet"));
    let _controller = Controller::ready(stage, Setup::default());
    let pki = stage.wait_pki("kill-9", "web", "Issued");
    assert_eq!(stage.secret("kill-9", "web").version(), secret.version(), "the same certificate");
    assert!(!pki["status"]["serialNumber"].as_str().unwrap_or_default().is_empty());
}

pub fn sigterm_ends_it_with_0_and_nothing_new_is_asked(stage: &mut Stage) {
    let mut controller = Controller::ready(stage, Setup::default());
    stage.namespace("sigterm");
    stage.create_pki("sigterm", "before", json!({ "serviceName": "app1" }));
    stage.wait_pki("sigterm", "before", "Issued");
    assert_eq!(controller.terminate(), Some(0));
    let mark = stage.servers.audit().len();
    stage.create_pki("sigterm", "after", json!({ "serviceName": "app1" }));
    // The next one takes up what this one has left.
    let _next = Controller::ready(stage, Setup::default());
    stage.wait_pki("sigterm", "after", "Issued");
    let audit = stage.servers.audit().since(mark);
    assert_eq!(audit.only(|request| request.name == "after" && request.verb == "create").len(), 1, "\n{audit}");
    for line in controller.log().lines() {
        assert!(line.starts_with('{'), "a line that is no JSON: {line}");
    }
}

/// A controller of one worker that cannot finish what it works on, because the API server has stopped to answer, and
/// that has more to do. Three Pkis, all settled: it is the resync that brings them.
fn stuck(stage: &mut Stage, ns: &str, flags: &str) -> Controller {
    let flags = format!("--namespace {ns} --resync 150ms --workers 1 {flags}");
    let controller = Controller::ready(stage, Setup { flags: &flags, ..Setup::default() });
    stage.namespace(ns);
    for name in ["one", "two", "three"] {
        stage.create_pki(ns, name, json!({ "serviceName": "app1" }));
        stage.wait_pki(ns, name, "Issued");
    }
    stage.servers.pause();
    let (unfinished, waiting) = ("workqueue_unfinished_work_seconds", "workqueue_depth");
    let now = |metric| controller.count(metric, &[("name", "pki")]);
    eventually("one key is worked on, and others wait", || {
        expect(now(unfinished) > 0.2 && now(waiting) >= 2.0, format!("{} {}", now(unfinished), now(waiting)))
    });
    controller
}

pub fn what_is_in_progress_at_sigterm_is_finished_and_nothing_new_is_begun(stage: &mut Stage) {
    let mut controller = stuck(stage, "in-progress", "--explain");
    let mark = stage.servers.audit().len();
    controller.signal("TERM");
    // That it has heard the signal is said a moment before the queues hear of it.
    controller.wait_line("nothing new is taken from the queues");
    stage.servers.resume();
    assert_eq!(controller.wait_end(), Some(0));
    let audit = stage.servers.audit().since(mark);
    assert_eq!(
        audit.only(|request| request.resource == "secrets").len(),
        1,
        "the one in progress is answered:\n{audit}"
    );
    // An Event about what was done before may still be on its way.
    let begun = audit.only(|request| !matches!(request.resource.as_str(), "secrets" | "events"));
    begun.assert_none("a list, a watch or other work after SIGTERM");
}

pub fn what_was_to_be_told_at_sigterm_is_told_before_the_end(stage: &mut Stage) {
    let ns = "last-words";
    stage.namespace(ns);
    // More than the 200 that may be told at once in one namespace; the rest would wait for a minute. They are there
    // before it is, so that it meets all of them within a moment.
    stage.create_pkis(ns, "web", 250, &json!({ "serviceName": "appp1" }));
    let mut controller = Controller::ready(stage, Setup { flags: "--namespace last-words", ..Setup::default() });
    let looked = || controller.count("reconcile_total", &[("queue", "pki"), ("result", "permanent")]);
    eventually("all are refused", || expect(looked() >= 250.0, looked()));
    assert!(controller.count("events_total", &[("result", "sent")]) < 250.0, "some have to wait");
    assert_eq!(controller.terminate(), Some(0));
    let events = stage.find(&format!("/api/v1/namespaces/{ns}/events")).expect("a list");
    let told =
        events["items"].as_array().expect("items").iter().filter(|event| event["reason"] == "pki ServiceName error");
    assert_eq!(told.count(), 250);
}

pub fn a_grace_that_runs_out_is_exit_1_and_names_the_keys(stage: &mut Stage) {
    let mut controller = stuck(stage, "grace", "--shutdown-grace 200ms");
    controller.signal("TERM");
    assert_eq!(controller.wait_end(), Some(1));
    stage.servers.resume();
    let last = controller.lines().pop().expect("a last line");
    assert!(
        last.text("level") == "ERROR" && last.0.to_string().contains("grace/"),
        "the unfinished key is named: {last:?}"
    );
}

pub fn a_second_signal_ends_it_at_once(stage: &mut Stage) {
    let mut controller = stuck(stage, "second-signal", "");
    controller.signal("TERM");
    controller.wait_line("shutting down");
    controller.signal("TERM");
    assert_eq!(controller.wait_end(), Some(128 + 15));
    stage.servers.resume();
}
