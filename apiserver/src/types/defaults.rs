//! What the real server fills in where the sender says nothing.
//!
//! Only what a client can see. Each default is the real server's; where it comes from admission plugins that every
//! cluster has on (tolerations, priority), that is said. What a new object's status is, is in [`crate::write`]; what a
//! CustomResourceDefinition leaves open, in [`crate::custom`].

use serde_json::{Value, json};

use super::{
    json::{absent, child, each},
    pod_defaults,
};
use crate::{object::text, resource::Resource};

/// Sets what is absent. The object is compact: what is empty is absent.
pub fn complete(resource: &Resource, object: &mut Value) {
    match resource.kind.as_str() {
        "Namespace" => namespace(object),
        "Pod" => pod_defaults::pod(object),
        "Secret" => secret(object),
        "Deployment" => deployment(object),
        "ReplicaSet" => replica_set(object),
        "Event" => event(object),
        "Lease" => drop(child(object, "spec")),
        "RoleBinding" | "ClusterRoleBinding" => binding(object),
        "ValidatingAdmissionPolicy" => drop(child(object, "status")),
        "PodDisruptionBudget" => drop(child(object, "spec")),
        "NetworkPolicy" => absent(child(object, "spec"), "policyTypes", json!(["Ingress"])),
        _ => {}
    }
}

/// Where all namespaces can be selected by their names.
fn namespace(object: &mut Value) {
    child(object, "spec");
    let name = object["metadata"]["name"].clone();
    // One that is still to be generated is told by `write`.
    if name.is_string() {
        child(child(object, "metadata"), "labels")["kubernetes.io/metadata.name"] = name;
    }
    let status = child(object, "status");
    absent(status, "phase", "Active");
}

/// `stringData` is only ever a way to write: it is merged into `data`, and wins.
fn secret(object: &mut Value) {
    absent(object, "type", "Opaque");
    let Some(plain) = object.as_object_mut().and_then(|fields| fields.remove("stringData")) else { return };
    for (key, value) in plain.as_object().into_iter().flatten() {
        let bytes = k8s_openapi::ByteString(text(value).as_bytes().to_vec());
        if let Ok(encoded) = serde_json::to_value(bytes) {
            child(object, "data")[key.as_str()] = encoded;
        }
    }
}

/// What says nothing is said all the same: the real server's struct leaves out none of these.
fn event(object: &mut Value) {
    child(object, "source");
    child(object, "involvedObject");
    for (field, nothing) in [("reportingComponent", json!("")), ("reportingInstance", json!(""))] {
        absent(object, field, nothing);
    }
    for field in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        absent(object, field, Value::Null);
    }
}

fn deployment(object: &mut Value) {
    child(object, "status");
    let spec = child(object, "spec");
    absent(spec, "replicas", 1);
    absent(spec, "revisionHistoryLimit", 10);
    absent(spec, "progressDeadlineSeconds", 600);
    let strategy = child(spec, "strategy");
    absent(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        let rolling = child(strategy, "rollingUpdate");
        absent(rolling, "maxUnavailable", "25%");
        absent(rolling, "maxSurge", "25%");
    }
    template(spec);
}

fn replica_set(object: &mut Value) {
    let status = child(object, "status");
    absent(status, "replicas", 0);
    let spec = child(object, "spec");
    absent(spec, "replicas", 1);
    template(spec);
}

fn template(spec: &mut Value) {
    // The typed struct has one always; the real server tells absent, and says that it is required.
    if spec["selector"] == json!({})
        && let Some(fields) = spec.as_object_mut()
    {
        fields.remove("selector");
    }
    let template = child(spec, "template");
    child(template, "metadata");
    pod_defaults::spec(child(template, "spec"));
}

fn binding(object: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let role = child(object, "roleRef");
    absent(role, "apiGroup", GROUP);
    each(object, "subjects", |subject| {
        if let "User" | "Group" = text(&subject["kind"]) {
            absent(subject, "apiGroup", GROUP);
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{catalog::Catalog, decoded::FieldValidation, types::decode};

    fn stored(kind: &str, body: Value) -> Value {
        let resource =
            Catalog::built_in().all().iter().find(|resource| resource.kind == kind).cloned().expect("built in");
        decode(&resource, body, FieldValidation::Strict).expect("can be read").value
    }

    #[test]
    fn an_image_is_always_pulled_if_its_tag_is_latest() {
        for (image, policy) in [
            ("a", "Always"),
            ("a:latest", "Always"),
            ("r.io:5000/a", "Always"),
            ("a:1", "IfNotPresent"),
            ("r.io:5000/a:1", "IfNotPresent"),
            ("a@sha256:0123", "IfNotPresent"),
            ("", "IfNotPresent"),
        ] {
            let pod = stored("Pod", json!({ "spec": { "containers": [{ "name": "a", "image": image }] } }));
            assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], policy, "{image}");
        }
    }

    #[test]
    fn string_data_is_merged_into_data_and_wins() {
        let secret =
            stored("Secret", json!({ "data": { "a": "eA==", "b": "eQ==" }, "stringData": { "a": "z", "c": "" } }));
        assert_eq!(secret["data"], json!({ "a": "eg==", "b": "eQ==", "c": "" }));
        assert_eq!((&secret["type"], secret.get("stringData")), (&json!("Opaque"), None));
        assert!(stored("Secret", json!({}))["data"].is_null());
    }
}
