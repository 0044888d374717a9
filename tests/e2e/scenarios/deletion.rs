//! Deletion of a Pki, with Kubernetes' garbage collection of its Secret.

use serde_json::json;
use testkit::{
    objects::{pki_path, ready, secret_path},
    wait::{eventually, expect},
};

use crate::{controller::Controller, test_env::TestEnv};

pub fn deleted_pki_loses_its_secret_and_metric(env: &mut TestEnv) {
    let controller = Controller::start(env, "");
    env.create_namespace("deleted");
    env.create_pki("deleted", "web", json!({ "serviceName": "app1" }));
    env.wait_pki("deleted", "web", "Issued");
    let labels = [("namespace", "deleted"), ("name", "web")];
    let expiry = || controller.metric("pki_certificate_not_after_timestamp_seconds", &labels);
    eventually("the expiry of the certificate is a metric", || expect(expiry() > 1.7e9, expiry()));
    env.delete(&pki_path("deleted", "web"));
    env.wait_gone(&secret_path("deleted", "web"));
    eventually("the metric is gone", || expect(expiry() == 0.0, expiry()));
}

/// The garbage collector has to delete the Secret of the first Pki before the second one gets its own.
pub fn recreated_pki_gets_a_new_certificate(env: &mut TestEnv) {
    let _controller = Controller::start(env, "");
    env.create_namespace("again");
    env.create_pki("again", "web", json!({ "serviceName": "app1" }));
    let first = env.wait_pki("again", "web", "Issued");
    env.delete(&pki_path("again", "web"));
    let second = env.create_pki("again", "web", json!({ "serviceName": "app1" }));
    let issued = env.wait_pki("again", "web", "Issued");
    assert_ne!(issued["status"]["serialNumber"], first["status"]["serialNumber"]);
    env.wait_for(&secret_path("again", "web"), "belongs to the second Pki", |secret| {
        secret["metadata"]["ownerReferences"][0]["uid"] == second["metadata"]["uid"]
    });
}

/// A finalizer holds a Secret that is deleted, and the Secret of a Pki that is deleted and created again.
pub fn secret_held_by_a_finalizer_is_reported_until_deleted(env: &mut TestEnv) {
    let _controller = Controller::start(env, "--resync 150ms");
    env.create_namespace("held");
    for name in ["deleted", "again"] {
        env.create_pki("held", name, json!({ "serviceName": "app1" }));
        let first = env.wait_pki("held", name, "Issued");
        let secret = secret_path("held", name);
        env.patch(&secret, &json!({ "metadata": { "finalizers": ["example.com/hold"] } }));
        if name == "deleted" {
            env.delete(&secret);
        } else {
            env.delete(&pki_path("held", name));
            env.create_pki("held", name, json!({ "serviceName": "app1" }));
        }
        env.wait_for(&pki_path("held", name), "waits for the finalizer", |pki| {
            ready(pki, "reason") == "SecretTerminating" && ready(pki, "message").contains("[example.com/hold]")
        });
        env.wait_event("held", &format!("Pki/{name}"), "SecretTerminating");
        env.patch(&secret, &json!({ "metadata": { "finalizers": [] } }));
        let second = env.wait_pki("held", name, "Issued");
        assert_ne!(second["status"]["serialNumber"], first["status"]["serialNumber"]);
    }
}
