//! The end of a Pki, which takes Kubernetes' own garbage collection.

use serde_json::json;
use testkit::wait::{eventually, expect};

use crate::{
    controller::Controller,
    objects::{pki_path, secret_path},
    stage::Stage,
};

pub fn deleted_pki_takes_its_secret_along(stage: &mut Stage) {
    let controller = Controller::start(stage, "");
    stage.namespace("takes-along");
    stage.create_pki("takes-along", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("takes-along", "web", "Issued");
    let labels = [("namespace", "takes-along"), ("name", "web")];
    let expiry = || controller.metric("pki_certificate_not_after_timestamp_seconds", &labels);
    eventually("its expiry is a metric", || expect(expiry() > 1.7e9, expiry()));
    stage.delete(&pki_path("takes-along", "web"));
    stage.wait_gone(&secret_path("takes-along", "web"));
    eventually("its metric is gone", || expect(expiry() == 0.0, expiry()));
}

/// Deleted and created at once: the Secret of the first one has to be collected before there can be another.
pub fn recreated_pki_gets_a_new_certificate(stage: &mut Stage) {
    let _controller = Controller::start(stage, "");
    stage.namespace("again");
    stage.create_pki("again", "web", json!({ "serviceName": "app1" }));
    let first = stage.wait_pki("again", "web", "Issued");
    stage.delete(&pki_path("again", "web"));
    let second = stage.create_pki("again", "web", json!({ "serviceName": "app1" }));
    let issued = stage.wait_pki("again", "web", "Issued");
    assert_ne!(issued["status"]["serialNumber"], first["status"]["serialNumber"]);
    stage.wait_for(&secret_path("again", "web"), "is the second one's", |secret| {
        secret["metadata"]["ownerReferences"][0]["uid"] == second["metadata"]["uid"]
    });
}
