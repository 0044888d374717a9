//! The Secret of a Pki: when it is written, and when it is not.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{objects::meta, wait::within};

use crate::{
    controller::Controller,
    objects::{data, pki_path, pod, secret_path},
    stage::{Stage, short},
};

/// A resync several times a second.
const OFTEN: &str = "--resync 150ms";

pub fn damaged_or_deleted_secret_is_repaired(stage: &mut Stage) {
    let controller = Controller::start(stage, OFTEN);
    stage.namespace("damage");
    stage.create_pki("damage", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("damage", "web", "Issued");
    let path = secret_path("damage", "web");
    // An annotation of another program outlives each repair.
    stage.patch(&path, &json!({ "metadata": { "annotations": { "example.com/mine": "kept" } } }));
    for (key, rubbish) in [("tls.key", "cnViYmlzaA=="), ("tls.crt", ""), ("ca.crt", "cnViYmlzaA==")] {
        let damaged = stage.patch(&path, &json!({ "data": { key: rubbish } }));
        let repaired = stage.wait_for(&path, &format!("is repaired after {key}"), |secret| {
            meta(secret, "resourceVersion") != meta(&damaged, "resourceVersion") && secret["data"][key] != rubbish
        });
        assert_eq!(repaired["metadata"]["annotations"]["example.com/mine"], "kept");
        assert!(data(&repaired, "tls.key").starts_with(b"-----BEGIN PRIVATE KEY-----"));
    }
    stage.delete(&path);
    stage.wait_for(&path, "exists again", |_| true);
    drop(controller);
    // Without a resync, by a new pod that mounts it.
    let _controller = Controller::start(stage, "--resync 0");
    stage.wait_pki("damage", "web", "Issued");
    stage.delete(&path);
    stage.create(&pod("damage", "web", "web"));
    stage.wait_for(&path, "exists again", |_| true);
}

pub fn due_certificate_is_renewed_after_10_s(stage: &mut Stage) {
    // The resync does not find it due earlier, either.
    let _controller = Controller::start(stage, OFTEN);
    stage.namespace("due");
    stage.create_pki("due", "web", json!({ "serviceName": "app1", "duration": "1h", "renewBefore": "59m59s" }));
    let first = stage.wait_pki("due", "web", "Issued");
    let path = pki_path("due", "web");
    let second = within(Duration::from_secs(60), "the certificate is renewed", || {
        let pki = stage.api.get(&path)?;
        if pki["status"]["serialNumber"] != first["status"]["serialNumber"] { Ok(pki) } else { Err(short(pki)) }
    });
    let moment = |pki: &Value| pki["status"]["notBefore"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let waited = moment(&second).duration_since(moment(&first)).as_secs();
    assert!(waited >= 10, "renewed after {waited} s");
    stage.wait_event("due", "Pki/web", "Renewed");
    stage.delete(&path);
}

pub fn immutable_secret_is_reported_at_once(stage: &mut Stage) {
    let controller = Controller::start(stage, OFTEN);
    stage.namespace("immutable");
    stage.create_pki("immutable", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("immutable", "web", "Issued");
    let before = stage.patch(&secret_path("immutable", "web"), &json!({ "immutable": true }));
    let mark = stage.servers.audit().len();
    stage.patch(&pki_path("immutable", "web"), &json!({ "spec": { "dnsNames": ["app2"] } }));
    stage.wait_pki("immutable", "web", "IssueFailed");
    let refused = stage.servers.audit().since(mark).only(|r| r.namespace == "immutable" && r.code == 422);
    assert!(refused.len() <= 2, "not after twelve attempts:\n{refused}");
    assert_eq!(stage.wait_event("immutable", "Pki/web", "IssueFailed")["type"], "Warning");
    controller.wait_resyncs(1);
    assert_eq!(meta(&stage.secret("immutable", "web"), "resourceVersion"), meta(&before, "resourceVersion"));
    stage.delete(&secret_path("immutable", "web"));
    stage.wait_pki("immutable", "web", "Issued");
}
