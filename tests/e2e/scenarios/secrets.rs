//! When the Secret of a Pki is written.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{
    objects::{meta, pki_path, pod_mounting, secret_data, secret_path},
    wait::within,
};

use crate::{
    controller::Controller,
    test_env::{TestEnv, format_short},
};

const FREQUENT_RESYNC: &str = "--resync 150ms";

pub fn damaged_or_deleted_secret_is_repaired(env: &mut TestEnv) {
    let controller = Controller::start(env, FREQUENT_RESYNC);
    env.create_namespace("damage");
    env.create_pki("damage", "web", json!({ "serviceName": "app1" }));
    env.wait_pki("damage", "web", "Issued");
    let path = secret_path("damage", "web");
    // A repair keeps the annotations of other programs.
    env.patch(&path, &json!({ "metadata": { "annotations": { "example.com/mine": "kept" } } }));
    for (key, rubbish) in [("tls.key", "cnViYmlzaA=="), ("tls.crt", ""), ("ca.crt", "cnViYmlzaA==")] {
        let damaged = env.patch(&path, &json!({ "data": { key: rubbish } }));
        let repaired = env.wait_for(&path, &format!("is repaired after {key}"), |secret| {
            meta(secret, "resourceVersion") != meta(&damaged, "resourceVersion") && secret["data"][key] != rubbish
        });
        assert_eq!(repaired["metadata"]["annotations"]["example.com/mine"], "kept");
        assert!(secret_data(&repaired, "tls.key").starts_with(b"-----BEGIN PRIVATE KEY-----"));
    }
    env.delete(&path);
    env.wait_for(&path, "exists again", |_| true);
    drop(controller);
    // Without resyncs, a new pod that mounts the Secret triggers the repair.
    let _controller = Controller::start(env, "--resync 0");
    env.wait_pki("damage", "web", "Issued");
    env.delete(&path);
    env.create(&pod_mounting("damage", "web", "web"));
    env.wait_for(&path, "exists again", |_| true);
}

pub fn due_certificate_is_renewed_after_10_s(env: &mut TestEnv) {
    // Resyncs do not renew it earlier.
    let _controller = Controller::start(env, FREQUENT_RESYNC);
    env.create_namespace("due");
    env.create_pki("due", "web", json!({ "serviceName": "app1", "duration": "1h", "renewBefore": "59m59s" }));
    let first = env.wait_pki("due", "web", "Issued");
    let path = pki_path("due", "web");
    let second = within(Duration::from_secs(60), "the certificate is renewed", || {
        let pki = env.api.get(&path)?;
        let renewed = pki["status"]["serialNumber"] != first["status"]["serialNumber"];
        if renewed { Ok(pki) } else { Err(format_short(pki)) }
    });
    let not_before = |pki: &Value| pki["status"]["notBefore"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let waited = not_before(&second).duration_since(not_before(&first)).as_secs();
    assert!(waited >= 10, "renewed after {waited} s");
    env.wait_event("due", "Pki/web", "Renewed");
    env.delete(&path);
}

pub fn immutable_secret_is_reported_at_once(env: &mut TestEnv) {
    let controller = Controller::start(env, FREQUENT_RESYNC);
    env.create_namespace("immutable");
    env.create_pki("immutable", "web", json!({ "serviceName": "app1" }));
    env.wait_pki("immutable", "web", "Issued");
    let before = env.patch(&secret_path("immutable", "web"), &json!({ "immutable": true }));
    let mark = env.servers.audit_log().len();
    env.patch(&pki_path("immutable", "web"), &json!({ "spec": { "dnsNames": ["app2"] } }));
    env.wait_pki("immutable", "web", "IssueFailed");
    let rejected = env.servers.audit_log().since(mark).only(|r| r.namespace == "immutable" && r.code == 422);
    assert!(rejected.len() <= 2, "too many attempts:\n{rejected}");
    assert_eq!(env.wait_event("immutable", "Pki/web", "IssueFailed")["type"], "Warning");
    controller.wait_resyncs(1);
    assert_eq!(meta(&env.secret("immutable", "web"), "resourceVersion"), meta(&before, "resourceVersion"));
    env.delete(&secret_path("immutable", "web"));
    env.wait_pki("immutable", "web", "Issued");
}
