//! The objects that scenarios make and look at.

use k8s_openapi::ByteString;
use serde_json::{Value, json};

/// `/apis/box.com/v1/namespaces/{namespace}/pkis/{name}`.
pub fn pki_path(namespace: &str, name: &str) -> String {
    format!("/apis/box.com/v1/namespaces/{namespace}/pkis/{name}")
}

/// `/api/v1/namespaces/{namespace}/secrets/{name}`.
pub fn secret_path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets/{name}")
}

/// `/api/v1/namespaces/{namespace}/pods/{name}`.
pub fn pod_path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods/{name}")
}

/// A Pki with this spec.
pub fn pki(namespace: &str, name: &str, spec: Value) -> Value {
    let metadata = json!({ "namespace": namespace, "name": name });
    json!({ "apiVersion": "box.com/v1", "kind": "Pki", "metadata": metadata, "spec": spec })
}

/// A pod of one container, `web`, with these volumes.
pub fn pod(namespace: &str, name: &str, volumes: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": namespace, "name": name },
        "spec": { "containers": [{ "name": "web", "image": "web" }], "volumes": volumes },
    })
}

/// A pod that mounts a Secret as a volume.
pub fn pod_mounting(namespace: &str, name: &str, secret: &str) -> Value {
    pod(namespace, name, json!([{ "name": "certificate", "secret": { "secretName": secret } }]))
}

/// `namespace/name`.
pub fn key(object: &Value) -> String {
    format!("{}/{}", object.namespace(), object.name())
}

/// The fields that are asked for again and again.
pub trait Is {
    fn value(&self) -> &Value;

    fn meta(&self, field: &str) -> &str {
        self.value()["metadata"][field].as_str().unwrap_or_default()
    }
    fn name(&self) -> &str {
        self.meta("name")
    }
    fn namespace(&self) -> &str {
        self.meta("namespace")
    }
    fn uid(&self) -> &str {
        self.meta("uid")
    }
    /// Goes up with every write, and with no read.
    fn version(&self) -> &str {
        self.meta("resourceVersion")
    }
    /// Of a pod.
    fn path(&self) -> String {
        pod_path(self.namespace(), self.name())
    }
    /// A field of the condition Ready.
    fn ready(&self, field: &str) -> &str {
        let conditions = self.value()["status"]["conditions"].as_array();
        let ready = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"));
        ready.and_then(|condition| condition[field].as_str()).unwrap_or_default()
    }
    /// A key of a Secret, decoded.
    fn data(&self, key: &str) -> Vec<u8> {
        let value = self.value()["data"][key].clone();
        serde_json::from_value::<ByteString>(value).map(|bytes| bytes.0).unwrap_or_default()
    }
}

impl Is for Value {
    fn value(&self) -> &Value {
        self
    }
}
