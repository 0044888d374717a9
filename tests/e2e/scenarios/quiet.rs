//! A controller without anything to do, read from the API server's audit log.

use serde_json::json;
use testkit::log::text;

use crate::{controller::Controller, objects::pod, stage::Stage};

const SETTLED: [(&str, &str); 3] = [("good", "Issued"), ("refused", "NameNotAllowed"), ("conflict", "SecretConflict")];

pub fn settled_controller_writes_nothing(stage: &mut Stage) {
    let start = stage.servers.audit().len();
    stage.namespace("quiet");
    let metadata = json!({ "name": "conflict", "namespace": "quiet" });
    stage.create(&json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata }));
    let controller = Controller::start(stage, "--resync 150ms --namespace quiet");
    let settled = || {
        for (name, reason) in SETTLED {
            stage.wait_pki("quiet", name, reason);
            let reason = if name == "refused" { "pki ServiceName error" } else { reason };
            stage.wait_event("quiet", &format!("Pki/{name}"), reason);
        }
        stage.wait_event("quiet", "Pod/refused", "pki ServiceName error");
    };
    for (name, _) in SETTLED {
        let service = if name == "refused" { "appp1" } else { "app1" };
        stage.create_pki("quiet", name, json!({ "serviceName": service }));
        stage.create(&pod("quiet", name, name));
    }
    settled();
    controller.wait_resyncs(1);

    let (mark, lines) = (stage.servers.audit().len(), controller.lines().len());
    controller.wait_resyncs(3);
    let more = controller.lines().split_off(lines);
    assert!(more.is_empty(), "a reconcile without a change is no line at INFO: {more:?}");
    for (name, _) in SETTLED {
        let decisions = controller
            .lines()
            .into_iter()
            .filter(|line| text(line, "pki") == format!("quiet/{name}") && !text(line, "message").starts_with("event"));
        assert_eq!(decisions.count(), 1, "{name}: one line per decision:\n{}", controller.log());
    }
    let audit = stage.servers.audit().since(mark);
    audit.only(|request| request.verb != "get").assert_none("writes, lists or watches over three resyncs");
    let audit = stage.servers.audit().since(start);
    audit.only(|request| request.code == 403).assert_none("refused requests");
    let verbs = ["get", "list", "watch", "create", "patch"];
    audit.only(|request| !verbs.contains(&&*request.verb)).assert_none("other verbs");
    let listed = |verb: &str| matches!(verb, "list" | "watch");
    audit.only(|request| request.resource == "secrets" && listed(&request.verb)).assert_none("lists of Secrets");
}
