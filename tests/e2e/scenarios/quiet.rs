//! A controller that has nothing to do does nothing: read from the API server's audit log, not from what we say about
//! it.

use serde_json::{Value, json};

use crate::{
    controller::{Controller, Setup},
    daemon::Line,
    objects::{Is, pod_mounting},
    stage::Stage,
};

/// Each in its final state, and a pod that waits for each Secret.
const SETTLED: [(&str, &str); 4] =
    [("good", "Issued"), ("refused", "NameNotAllowed"), ("conflict", "SecretConflict"), ("invalid", "InvalidSpec")];

const NS: &str = "quiet";

fn settle(stage: &Stage) {
    stage.namespace(NS);
    let foreign = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "conflict" } });
    stage.create("/api/v1/namespaces/quiet/secrets", &foreign);
    stage.create_pki(NS, "good", json!({ "serviceName": "app1" }));
    stage.create_pki(NS, "refused", json!({ "serviceName": "appp1" }));
    stage.create_pki(NS, "conflict", json!({ "serviceName": "app1" }));
    stage.create_pki(NS, "invalid", json!({ "serviceName": 5 }));
    for (name, _) in SETTLED {
        stage.create_pod(&pod_mounting(NS, name, name));
    }
}

fn wait_settled(stage: &Stage) {
    for (name, reason) in SETTLED {
        stage.wait_pki(NS, name, reason);
        let event = if name == "refused" { "pki ServiceName error" } else { reason };
        stage.wait_event(NS, "Pki", name, event, 1);
    }
    stage.wait_event(NS, "Pod", "refused", "pki ServiceName error", 1);
}

pub fn once_all_is_settled_nothing_is_written_however_often_it_looks(stage: &mut Stage) {
    loosen(stage);
    settle(stage);
    let controller = Controller::ready(stage, Setup { flags: "--resync 80ms", ..Setup::default() });
    wait_settled(stage);
    controller.wait_resyncs(1);

    let reconciles = || controller.count("reconcile_total", &[("queue", "pki")]);
    let (mark, before, logged) = (stage.servers.audit().len(), reconciles(), controller.lines().len());
    controller.wait_resyncs(3);
    let more = controller.lines().split_off(logged);
    assert!(more.is_empty(), "a look that finds nothing to do is no line at INFO: {more:?}");
    for (name, reason) in SETTLED {
        let decision = if reason == "Issued" { "certificate issued" } else { "no certificate" };
        let of_it = |line: &&Line| line.text("pki") == format!("{NS}/{name}") && line.text("message") == decision;
        assert_eq!(controller.lines().iter().filter(of_it).count(), 1, "{name}: one line per decision");
    }
    let audit = stage.servers.audit().since(mark);
    audit.writes().assert_none("writes over three resyncs");
    audit.only(|request| request.verb != "get").assert_none("a resync makes no list and no watch");
    let rounds = (reconciles() - before) / controller.count("reflector_items", &[("resource", "pkis")]);
    for name in ["good", "refused", "conflict", "invalid"] {
        let gets = audit.only(|request| request.name == name);
        assert!(gets.len() as f64 <= rounds.ceil() + 1.0, "at most one GET per resync ({rounds}):\n{gets}");
    }

    // Over its whole life: nothing that it may not, and no Secret that it was not told the name of.
    let audit = stage.servers.audit();
    audit.only(|request| request.code == 403).assert_none("refused requests");
    audit
        .only(|r| r.resource == "secrets" && matches!(r.verb.as_str(), "list" | "watch"))
        .assert_none("lists of Secrets");
    let verbs = ["get", "list", "watch", "create", "patch"];
    audit.only(|request| !verbs.contains(&request.verb.as_str())).assert_none("other verbs");
}

pub fn a_restart_writes_nothing_but_a_reminder_of_each_error(stage: &mut Stage) {
    // As the scenario before has left it, or from the start.
    if stage.find("/api/v1/namespaces/quiet").is_none() {
        loosen(stage);
        settle(stage);
        let controller = Controller::ready(stage, Setup::default());
        wait_settled(stage);
        controller.kill();
    }
    let mark = stage.servers.audit().len();
    let controller = Controller::ready(stage, Setup { flags: "--resync 150ms", ..Setup::default() });
    controller.wait_resyncs(3);
    let writes = stage.servers.audit().since(mark).writes();
    writes.only(|request| request.resource != "events").assert_none("writes after a restart");
    // It does not know yet which Events there are: that it tries to create one and is told so writes nothing.
    let writes = writes.only(|request| request.code != 409);
    assert!(writes.len() <= 4, "one for each Pki with an error, one for the pod that waits:\n{writes}");
}

/// Wrong in ways that the definition's rules refuse, with the field that the message has to name.
fn wrong_specs() -> Vec<(&'static str, Value, &'static str)> {
    let with = |field: &str, value: Value| {
        let mut spec = json!({ "serviceName": "app1" });
        spec[field] = value;
        spec
    };
    vec![
        ("no-name", json!({}), "serviceName"),
        ("number", json!({ "serviceName": 5 }), "serviceName"),
        ("upper-case", json!({ "serviceName": "App1" }), "serviceName"),
        ("common", with("commonName", json!("not a name!")), "commonName"),
        ("dns", with("dnsNames", json!(["fine", "not fine"])), "dnsNames"),
        ("dns-type", with("dnsNames", json!("app1")), "dnsNames"),
        ("short", with("duration", json!("59m")), "duration"),
        ("long", with("duration", json!("8761h")), "duration"),
        ("no-duration", with("duration", json!("soon")), "duration"),
        ("renew", json!({ "serviceName": "app1", "duration": "1h", "renewBefore": "1h" }), "renewBefore"),
    ]
}

pub fn the_api_server_refuses_a_wrong_spec_while_it_is_being_typed(stage: &mut Stage) {
    stage.namespace("typed");
    let collection = "/apis/box.com/v1/namespaces/typed/pkis";
    for (name, spec, field) in wrong_specs() {
        let pki = crate::objects::pki("typed", name, spec);
        let refused = stage.api.post(collection, &pki).expect_err(name);
        assert!(refused.code == 422 && refused.why.contains(field), "{name}: {refused}");
    }
    // The default of renewBefore follows a short duration, and the longest one is fine.
    for (name, duration) in [("shortest", "1h"), ("longest", "8760h")] {
        stage.create_pki("typed", name, json!({ "serviceName": "app1", "duration": duration }));
    }
}

pub fn a_wrong_spec_that_gets_past_the_api_server_is_told_to_its_owner(stage: &mut Stage) {
    loosen(stage);
    let controller = Controller::ready(stage, Setup { flags: "--resync 150ms", ..Setup::default() });
    stage.namespace("wrong");
    for (name, spec, _) in wrong_specs() {
        stage.create_pki("wrong", name, spec);
    }
    for (name, _, field) in wrong_specs() {
        let pki = stage.wait_pki("wrong", name, "InvalidSpec");
        assert!(pki.ready("message").contains(field), "{pki:#}");
        let event = stage.wait_event("wrong", "Pki", name, "InvalidSpec", 1);
        assert_eq!((&event["type"], &event["message"]), (&"Warning".into(), &pki.ready("message").into()));
    }
    // Not retried, and a resync does not repeat it.
    controller.wait_resyncs(3);
    for (name, ..) in wrong_specs() {
        assert_eq!(stage.events("wrong", name)[0]["count"], 1);
    }
    stage
        .servers
        .audit()
        .only(|r| r.namespace == "wrong" && r.resource == "secrets")
        .assert_none("requests for Secrets");
}

/// Puts a definition in force that lets any spec in, as an older one would.
pub fn loosen(stage: &Stage) {
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/pkis.box.com";
    let mut definition = stage.find(path).expect("it is installed");
    for version in definition["spec"]["versions"].as_array_mut().into_iter().flatten() {
        let schema = &mut version["schema"]["openAPIV3Schema"];
        schema["properties"]["spec"] = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        schema.as_object_mut().map(|schema| schema.remove("x-kubernetes-validations"));
    }
    stage.api.put(path, &definition).unwrap();
    // It takes a moment until it is in force.
    let probe = crate::objects::pki("default", "probe", json!({ "serviceName": 5 }));
    let create = || stage.api.post("/apis/box.com/v1/namespaces/default/pkis?dryRun=All", &probe);
    crate::wait::eventually("any spec is let in", create);
}
