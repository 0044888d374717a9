//! The Secret of a Pki: when it is written, and when it is not.

use serde_json::{Value, json};

use crate::{
    controller::{Controller, Setup},
    objects::{Is, pki_path, pod_mounting, secret_path},
    stage::Stage,
    wait::within,
};

/// Looks at everything again some times a second.
const OFTEN: Setup = Setup { flags: "--resync 150ms", ..Setup::PLAIN };

pub fn a_changed_request_is_reissued_in_place(stage: &mut Stage) {
    let _controller = Controller::ready(stage, Setup::default());
    stage.namespace("change");
    stage.create_pki("change", "web", json!({ "serviceName": "app1" }));
    let before = stage.wait_pki("change", "web", "Issued");
    let secret = stage.secret("change", "web");
    stage.patch(&pki_path("change", "web"), &json!({ "spec": { "dnsNames": ["app2"] } }));
    let after = stage.wait_pki("change", "web", "Issued");
    assert_ne!(after["status"]["serialNumber"], before["status"]["serialNumber"]);
    let reissued = stage.secret("change", "web");
    assert_eq!(reissued.uid(), secret.uid(), "in place");
    assert_ne!(reissued["data"]["tls.crt"], secret["data"]["tls.crt"]);
    assert_eq!(stage.wait_event("change", "Pki", "web", "Renewed", 1)["type"], "Normal");
}

pub fn a_deleted_secret_is_made_whole_at_the_next_resync(stage: &mut Stage) {
    let _controller = Controller::ready(stage, OFTEN);
    stage.namespace("gone");
    stage.create_pki("gone", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("gone", "web", "Issued");
    let uid = stage.secret("gone", "web").uid().to_owned();
    stage.delete(&secret_path("gone", "web"));
    stage.wait_for(&secret_path("gone", "web"), "is back", |secret| secret.uid() != uid);
    stage.wait_pki("gone", "web", "Issued");
}

pub fn a_damaged_secret_is_made_whole_at_the_next_resync(stage: &mut Stage) {
    let _controller = Controller::ready(stage, OFTEN);
    stage.namespace("damage");
    stage.create_pki("damage", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("damage", "web", "Issued");
    let path = secret_path("damage", "web");
    let whole = |secret: &Value| secret.data("tls.key").starts_with(b"-----BEGIN PRIVATE KEY-----");
    // Another program's annotation has to outlive each repair.
    stage.patch(&path, &json!({ "metadata": { "annotations": { "example.com/mine": "kept" } } }));
    for (key, rubbish) in [("tls.key", "cnViYmlzaA=="), ("tls.crt", ""), ("ca.crt", "cnViYmlzaA==")] {
        let version = stage.patch(&path, &json!({ "data": { key: rubbish } })).version().to_owned();
        let repaired = stage.wait_for(&path, &format!("is repaired after {key}"), |secret| {
            secret.version() != version && whole(secret) && secret["data"][key] != rubbish
        });
        assert_eq!(repaired["metadata"]["annotations"]["example.com/mine"], "kept");
    }
}

pub fn a_new_pod_that_mounts_a_deleted_secret_brings_it_back(stage: &mut Stage) {
    let _controller = Controller::ready(stage, Setup { flags: "--resync 0", ..Setup::default() });
    stage.namespace("pod-brings");
    stage.create_pki("pod-brings", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("pod-brings", "web", "Issued");
    stage.delete(&secret_path("pod-brings", "web"));
    stage.create_pod(&pod_mounting("pod-brings", "web", "web"));
    stage.wait_for(&secret_path("pod-brings", "web"), "is back", |_| true);
}

pub fn a_certificate_that_is_due_is_renewed_and_no_sooner_than_10_seconds_after_issue(stage: &mut Stage) {
    // The resync must not find it due before its time, either.
    let _controller = Controller::ready(stage, OFTEN);
    stage.namespace("due");
    let spec = json!({ "serviceName": "app1", "duration": "1h", "renewBefore": "59m59s" });
    stage.create_pki("due", "web", spec);
    let mut last = stage.wait_pki("due", "web", "Issued");
    for _ in 0..2 {
        let path = pki_path("due", "web");
        let next = within(std::time::Duration::from_secs(60), "the certificate is renewed", || {
            let pki = stage.api.get(&path)?;
            let renewed = pki["status"]["serialNumber"] != last["status"]["serialNumber"];
            if renewed { Ok(pki) } else { Err(crate::stage::seen(pki)) }
        });
        let waited = moment(&next, "notBefore") - moment(&last, "notBefore");
        assert!(waited >= 10, "renewed after {waited} s: {next:#}");
        last = next;
    }
    stage.wait_event("due", "Pki", "web", "Renewed", 1);
    stage.delete(&pki_path("due", "web"));
}

/// A time in the status, in seconds.
fn moment(pki: &Value, field: &str) -> i64 {
    let text = pki["status"][field].as_str().unwrap_or_default();
    text.parse::<jiff::Timestamp>().unwrap_or_else(|e| panic!("{field} {text:?}: {e}")).as_second()
}

pub fn a_name_that_is_no_longer_allowed_leaves_the_secret_alone(stage: &mut Stage) {
    let controller = Controller::ready(stage, OFTEN);
    stage.namespace("left-alone");
    stage.create_pki("left-alone", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("left-alone", "web", "Issued");
    let before = stage.secret("left-alone", "web");
    stage.patch(&pki_path("left-alone", "web"), &json!({ "spec": { "serviceName": "appp1" } }));
    stage.wait_pki("left-alone", "web", "NameNotAllowed");
    controller.wait_resyncs(3);
    assert_eq!(stage.secret("left-alone", "web").version(), before.version());
}

pub fn a_secret_of_somebody_else_is_never_touched(stage: &mut Stage) {
    stage.namespace("foreign");
    let secrets = "/api/v1/namespaces/foreign/secrets";
    let theirs = |name: &str, owners: Value| {
        let metadata = json!({ "name": name, "ownerReferences": owners });
        stage.create(
            secrets,
            &json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": { "a": "YQ==" } }),
        )
    };
    // One that is there: what nobody owns any more is collected.
    let stranger = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "stranger" } });
    let stranger = stage.create("/api/v1/namespaces/foreign/configmaps", &stranger);
    let stranger = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": "stranger", "uid": stranger.uid(), "controller": true,
    });
    // Ours in name, but a reference that does not control says nothing about whose it is.
    let ours = stage.create_pki("foreign", "uncontrolled", json!({ "serviceName": "app1" }));
    let only = json!({ "apiVersion": "box.com/v1", "kind": "Pki", "name": "uncontrolled", "uid": ours.uid() });
    let secrets =
        [theirs("plain", Value::Null), theirs("owned", json!([stranger])), theirs("uncontrolled", json!([only]))];
    for name in ["plain", "owned"] {
        stage.create_pki("foreign", name, json!({ "serviceName": "app1" }));
    }
    let controller = Controller::ready(stage, OFTEN);
    for before in &secrets {
        let pki = stage.wait_pki("foreign", before.name(), "SecretConflict");
        assert!(pki.ready("message").contains(before.name()), "{pki:#}");
        assert_eq!(stage.wait_event("foreign", "Pki", before.name(), "SecretConflict", 1)["type"], "Warning");
    }
    controller.wait_resyncs(3);
    for before in &secrets {
        assert_eq!(stage.secret("foreign", before.name()).version(), before.version());
    }
    // It makes room, and the next resync finds out.
    stage.delete(&secret_path("foreign", "plain"));
    stage.wait_pki("foreign", "plain", "Issued");
}

pub fn an_immutable_secret_is_told_at_once_and_looked_at_again(stage: &mut Stage) {
    let controller = Controller::ready(stage, OFTEN);
    stage.namespace("immutable");
    stage.create_pki("immutable", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("immutable", "web", "Issued");
    let before = stage.patch(&secret_path("immutable", "web"), &json!({ "immutable": true }));
    let mark = stage.servers.audit().len();
    stage.patch(&pki_path("immutable", "web"), &json!({ "spec": { "dnsNames": ["app2"] } }));
    stage.wait_pki("immutable", "web", "IssueFailed");
    let refused = stage.servers.audit().since(mark).only(|r| r.namespace == "immutable" && r.code == 422);
    assert!(refused.len() <= 2, "at once, not after twelve attempts:\n{refused}");
    assert_eq!(stage.wait_event("immutable", "Pki", "web", "IssueFailed", 1)["type"], "Warning");
    controller.wait_resyncs(1);
    assert_eq!(stage.secret("immutable", "web").version(), before.version());
    stage.delete(&secret_path("immutable", "web"));
    stage.wait_pki("immutable", "web", "Issued");
}
