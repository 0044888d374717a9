//! The objects that scenarios create and read.

use k8s_openapi::ByteString;
use serde_json::{Value, json};

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

/// A pod that mounts this Secret as a volume.
pub fn pod(namespace: &str, name: &str, secret: &str) -> Value {
    let volumes = json!([{ "name": "certificate", "secret": { "secretName": secret } }]);
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": namespace, "name": name },
        "spec": { "containers": [{ "name": "web", "image": "web" }], "volumes": volumes },
    })
}

/// A key of a Secret, decoded.
pub fn data(secret: &Value, key: &str) -> Vec<u8> {
    serde_json::from_value::<ByteString>(secret["data"][key].clone()).map(|bytes| bytes.0).unwrap_or_default()
}
