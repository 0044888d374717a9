//! A server with roles and bindings, and a ServiceAccount that they are about.

use serde_json::{Value, json};

use super::GROUP;
use crate::{
    object::{GroupResource, Key, Meta},
    server::{ApiServer, Settings},
};

/// A server with these objects, given as kind and the rest.
pub fn world(objects: &[Value]) -> ApiServer {
    let server = ApiServer::new(Settings::default());
    for object in objects {
        let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
        let key = Key::new(object.namespace(), object.name());
        server.shared.lock().store.put(&GroupResource::new(GROUP, &plural), key, object.clone());
    }
    server
}

pub fn role(namespace: &str, name: &str, rules: Value) -> Value {
    let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
    json!({ "kind": kind, "metadata": { "name": name, "namespace": namespace }, "rules": rules })
}

pub fn binding(namespace: &str, name: &str, role: (&str, &str), subject: Value) -> Value {
    let kind = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
    json!({
        "kind": kind, "metadata": { "name": name, "namespace": namespace }, "subjects": [subject],
        "roleRef": { "apiGroup": GROUP, "kind": role.0, "name": role.1 },
    })
}

pub fn account() -> Value {
    json!({ "kind": "ServiceAccount", "name": "name", "namespace": "x" })
}

pub fn pods(verbs: Value) -> Value {
    json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": verbs }])
}

/// Role `r` in namespace `x` with these rules, bound to the account.
pub fn with_rules(rules: Value) -> ApiServer {
    world(&[role("x", "r", rules), binding("x", "r", ("Role", "r"), account())])
}
