//! What goes with a Pki that is deleted, and what is not written any more.

use serde_json::{Value, json};

use crate::{
    controller::{Controller, Setup},
    objects::{Is, pki, pki_path, pod_mounting, secret_path},
    stage::Stage,
    wait::{eventually, expect},
};

pub fn a_deleted_pki_takes_its_secret_along(stage: &mut Stage) {
    let controller = Controller::ready(stage, Setup::default());
    stage.namespace("takes-along");
    stage.create_pki("takes-along", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("takes-along", "web", "Issued");
    let labels = [("namespace", "takes-along"), ("name", "web")];
    let expiry = || controller.count("pki_certificate_not_after_timestamp_seconds", &labels);
    eventually("its expiry is a metric", || expect(expiry() > 1.7e9, expiry()));
    stage.delete(&pki_path("takes-along", "web"));
    stage.wait_gone(&secret_path("takes-along", "web"));
    eventually("its metric goes", || expect(expiry() == 0.0, expiry()));
}

pub fn a_pki_that_is_created_again_is_a_new_owner_with_a_new_certificate(stage: &mut Stage) {
    let _controller = Controller::ready(stage, Setup::default());
    stage.namespace("again");
    let first = stage.create_pki("again", "web", json!({ "serviceName": "app1" }));
    let issued = stage.wait_pki("again", "web", "Issued");
    // At once: the Secret of the first one may still be there, and has to be collected before there can be another.
    stage.delete(&pki_path("again", "web"));
    let second = stage.create_pki("again", "web", json!({ "serviceName": "app1" }));
    assert_ne!(first.uid(), second.uid());
    let reissued = stage.wait_pki("again", "web", "Issued");
    assert_ne!(issued["status"]["serialNumber"], reissued["status"]["serialNumber"]);
    let secret = stage.wait_for(&secret_path("again", "web"), "is the second one's", |secret| {
        secret["metadata"]["ownerReferences"][0]["uid"] == second.uid()
    });
    assert!(secret["metadata"]["deletionTimestamp"].is_null());
}

pub fn nothing_is_written_for_a_pki_that_is_being_deleted(stage: &mut Stage) {
    let controller = Controller::ready(stage, Setup { flags: "--resync 150ms", ..Setup::default() });
    stage.namespace("held");
    let mut held = pki("held", "web", json!({ "serviceName": "app1" }));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    stage.create("/apis/box.com/v1/namespaces/held/pkis", &held);
    // Another one, to see that time passes.
    stage.create_pki("held", "other", json!({ "serviceName": "app1" }));
    stage.wait_pki("held", "other", "Issued");
    stage.wait_pki("held", "web", "Issued");
    stage.wait_event("held", "Pki", "web", "Issued", 1);
    stage.delete(&pki_path("held", "web"));
    let labels = [("namespace", "held"), ("name", "web")];
    let expiry = || controller.count("pki_certificate_not_after_timestamp_seconds", &labels);
    eventually("its metric goes", || expect(expiry() == 0.0, expiry()));
    // Whatever happens to it now: no Secret, no status, no event.
    let mark = stage.servers.audit().len();
    stage.delete(&secret_path("held", "web"));
    stage.create_pod(&pod_mounting("held", "web", "web"));
    let spec = json!({ "spec": { "serviceName": "appp1" } });
    stage.patch(&pki_path("held", "web"), &spec);
    controller.wait_resyncs(3);
    let writes = stage.servers.audit().since(mark).writes();
    writes.only(|request| request.namespace == "held").assert_none("writes for a Pki that is being deleted");
    stage.patch(&pki_path("held", "web"), &json!({ "metadata": { "finalizers": Value::Null } }));
    stage.wait_gone(&pki_path("held", "web"));
}

/// On a stage without a namespace controller, so that the namespace stays as it is: nothing can be created in it.
pub fn a_namespace_that_is_being_deleted_is_nobodys_error(stage: &mut Stage) {
    stage.namespace("terminating");
    stage.create_pki("terminating", "web", json!({ "serviceName": "app1" }));
    stage.create_pki("terminating", "refused", json!({ "serviceName": "appp1" }));
    stage.delete("/api/v1/namespaces/terminating");
    let mark = stage.servers.audit().len();
    let controller = Controller::ready(stage, Setup::default());
    let attempts = || {
        stage.servers.audit().since(mark).only(|request| request.namespace == "terminating" && request.verb == "create")
    };
    eventually("the Secret is refused, and so is the event", || {
        let refused = attempts();
        let of = |resource: &str| refused.only(|request| request.resource == resource && request.code == 403).len();
        expect(of("secrets") > 0 && of("events") > 0, refused)
    });
    // Everything else is issued, and by then nothing has been tried again.
    stage.namespace("alive");
    stage.create_pki("alive", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("alive", "web", "Issued");
    stage.wait_event("alive", "Pki", "web", "Issued", 1);
    assert_eq!(attempts().only(|request| request.resource == "secrets").len(), 1, "\n{}", attempts());
    let errors: Vec<_> = controller.lines().into_iter().filter(|line| line.text("level") == "ERROR").collect();
    assert!(errors.is_empty(), "{errors:?}");
}
