use http::{HeaderMap, Method};
use serde_json::json;

use super::*;
use crate::{
    object::{GroupResource, Key, Meta},
    server::{ApiServer, Settings},
};

/// A server whose store also has these objects.
fn server_with(objects: &[Value]) -> ApiServer {
    let server = ApiServer::new(Settings::default());
    for object in objects {
        let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
        let key = Key::new(object.namespace(), object.name());
        server.shared.lock().store.put(&GroupResource::new(GROUP, &plural), key, object.clone());
    }
    server
}

fn role(namespace: &str, name: &str, rules: Value) -> Value {
    let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
    json!({ "kind": kind, "metadata": { "name": name, "namespace": namespace }, "rules": rules })
}

fn binding(namespace: &str, name: &str, role: (&str, &str), subject: Value) -> Value {
    let kind = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
    json!({
        "kind": kind, "metadata": { "name": name, "namespace": namespace }, "subjects": [subject],
        "roleRef": { "apiGroup": GROUP, "kind": role.0, "name": role.1 },
    })
}

fn account() -> Value {
    json!({ "kind": "ServiceAccount", "name": "name", "namespace": "x" })
}

/// Role `r` in namespace `x` with these rules, bound to the account.
fn with_rules(rules: Value) -> ApiServer {
    server_with(&[role("x", "r", rules), binding("x", "r", ("Role", "r"), account())])
}

/// Whether `system:serviceaccount:x:name` may get this path.
fn may(server: &ApiServer, uri: &str) -> bool {
    let request = Request::new(Method::GET, uri, HeaderMap::new(), Default::default());
    let info = RequestInfo::parse(&request).expect("a path");
    let user = User::service_account("x", "name", "1");
    authorize(&server.shared.lock().store, &user, &request, info.as_ref()).is_ok()
}

#[test]
fn subresource_needs_its_own_rule() {
    let server_allowing =
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
        let server = server_allowing(resources.clone());
        let got = (may(&server, pod), may(&server, status), may(&server, scale));
        assert_eq!(got, (pod_too, status_too, scale_too), "{resources}");
    }
}

#[test]
fn non_resource_url_needs_its_own_rule() {
    let rules = json!([{ "nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"] }]);
    let server = server_with(&[role("", "r", rules), binding("", "r", ("ClusterRole", "r"), account())]);
    for (path, allowed) in [("/metrics", true), ("/metrics/x", false), ("/logs/x/y", true), ("/logs", false)] {
        assert_eq!(may(&server, path), allowed, "{path}");
    }
}

#[test]
fn malformed_role_allows_nothing() {
    for rules in [json!(null), json!("*"), json!([null, 1, { "verbs": "get", "resources": 3 }]), json!([[]])] {
        assert!(!may(&with_rules(rules), "/api/v1/namespaces/x/pods"));
    }
}
