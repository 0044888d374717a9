//! Kubernetes objects as JSON.

use k8s_openapi::ByteString;
use serde_json::{Value, json};

/// A text field of the metadata, empty if it is absent.
pub fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// `namespace/name`.
pub fn key(object: &Value) -> String {
    format!("{}/{}", meta(object, "namespace"), meta(object, "name"))
}

/// A field of the condition Ready, empty if it is absent.
pub fn ready<'a>(object: &'a Value, field: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array();
    let ready = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"));
    ready.and_then(|condition| condition[field].as_str()).unwrap_or_default()
}

/// The path to which this object is posted.
pub fn collection(object: &Value) -> String {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind").to_lowercase());
    let root = if version.contains('/') { "/apis" } else { "/api" };
    let plural = kind.strip_suffix('y').map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies"));
    match meta(object, "namespace") {
        "" => format!("{root}/{version}/{plural}"),
        namespace => format!("{root}/{version}/namespaces/{namespace}/{plural}"),
    }
}

/// The path of an object.
pub fn path(object: &Value) -> String {
    format!("{}/{}", collection(object), meta(object, "name"))
}

/// Parses the objects of a manifest.
pub fn documents(manifest: &str) -> Vec<Value> {
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(manifest).expect("YAML");
    documents.retain(|document| !document.is_null());
    documents
}

/// The path of a Pki.
pub fn pki_path(namespace: &str, name: &str) -> String {
    format!("/apis/box.com/v1/namespaces/{namespace}/pkis/{name}")
}

/// The path of a Secret.
pub fn secret_path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets/{name}")
}

/// The path of a pod.
pub fn pod_path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods/{name}")
}

/// A Pki with this spec.
pub fn pki(namespace: &str, name: &str, spec: Value) -> Value {
    let metadata = json!({ "namespace": namespace, "name": name });
    json!({ "apiVersion": "box.com/v1", "kind": "Pki", "metadata": metadata, "spec": spec })
}

/// A pod of one container with these volumes.
pub fn pod(namespace: &str, name: &str, volumes: Value) -> Value {
    let metadata = json!({ "namespace": namespace, "name": name });
    let spec = json!({ "containers": [{ "name": "web", "image": "web" }], "volumes": volumes });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec })
}

/// A pod that mounts this Secret as a volume.
pub fn pod_mounting(namespace: &str, name: &str, secret: &str) -> Value {
    pod(namespace, name, json!([{ "name": "certificate", "secret": { "secretName": secret } }]))
}

/// A decoded key of a Secret, empty if it is absent.
pub fn secret_data(secret: &Value, key: &str) -> Vec<u8> {
    serde_json::from_value::<ByteString>(secret["data"][key].clone()).map(|bytes| bytes.0).unwrap_or_default()
}

/// A ClusterRole and its binding that let a ServiceAccount (namespace, name) list and watch a resource.
pub fn watch_rights(account: (&str, &str), group: &str, plural: &str) -> [Value; 2] {
    let (api, name) = ("rbac.authorization.k8s.io", format!("watch-{plural}"));
    let rules = json!([{ "apiGroups": [group], "resources": [plural], "verbs": ["list", "watch"] }]);
    let (version, metadata) = (format!("{api}/v1"), json!({ "name": name }));
    let subject = json!({ "kind": "ServiceAccount", "namespace": account.0, "name": account.1 });
    let role_ref = json!({ "apiGroup": api, "kind": "ClusterRole", "name": name });
    [
        json!({ "apiVersion": version, "kind": "ClusterRole", "metadata": metadata, "rules": rules }),
        json!({ "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": metadata, "subjects": [subject], "roleRef": role_ref }),
    ]
}
