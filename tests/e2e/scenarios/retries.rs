//! Errors of the API server: tried again, given up, and taken up again.

use serde_json::json;

use super::rights::{grant_back, may, revoke};
use crate::{
    controller::{Controller, Setup},
    objects::{Is, pki_path},
    stage::Stage,
    wait::{eventually, expect},
};

pub fn an_error_that_stays_is_given_up_until_a_change_or_a_resync(stage: &mut Stage) {
    let ns = "given-up";
    let taken = revoke(stage, "secrets");
    eventually("the right is gone", || expect(!may(stage, "get secrets"), "not yet"));
    let flags = "--namespace given-up --max-retries 3 --resync 0";
    let controller = Controller::ready(stage, Setup { flags, ..Setup::default() });
    stage.namespace(ns);
    stage.create_pki(ns, "first", json!({ "serviceName": "app1" }));
    let pki = stage.wait_pki(ns, "first", "IssueFailed");
    assert!(pki.ready("message").contains("403"), "{pki:#}");
    let event = stage.wait_event(ns, "Pki", "first", "IssueFailed", 1);
    assert_eq!((&event["type"], &event["message"]), (&"Warning".into(), &pki.ready("message").into()));
    let retries = || controller.count("workqueue_retries_total", &[("name", "pki")]);
    assert_eq!(retries(), 3.0, "as often as --max-retries says");
    let errors = controller.lines().into_iter().filter(|line| line.text("level") == "ERROR");
    assert_eq!(errors.count(), 1, "one line says that it is given up");

    // Forgotten: a second one goes the same way, and the first is not tried again.
    stage.create_pki(ns, "second", json!({ "serviceName": "app1" }));
    stage.wait_pki(ns, "second", "IssueFailed");
    assert_eq!(retries(), 6.0);

    grant_back(stage, &taken);
    eventually("the right is back", || expect(may(stage, "get secrets"), "not yet"));
    // A change brings it back, the other one has to wait for a resync (or, as here, for a restart).
    stage.patch(&pki_path(ns, "first"), &json!({ "spec": { "dnsNames": ["app2"] } }));
    stage.wait_pki(ns, "first", "Issued");
    stage.wait_pki(ns, "second", "IssueFailed");
    drop(controller);
    let _controller = Controller::ready(stage, Setup::default());
    stage.wait_pki(ns, "second", "Issued");
}

pub fn a_resync_finds_that_what_failed_is_mended(stage: &mut Stage) {
    let ns = "mended";
    let taken = revoke(stage, "secrets");
    eventually("the right is gone", || expect(!may(stage, "get secrets"), "not yet"));
    let flags = "--max-retries 1 --resync 150ms";
    let _controller = Controller::ready(stage, Setup { flags, ..Setup::default() });
    stage.namespace(ns);
    stage.create_pki(ns, "web", json!({ "serviceName": "app1" }));
    stage.wait_pki(ns, "web", "IssueFailed");
    grant_back(stage, &taken);
    stage.wait_pki(ns, "web", "Issued");
}
