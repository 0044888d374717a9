//! The requests of a controller while nothing changes.

use serde_json::json;
use testkit::{log::text, objects::pod_mounting};

use crate::{controller::Controller, test_env::TestEnv};

/// The Pkis, and the reasons of their conditions.
const PKIS: [(&str, &str); 3] = [("good", "Issued"), ("refused", "NameNotAllowed"), ("conflict", "SecretConflict")];

pub fn idle_controller_writes_nothing(env: &mut TestEnv) {
    let start = env.servers.audit_log().len();
    env.create_namespace("quiet");
    let metadata = json!({ "name": "conflict", "namespace": "quiet" });
    env.create(&json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata }));
    let controller = Controller::start(env, "--resync 150ms --namespace quiet");
    for (name, _) in PKIS {
        let service = if name == "refused" { "appp1" } else { "app1" };
        env.create_pki("quiet", name, json!({ "serviceName": service }));
        env.create(&pod_mounting("quiet", name, name));
    }
    for (name, reason) in PKIS {
        env.wait_pki("quiet", name, reason);
        let reason = if name == "refused" { "pki ServiceName error" } else { reason };
        env.wait_event("quiet", &format!("Pki/{name}"), reason);
    }
    env.wait_event("quiet", "Pod/refused", "pki ServiceName error");
    controller.wait_resyncs(1);

    let (mark, lines) = (env.servers.audit_log().len(), controller.lines().len());
    controller.wait_resyncs(3);
    let more = controller.lines().split_off(lines);
    assert!(more.is_empty(), "a reconcile without a change is not logged at INFO: {more:?}");
    for (name, _) in PKIS {
        let decisions = controller
            .lines()
            .into_iter()
            .filter(|line| text(line, "pki") == format!("quiet/{name}") && !text(line, "message").starts_with("event"));
        assert_eq!(decisions.count(), 1, "{name}: one line per decision:\n{}", controller.log());
    }
    let audit = env.servers.audit_log().since(mark);
    audit.only(|request| request.verb != "get").assert_none("writes, lists or watches over three resyncs");
    let audit = env.servers.audit_log().since(start);
    audit.only(|request| request.code == 403).assert_none("forbidden requests");
    let verbs = ["get", "list", "watch", "create", "patch"];
    audit.only(|request| !verbs.contains(&&*request.verb)).assert_none("other verbs");
    let is_list = |verb: &str| matches!(verb, "list" | "watch");
    audit.only(|request| request.resource == "secrets" && is_list(&request.verb)).assert_none("lists of Secrets");
}
