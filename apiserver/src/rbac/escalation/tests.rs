use serde_json::{Value, json};

use super::{super::fixture::*, *};
use crate::{object::Meta, request::Verb, server::ApiServer};

/// The account may write roles and bindings in `x`, read pod `a`, and whatever `more` says.
fn writer(more: Value) -> ApiServer {
    let mut rules = json!([
        { "apiGroups": [GROUP], "resources": ["roles", "rolebindings"], "verbs": ["create", "update"] },
        { "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["get", "list"] },
    ]);
    rules.as_array_mut().unwrap().extend(more.as_array().cloned().unwrap_or_default());
    with_rules(rules)
}

fn write(server: &ApiServer, object: &Value, old: Option<&Value>) -> Result<()> {
    let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
    let target = Target {
        verb: Verb::Create,
        group: GROUP.into(),
        version: "v1".into(),
        namespace: object.namespace().into(),
        plural,
        name: String::new(),
        subresource: String::new(),
    };
    let user = User::service_account("x", "name", "1");
    confirm_no_escalation(&server.shared.lock(), &user, &target, object, old)
}

#[test]
fn nobody_grants_what_they_do_not_have() {
    let server = writer(json!([]));
    let rules = json!([
        { "apiGroups": ["", "apps"], "resources": ["secrets", "pods"], "verbs": ["get", "list"] },
        { "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["z"], "verbs": ["*"] },
    ]);
    let refused = write(&server, &role("x", "more", rules), None).unwrap_err();
    assert_eq!((refused.code, refused.reason), (403, "Forbidden"));
    assert_eq!(
        refused.message,
        "roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"system:serviceaccount:x:name\" \
         (groups=[\"system:serviceaccounts\" \"system:serviceaccounts:x\" \"system:authenticated\"]) \
         is attempting to grant RBAC permissions not currently held:\n\
         {APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\"]}\n\
         {APIGroups:[\"\"], Resources:[\"secrets\"], ResourceNames:[\"z\"], Verbs:[\"*\"]}\n\
         {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}\n\
         {APIGroups:[\"apps\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\"]}\n\
         {APIGroups:[\"apps\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}"
    );
    let held = json!([{ "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["list"] }]);
    assert_eq!(write(&server, &role("x", "less", held), None), Ok(()));
}

#[test]
fn a_binding_is_no_way_around_it() {
    let server = writer(json!([]));
    let admin = binding("x", "b", ("ClusterRole", "cluster-admin"), account());
    let refused = write(&server, &admin, None).unwrap_err();
    assert!(refused.message.contains("not currently held:\n{APIGroups:[\"*\"], Resources:[\"*\"]"), "{refused}");
    let nothing = binding("x", "b", ("Role", "nope"), account());
    let refused = write(&server, &nothing, None).unwrap_err();
    assert_eq!(refused.message, "rolebindings.rbac.authorization.k8s.io \"nope\" not found");
    let own = binding("x", "b", ("Role", "r"), account());
    assert_eq!(write(&server, &own, None), Ok(()));
}

#[test]
fn escalate_and_bind_are_the_exceptions() {
    let anything = role("x", "more", json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]));
    let admin = binding("x", "b", ("ClusterRole", "cluster-admin"), account());
    let rule = |verb: &str, resource: &str| json!([{ "apiGroups": [GROUP], "resources": [resource], "verbs": [verb] }]);
    assert_eq!(write(&writer(rule("escalate", "roles")), &anything, None), Ok(()));
    assert!(write(&writer(rule("bind", "roles")), &anything, None).is_err());
    assert_eq!(write(&writer(rule("bind", "clusterroles")), &admin, None), Ok(()));
    assert!(write(&writer(rule("bind", "roles")), &admin, None).is_err());
}

#[test]
fn what_stays_as_it_was_grants_nothing() {
    let server = writer(json!([]));
    let old = role("x", "more", json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]));
    let mut new = old.clone();
    new["metadata"]["labels"] = json!({ "a": "b" });
    assert_eq!(write(&server, &new, Some(&old)), Ok(()));
    new["rules"][0]["verbs"] = json!(["get"]);
    assert!(write(&server, &new, Some(&old)).is_err());
}
