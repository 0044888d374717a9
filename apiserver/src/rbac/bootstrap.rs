//! The default roles of every cluster: the administrator's and those of all authenticated users.
//!
//! The aggregated roles `admin`, `edit` and `view` and the roles of components are left out.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::GROUP;
use crate::{
    object::{GroupResource, Key, time},
    store::Store,
};

/// Adds the default roles and bindings to the store.
pub fn bootstrap(store: &mut Store, now: Timestamp, mut uid: impl FnMut() -> String) {
    let now = time(now);
    for (name, group, rules) in roles() {
        let metadata = |uid: String| {
            json!({
                "name": name, "uid": uid, "creationTimestamp": now,
                "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" },
                "annotations": { "rbac.authorization.kubernetes.io/autoupdate": "true" },
            })
        };
        let api_version = format!("{GROUP}/v1");
        let role =
            json!({ "apiVersion": api_version, "kind": "ClusterRole", "metadata": metadata(uid()), "rules": rules });
        let binding = json!({
            "apiVersion": api_version, "kind": "ClusterRoleBinding", "metadata": metadata(uid()),
            "roleRef": { "apiGroup": GROUP, "kind": "ClusterRole", "name": name },
            "subjects": [{ "apiGroup": GROUP, "kind": "Group", "name": group }],
        });
        store.put(&GroupResource::new(GROUP, "clusterroles"), Key::new("", name), role);
        store.put(&GroupResource::new(GROUP, "clusterrolebindings"), Key::new("", name), binding);
    }
}

/// Name of the role, group of its users, rules.
fn roles() -> [(&'static str, &'static str, Value); 4] {
    const EVERYONE: &str = "system:authenticated";
    let health = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    let discovery = [
        &["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*"][..],
        &["/readyz", "/version", "/version/"],
    ]
    .concat();
    [
        (
            "cluster-admin",
            "system:masters",
            json!([
                { "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] },
                { "nonResourceURLs": ["*"], "verbs": ["*"] },
            ]),
        ),
        (
            "system:basic-user",
            EVERYONE,
            json!([
                {
                    "apiGroups": ["authorization.k8s.io"],
                    "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
                    "verbs": ["create"],
                },
                { "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"] },
            ]),
        ),
        ("system:discovery", EVERYONE, json!([{ "nonResourceURLs": discovery, "verbs": ["get"] }])),
        ("system:public-info-viewer", EVERYONE, json!([{ "nonResourceURLs": health, "verbs": ["get"] }])),
    ]
}
