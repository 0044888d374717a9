//! The CA: created once, never overwritten, and nobody's certificate.

use serde_json::json;

use crate::{
    controller::{Controller, Setup},
    objects::{Is, pki_path, secret_path},
    stage::Stage,
    wait::{eventually, expect},
};

pub fn two_controllers_that_start_together_share_one_ca(stage: &mut Stage) {
    stage.namespace("two-ca");
    stage.namespace("two");
    let pkis = ["one", "two", "three", "four"];
    for name in pkis {
        stage.create_pki("two", name, json!({ "serviceName": "app1" }));
    }
    let setup = Setup { flags: "--ca-secret two-ca/ca --resync 40ms", ..Setup::default() };
    let mut controllers = [Controller::start(stage, setup), Controller::start(stage, setup)];
    controllers.iter_mut().for_each(|controller| controller.wait_ready());
    let issued = pkis.map(|name| stage.wait_pki("two", name, "Issued"));
    let ca = stage.secret("two-ca", "ca");
    assert_eq!((&ca["type"], ca["data"].as_object().map(|data| data.len())), (&"kubernetes.io/tls".into(), Some(2)));
    assert_eq!(ca["metadata"]["labels"]["app.kubernetes.io/managed-by"], "demo-controller");
    for pki in &issued {
        assert_eq!(stage.secret("two", pki.name()).data("ca.crt"), ca.data("tls.crt"), "{}", pki.name());
    }
    let made =
        |request: &crate::audit::Request| request.namespace == "two-ca" && request.is_write() && request.code < 300;
    assert_eq!(stage.servers.audit().only(made).len(), 1, "\n{}", stage.servers.audit());
    // Both come to rest.
    controllers.iter().for_each(|controller| controller.wait_resyncs(1));
    let mark = stage.servers.audit().len();
    controllers.iter().for_each(|controller| controller.wait_resyncs(3));
    stage.servers.audit().since(mark).writes().assert_none("two controllers that undo each other's work");
}

pub fn a_certificate_of_another_ca_is_reissued(stage: &mut Stage) {
    stage.namespace("other-ca");
    let controller = Controller::ready(stage, Setup { flags: "--ca-secret other-ca/first", ..Setup::default() });
    stage.create_pki("other-ca", "web", json!({ "serviceName": "app1" }));
    let before = stage.wait_pki("other-ca", "web", "Issued");
    drop(controller);
    let _controller = Controller::ready(stage, Setup { flags: "--ca-secret other-ca/second", ..Setup::default() });
    stage.wait_event("other-ca", "Pki", "web", "Renewed", 1);
    // The event is sent beside the work, so it may be there before the status is.
    eventually("the status tells of another certificate", || {
        let after = stage.wait_pki("other-ca", "web", "Issued");
        expect(after["status"]["serialNumber"] != before["status"]["serialNumber"], after)
    });
    assert_eq!(stage.secret("other-ca", "web").data("ca.crt"), stage.secret("other-ca", "second").data("tls.crt"));
}

pub fn a_ca_that_is_no_use_is_reported_and_not_replaced(stage: &mut Stage) {
    stage.namespace("no-use");
    let data = json!({ "tls.crt": "cnViYmlzaA==", "tls.key": "cnViYmlzaA==" });
    let metadata = json!({ "name": "ca", "labels": { "app.kubernetes.io/managed-by": "demo-controller" } });
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": data });
    let before = stage.create("/api/v1/namespaces/no-use/secrets", &secret);
    let flags = "--ca-secret no-use/ca --resync 150ms";
    let controller = Controller::ready(stage, Setup { flags, ..Setup::default() });
    stage.create_pki("no-use", "web", json!({ "serviceName": "app1" }));
    let pki = stage.wait_pki("no-use", "web", "IssueFailed");
    assert!(pki.ready("message").contains("no-use/ca"), "{pki:#}");
    stage.wait_event("no-use", "Pki", "web", "IssueFailed", 1);
    controller.wait_resyncs(3);
    assert_eq!(stage.secret("no-use", "ca").version(), before.version());
    assert_eq!(stage.find(&secret_path("no-use", "web")), None);
    // Somebody takes it away, and a resync finds that there is room for a good one.
    stage.delete(&secret_path("no-use", "ca"));
    stage.wait_pki("no-use", "web", "Issued");
}

pub fn a_pki_of_the_ca_s_own_name_is_a_conflict_before_the_ca_exists_and_after(stage: &mut Stage) {
    stage.namespace("own-name");
    stage.create_pki("own-name", "ca", json!({ "serviceName": "app1" }));
    let flags = "--ca-secret own-name/ca --resync 150ms";
    let controller = Controller::ready(stage, Setup { flags, ..Setup::default() });
    stage.wait_pki("own-name", "ca", "SecretConflict");
    stage.create_pki("own-name", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("own-name", "web", "Issued");
    let ca = stage.secret("own-name", "ca");
    assert!(ca["metadata"]["ownerReferences"].is_null(), "{ca:#}");
    controller.wait_resyncs(3);
    stage.wait_pki("own-name", "ca", "SecretConflict");
    assert_eq!(stage.secret("own-name", "ca").version(), ca.version());
}

pub fn a_dry_run_says_what_it_would_write_and_writes_nothing(stage: &mut Stage) {
    stage.namespace("dry");
    stage.create_pki("dry", "good", json!({ "serviceName": "app1" }));
    stage.create_pki("dry", "bad", json!({ "serviceName": "appp1" }));
    let mark = stage.servers.audit().len();
    let flags = "--dry-run --ca-secret dry/ca --resync 150ms";
    let controller = Controller::ready(stage, Setup { flags, ..Setup::default() });
    let writes = || stage.servers.audit().since(mark).writes();
    eventually("everything was tried", || {
        let tried = |resource: &str, name: &str| writes().only(|r| r.resource == resource && r.name == name).len() > 0;
        let all = tried("secrets", "good") && tried("pkis/status", "bad") && tried("pkis/status", "good");
        crate::wait::expect(all && writes().only(|r| r.resource == "events").len() > 0, writes())
    });
    controller.wait_resyncs(3);
    writes().only(|request| !request.uri.contains("dryRun=All")).assert_none("writes that are no dry run");
    for name in ["good", "bad"] {
        assert!(stage.find(&pki_path("dry", name)).unwrap()["status"].is_null());
        assert!(stage.events("dry", name).is_empty());
    }
    assert!(stage.api.list("/api/v1/namespaces/dry/secrets").unwrap().is_empty(), "not even a CA");
    assert!(controller.log().contains("dry/good"), "{}", controller.log());
}
