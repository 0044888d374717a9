//! Sets the real server's defaults, including those of its default admission plugins.
//!
//! [`crate::write`] sets the status of a new object, [`crate::custom`] the defaults of a CustomResourceDefinition.

use serde_json::{Value, json};

use super::{
    json::{ensure_object, for_each, set_default},
    pod_defaults,
};
use crate::{object::text, resource::Resource};

/// Sets the defaults of an object without empty fields.
pub fn set_defaults(resource: &Resource, object: &mut Value) {
    match resource.kind.as_str() {
        "Namespace" => set_namespace_defaults(object),
        "Pod" => pod_defaults::set_pod_defaults(object),
        "Secret" => set_secret_defaults(object),
        "Deployment" => set_deployment_defaults(object),
        "ReplicaSet" => set_replica_set_defaults(object),
        "Event" => set_event_defaults(object),
        "Lease" => drop(ensure_object(object, "spec")),
        "RoleBinding" | "ClusterRoleBinding" => set_binding_defaults(object),
        "ValidatingAdmissionPolicy" => drop(ensure_object(object, "status")),
        "PodDisruptionBudget" => drop(ensure_object(object, "spec")),
        "NetworkPolicy" => set_default(ensure_object(object, "spec"), "policyTypes", json!(["Ingress"])),
        _ => {}
    }
}

/// Sets the label that selects a namespace by name, and the phase.
fn set_namespace_defaults(object: &mut Value) {
    ensure_object(object, "spec");
    let name = object["metadata"]["name"].clone();
    // For a generated name, `write` sets the label.
    if name.is_string() {
        ensure_object(ensure_object(object, "metadata"), "labels")["kubernetes.io/metadata.name"] = name;
    }
    let status = ensure_object(object, "status");
    set_default(status, "phase", "Active");
}

/// Merges the write-only field `stringData` into `data`; it has precedence.
fn set_secret_defaults(object: &mut Value) {
    set_default(object, "type", "Opaque");
    let Some(plain) = object.as_object_mut().and_then(|fields| fields.remove("stringData")) else { return };
    for (key, value) in plain.as_object().into_iter().flatten() {
        let bytes = k8s_openapi::ByteString(text(value).as_bytes().to_vec());
        if let Ok(encoded) = serde_json::to_value(bytes) {
            ensure_object(object, "data")[key.as_str()] = encoded;
        }
    }
}

/// Sets the fields that are present in every event, because the real server's struct has no `omitempty` for them.
fn set_event_defaults(object: &mut Value) {
    ensure_object(object, "source");
    ensure_object(object, "involvedObject");
    for field in ["reportingComponent", "reportingInstance"] {
        set_default(object, field, "");
    }
    for field in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        set_default(object, field, Value::Null);
    }
}

fn set_deployment_defaults(object: &mut Value) {
    ensure_object(object, "status");
    let spec = ensure_object(object, "spec");
    set_default(spec, "replicas", 1);
    set_default(spec, "revisionHistoryLimit", 10);
    set_default(spec, "progressDeadlineSeconds", 600);
    let strategy = ensure_object(spec, "strategy");
    set_default(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        let rolling = ensure_object(strategy, "rollingUpdate");
        set_default(rolling, "maxUnavailable", "25%");
        set_default(rolling, "maxSurge", "25%");
    }
    set_template_defaults(spec);
}

fn set_replica_set_defaults(object: &mut Value) {
    let status = ensure_object(object, "status");
    set_default(status, "replicas", 0);
    let spec = ensure_object(object, "spec");
    set_default(spec, "replicas", 1);
    set_template_defaults(spec);
}

fn set_template_defaults(spec: &mut Value) {
    // The typed struct always has a selector. Remove an empty one, so that validation reports it as required.
    if spec["selector"] == json!({})
        && let Some(fields) = spec.as_object_mut()
    {
        fields.remove("selector");
    }
    let template = ensure_object(spec, "template");
    ensure_object(template, "metadata");
    pod_defaults::set_pod_spec_defaults(ensure_object(template, "spec"));
}

fn set_binding_defaults(object: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let role = ensure_object(object, "roleRef");
    set_default(role, "apiGroup", GROUP);
    for_each(object, "subjects", |subject| {
        if let "User" | "Group" = text(&subject["kind"]) {
            set_default(subject, "apiGroup", GROUP);
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
        decode(&resource, body, FieldValidation::Strict).expect("is valid").value
    }

    #[test]
    fn image_pull_policy_is_always_for_tag_latest() {
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
    fn string_data_overwrites_data() {
        let secret =
            stored("Secret", json!({ "data": { "a": "eA==", "b": "eQ==" }, "stringData": { "a": "z", "c": "" } }));
        assert_eq!(secret["data"], json!({ "a": "eg==", "b": "eQ==", "c": "" }));
        assert_eq!((&secret["type"], secret.get("stringData")), (&json!("Opaque"), None));
        assert!(stored("Secret", json!({}))["data"].is_null());
    }
}
