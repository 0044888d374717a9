use http::{HeaderMap, Method};
use serde_json::json;

use super::{fixture::*, *};
use crate::{server::ApiServer, status::Result};

/// Asks as `system:serviceaccount:x:name`.
fn ask(server: &ApiServer, method: Method, uri: &str) -> Result<()> {
    let request = Request::new(method, uri, HeaderMap::new(), Default::default());
    let target = Target::parse(&request).expect("a path");
    authorize(&server.shared.lock().store, &User::service_account("x", "name", "1"), &request, target.as_ref())
}

fn get(server: &ApiServer, uri: &str) -> Result<()> {
    ask(server, Method::GET, uri)
}

fn may(server: &ApiServer, uri: &str) -> bool {
    get(server, uri).is_ok()
}

#[test]
fn a_subject_is_an_account_a_user_or_a_group() {
    let here = |subject: Value| {
        let server = world(&[role("x", "r", pods(json!(["list"]))), binding("x", "r", ("Role", "r"), subject)]);
        may(&server, "/api/v1/namespaces/x/pods")
    };
    assert!(here(account()));
    assert!(here(json!({ "kind": "User", "name": "system:serviceaccount:x:name" })));
    for group in ["system:serviceaccounts", "system:serviceaccounts:x", "system:authenticated"] {
        assert!(here(json!({ "kind": "Group", "name": group })), "{group}");
    }
    assert!(!here(json!({ "kind": "ServiceAccount", "name": "name", "namespace": "y" })));
    assert!(!here(json!({ "kind": "ServiceAccount", "name": "other", "namespace": "x" })));
    assert!(!here(json!({ "kind": "Group", "name": "system:serviceaccounts:y" })));
    assert!(!here(json!({ "kind": "User", "name": "name" })));
    assert!(!here(json!({ "kind": "Nonsense", "name": "name" })));
}

#[test]
fn a_subresource_needs_a_rule_of_its_own() {
    let server =
        |resources: Value| with_rules(json!([{ "apiGroups": ["*"], "resources": resources, "verbs": ["get"] }]));
    let (pod, status) = ("/api/v1/namespaces/x/pods/a", "/api/v1/namespaces/x/pods/a/status");
    let scale = "/apis/apps/v1/namespaces/x/deployments/d/scale";
    for (resources, pod_too, status_too, scale_too) in [
        (json!(["pods"]), true, false, false),
        (json!(["pods/status"]), false, true, false),
        (json!(["*/status"]), false, true, false),
        (json!(["*/scale"]), false, false, true),
        (json!(["pods/*"]), false, false, false),
        (json!(["*"]), true, true, true),
    ] {
        let server = server(resources.clone());
        let got = (may(&server, pod), may(&server, status), may(&server, scale));
        assert_eq!(got, (pod_too, status_too, scale_too), "{resources}");
    }
}

#[test]
fn a_rule_with_names_allows_the_one_object_also_to_be_listed_alone() {
    let rules = json!([{
        "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["*"],
    }]);
    let server = with_rules(rules);
    let pods = "/api/v1/namespaces/x/pods";
    for (query, allowed) in [
        ("/a", true),
        ("/b", false),
        ("", false),
        ("?fieldSelector=metadata.name%3Da", true),
        ("?fieldSelector=metadata.name%3D%3Da", true),
        ("?fieldSelector=status.phase%3DRunning,metadata.name%3Da", true),
        ("?fieldSelector=metadata.name%3Da&watch=1", true),
        ("?fieldSelector=metadata.name%3Db", false),
        ("?fieldSelector=metadata.name!%3Da", false),
        ("?fieldSelector=status.phase%3Da", false),
        // One term that excludes a name with a comma in it: not two, of which one selects `a`.
        (r"?fieldSelector=metadata.name!%3Dx\,metadata.name%3Da", false),
        (r"?fieldSelector=metadata.name!%3Dx\,metadata.name%3Da&watch=1", false),
        (r"?fieldSelector=metadata.name%3Dx\,metadata.name%3Da", false),
        (r"?fieldSelector=status.phase!%3Dx\\,metadata.name%3Da", true),
        // What is no selector names nothing.
        ("?fieldSelector=metadata.name%3Da,b", false),
        ("?fieldSelector=metadata.name%3Da%3D", false),
        (r"?fieldSelector=metadata.name%3D\a", false),
    ] {
        assert_eq!(may(&server, &format!("{pods}{query}")), allowed, "{query}");
    }
    assert!(ask(&server, Method::POST, pods).is_err(), "a create has no name yet");
    let selected = format!("{pods}?fieldSelector=metadata.name%3Da");
    assert!(ask(&server, Method::DELETE, &selected).is_err(), "a deletion of many has none at all");
    let refused = get(&server, &format!("{pods}?fieldSelector=metadata.name%3Db")).unwrap_err();
    assert!(refused.message.starts_with("pods \"b\" is forbidden"), "{refused}");
}

#[test]
fn paths_have_rules_of_their_own() {
    let rules = json!([{ "nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"] }]);
    let server = world(&[role("", "r", rules), binding("", "r", ("ClusterRole", "r"), account())]);
    for (path, allowed) in [("/metrics", true), ("/metrics/x", false), ("/logs/x/y", true), ("/logs", false)] {
        assert_eq!(may(&server, path), allowed, "{path}");
    }
}

#[test]
fn a_role_of_the_wrong_shape_allows_nothing() {
    for rules in [json!(null), json!("*"), json!([null, 1, { "verbs": "get", "resources": 3 }]), json!([[]])] {
        assert!(!may(&with_rules(rules), "/api/v1/namespaces/x/pods"));
    }
}
