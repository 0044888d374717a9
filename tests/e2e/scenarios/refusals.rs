//! A name that is not allowed: who is told, in which words, and how often.

use serde_json::{Value, json};

use crate::{
    controller::{Controller, Setup},
    kubelet::bind,
    objects::{Is, pki_path, pod, pod_mounting, pod_path, secret_path},
    stage::Stage,
};

/// The reason of the Events.
const REASON: &str = "pki ServiceName error";

pub fn the_message_names_the_field_and_the_names_that_hold_in_this_namespace(stage: &mut Stage) {
    // One name for everybody, one for this namespace, one of another tenant that nobody here may see.
    let names = "# who may have what\napp1\n\nwords/app2\nelsewhere/secret-project\n";
    let _controller = Controller::ready(stage, Setup { names: Some(names), ..Setup::default() });
    stage.namespace("words");
    let cases = [
        ("service", json!({ "serviceName": "appp1" }), "ServiceName: appp1"),
        ("common", json!({ "serviceName": "app1", "commonName": "www.example.com" }), "commonName: www.example.com"),
        ("dns", json!({ "serviceName": "app2", "dnsNames": ["app1", "secret-project"] }), "dnsName: secret-project"),
        // The first one in this order is told.
        ("all", json!({ "serviceName": "x", "commonName": "y", "dnsNames": ["z"] }), "ServiceName: x"),
    ];
    for (name, spec, _) in &cases {
        stage.create_pki("words", name, spec.clone());
    }
    for (name, _, words) in cases {
        let message = format!("{words} in pki: {name} is not found in allowedNames: [app1 app2]");
        let pki = stage.wait_pki("words", name, "NameNotAllowed");
        assert_eq!(pki.ready("message"), message);
        let event = stage.wait_event("words", "Pki", name, REASON, 1);
        assert_eq!((&event["message"], &event["type"]), (&message.into(), &"Warning".into()));
        assert_eq!(stage.find(&secret_path("words", name)), None);
    }
    // A name that is allowed in one namespace is not in the next.
    stage.namespace("words-next-door");
    stage.create_pki("words-next-door", "web", json!({ "serviceName": "app2" }));
    let pki = stage.wait_pki("words-next-door", "web", "NameNotAllowed");
    assert!(pki.ready("message").ends_with("allowedNames: [app1]"), "{pki:#}");
}

pub fn a_message_about_a_long_list_is_cut_and_arrives(stage: &mut Stage) {
    let names: String = (0..200).map(|n| format!("service-{n}\n")).collect();
    let _controller = Controller::ready(stage, Setup { names: Some(&names), ..Setup::default() });
    stage.namespace("long");
    stage.create_pki("long", "web", json!({ "serviceName": "app1" }));
    // The API server refuses an Event with more than 1024 bytes.
    let event = stage.wait_event("long", "Pki", "web", REASON, 1);
    let message = event["message"].as_str().unwrap_or_default();
    assert!(message.len() <= 1024, "{} bytes", message.len());
    assert!(message.starts_with("ServiceName: app1 in pki: web is not found in allowedNames: [service-0 service-1 "));
}

pub fn every_pod_that_waits_for_the_secret_hears_of_it_and_no_other(stage: &mut Stage) {
    let ns = "audience";
    stage.namespace(ns);
    let projected = json!([{ "name": "p", "projected": { "sources": [{ "secret": { "name": "web" } }] } }]);
    let with = |name: &str, field: &str, value: Value| {
        let mut pod = pod(ns, name, json!([]));
        pod["spec"]["containers"][0][field] = value;
        pod
    };
    let key = json!([{ "name": "CRT", "valueFrom": { "secretKeyRef": { "name": "web", "key": "tls.crt" } } }]);
    let waiting = [
        pod_mounting(ns, "volume", "web"),
        pod(ns, "projected", projected),
        with("env", "env", key),
        with("env-from", "envFrom", json!([{ "secretRef": { "name": "web" } }])),
    ];
    waiting.iter().for_each(|pod| drop(stage.create_pod(pod)));
    // These do not wait, or not any more.
    stage.create_pod(&pod_mounting(ns, "another-secret", "other"));
    for (name, phase) in [("succeeded", "Succeeded"), ("failed", "Failed")] {
        stage.create_pod(&pod_mounting(ns, name, "web"));
        stage.patch(&format!("{}/status", pod_path(ns, name)), &json!({ "status": { "phase": phase } }));
    }
    let deleted = stage.create_pod(&pod_mounting(ns, "deleted", "web"));
    bind(&stage.api, &deleted).unwrap();
    stage.delete(&pod_path(ns, "deleted"));

    let controller = Controller::ready(stage, Setup { flags: "--resync 150ms", ..Setup::default() });
    stage.create_pki(ns, "web", json!({ "serviceName": "appp1" }));
    let message = "ServiceName: appp1 in pki: web is not found in allowedNames: [app1 app2]";
    for pod in &waiting {
        let event = stage.wait_event(ns, "Pod", pod.name(), REASON, 1);
        assert_eq!((&event["message"], &event["type"]), (&message.into(), &"Warning".into()));
    }
    controller.wait_resyncs(3);
    for name in ["another-secret", "succeeded", "failed", "deleted"] {
        let events = stage.events(ns, name);
        assert!(events.is_empty(), "{name}: {events:#?}");
    }
    for pod in &waiting {
        let events = stage.events(ns, pod.name());
        assert!(events.len() == 1 && events[0]["count"] == 1, "a resync never repeats it: {events:#?}");
    }
}

pub fn a_second_pod_is_told_and_the_first_is_not_told_again(stage: &mut Stage) {
    let ns = "second-pod";
    let controller = Controller::ready(stage, Setup { flags: "--resync 150ms", ..Setup::default() });
    stage.namespace(ns);
    stage.create_pki(ns, "web", json!({ "serviceName": "appp1" }));
    stage.create_pod(&pod_mounting(ns, "first", "web"));
    stage.wait_event(ns, "Pod", "first", REASON, 1);
    stage.create_pod(&pod_mounting(ns, "second", "web"));
    stage.wait_event(ns, "Pod", "second", REASON, 1);
    controller.wait_resyncs(3);
    for (kind, name) in [("Pki", "web"), ("Pod", "first"), ("Pod", "second")] {
        let event = stage.wait_event(ns, kind, name, REASON, 1);
        assert_eq!(event["count"], 1, "{event:#}");
    }
}

pub fn an_error_that_persists_is_reported_again_by_the_same_event(stage: &mut Stage) {
    let ns = "persists";
    let _controller = Controller::ready(stage, Setup { flags: "--remind 200ms", ..Setup::default() });
    stage.namespace(ns);
    stage.create_pki(ns, "web", json!({ "serviceName": "appp1" }));
    stage.create_pod(&pod_mounting(ns, "web-0", "web"));
    for (kind, name) in [("Pki", "web"), ("Pod", "web-0")] {
        let first = stage.wait_event(ns, kind, name, REASON, 1);
        // Its times are whole seconds: that one is new is seen when it comes after one that is long over.
        let path = format!("/api/v1/namespaces/{ns}/events/{}", first.name());
        let long_ago = "2020-01-01T00:00:00Z";
        let aged = stage.patch(&path, &json!({ "lastTimestamp": long_ago }));
        let told = aged["count"].as_u64().unwrap_or_default();
        let later = stage.wait_event(ns, kind, name, REASON, told.max(2) + 1);
        assert_eq!(first.uid(), later.uid(), "the count rises, no second object");
        assert_ne!(later["lastTimestamp"], long_ago, "{later:#}");
        assert_eq!(later["firstTimestamp"], first["firstTimestamp"]);
    }
    // Once it is fixed there is nothing to report.
    stage.patch(&pki_path(ns, "web"), &json!({ "spec": { "serviceName": "app1" } }));
    stage.wait_pki(ns, "web", "Issued");
}

pub fn a_restart_raises_the_count_by_one_at_most(stage: &mut Stage) {
    let ns = "restart-count";
    let setup = Setup { flags: "--resync 150ms", ..Setup::default() };
    let controller = Controller::ready(stage, setup);
    stage.namespace(ns);
    stage.create_pki(ns, "web", json!({ "serviceName": "appp1" }));
    stage.create_pod(&pod_mounting(ns, "web-0", "web"));
    let about = [("Pki", "web"), ("Pod", "web-0")];
    let before = about.map(|(kind, name)| stage.wait_event(ns, kind, name, REASON, 1));
    controller.kill();
    let controller = Controller::ready(stage, setup);
    controller.wait_resyncs(3);
    for ((kind, name), before) in about.into_iter().zip(before) {
        let events = stage.events(ns, name);
        assert_eq!(events.len(), 1, "{events:#?}");
        let after = stage.wait_event(ns, kind, name, REASON, 1);
        assert_eq!(after.uid(), before.uid());
        assert!(after["count"].as_u64() <= Some(2), "{after:#}");
    }
}

pub fn a_pki_and_a_pod_may_come_in_any_order(stage: &mut Stage) {
    let ns = "any-order";
    let _controller = Controller::ready(stage, Setup::default());
    stage.namespace(ns);
    stage.create_pod(&pod_mounting(ns, "early", "web"));
    stage.create_pki(ns, "web", json!({ "serviceName": "appp1" }));
    stage.wait_event(ns, "Pod", "early", REASON, 1);
    stage.create_pod(&pod_mounting(ns, "late", "web"));
    stage.wait_event(ns, "Pod", "late", REASON, 1);
}
