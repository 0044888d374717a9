//! Prepares objects for storage, per kind: status, spec and generation.
//!
//! Users write `spec`, controllers write `status`. With a status subresource, a write of one keeps the other. The
//! generation counts the changes of the spec.

use serde_json::{Map, Value, json};

use super::meta::{ensure_object, metadata_mut};
use crate::{custom, object::items, resource::Resource};

/// The built-in resources whose objects have a generation.
#[rustfmt::skip]
const WITH_GENERATION: &[&str] = &[
    "pods", "deployments", "replicasets", "networkpolicies", "poddisruptionbudgets", "customresourcedefinitions",
    "validatingadmissionpolicies", "validatingadmissionpolicybindings",
];

fn has_generation(resource: &Resource) -> bool {
    resource.custom.is_some() || WITH_GENERATION.contains(&resource.plural.as_str())
}

/// Prepares a new object for validation.
pub fn prepare_create(resource: &Resource, object: &mut Value) {
    if resource.has_status()
        && let Some(map) = object.as_object_mut()
    {
        map.remove("status");
    }
    if has_generation(resource) {
        metadata_mut(object).insert("generation".into(), 1.into());
    }
    if resource.custom.is_some() {
        return;
    }
    match resource.plural.as_str() {
        "namespaces" => prepare_namespace(object),
        "customresourcedefinitions" => custom::prepare(object, None),
        "pods" => object["status"] = json!({ "phase": "Pending", "qosClass": qos_class(object) }),
        // The real server always stores a status.
        "deployments" => object["status"] = json!({}),
        "replicasets" => object["status"] = json!({ "replicas": 0 }),
        "validatingadmissionpolicies" => object["status"] = json!({}),
        "poddisruptionbudgets" => {
            object["status"] = json!({
                "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0,
            });
        }
        _ => (),
    }
}

/// Sets phase, label and finalizer of a new namespace.
fn prepare_namespace(object: &mut Value) {
    object["status"] = json!({ "phase": "Active" });
    label_with_name(object);
    let finalizers = ensure_object(object, "spec").entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut()
        && !list.iter().any(|f| f == "kubernetes")
    {
        list.push("kubernetes".into());
    }
}

fn label_with_name(namespace: &mut Value) {
    let name = metadata_mut(namespace).get("name").cloned().unwrap_or_default();
    ensure_object(&mut namespace["metadata"], "labels").insert("kubernetes.io/metadata.name".into(), name);
}

/// Prepares an updated object for validation. The system fields of `metadata` are already restored.
pub fn prepare_update(resource: &Resource, subresource: &str, object: &mut Value, old: &Value) {
    match subresource {
        "status" => prepare_status(resource, object, old),
        "finalize" => restore(object, old, "status"),
        _ => {
            if resource.has_status() {
                restore(object, old, "status");
            }
            if resource.plural == "customresourcedefinitions" && resource.custom.is_none() {
                custom::prepare(object, Some(old));
            }
            if resource.plural == "namespaces" && resource.group.is_empty() {
                restore(object, old, "spec");
                label_with_name(object);
            }
            if has_generation(resource) && is_new_generation(resource, object, old) {
                super::meta::bump_generation(object);
            }
        }
    }
}

/// Keeps everything except the status and, depending on the kind, metadata.
fn prepare_status(resource: &Resource, object: &mut Value, old: &Value) {
    if resource.custom.is_some() {
        let status = object.get("status").cloned();
        *object = old.clone();
        if let Some(map) = object.as_object_mut() {
            match status {
                Some(status) => map.insert("status".into(), status),
                None => map.remove("status"),
            };
        }
        return;
    }
    restore(object, old, "spec");
    match resource.plural.as_str() {
        "deployments" => restore(&mut object["metadata"], &old["metadata"], "labels"),
        "pods" => {
            restore(&mut object["metadata"], &old["metadata"], "ownerReferences");
            restore(&mut object["metadata"], &old["metadata"], "deletionTimestamp");
            let status = ensure_object(object, "status");
            sync_pod_ips(status);
            if status.get("qosClass").and_then(Value::as_str).unwrap_or_default().is_empty() {
                status.insert("qosClass".into(), old["status"]["qosClass"].clone());
            }
        }
        "validatingadmissionpolicies" => {
            for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
                restore(&mut object["metadata"], &old["metadata"], field);
            }
        }
        _ => (),
    }
}

/// Sets `podIP` and `podIPs` to the same first address.
fn sync_pod_ips(status: &mut Map<String, Value>) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let one = text(status.get("podIP"));
    let first = text(status.get("podIPs").and_then(|all| all.get(0)).and_then(|first| first.get("ip")));
    if !one.is_empty() && one != first {
        status.insert("podIPs".into(), json!([{ "ip": one }]));
    } else if one.is_empty() && !first.is_empty() {
        status.insert("podIP".into(), first.into());
    }
}

/// Restores the old value of a field; removes the field if it was absent.
fn restore(object: &mut Value, old: &Value, field: &str) {
    if let Some(map) = object.as_object_mut() {
        match old.get(field) {
            Some(value) => map.insert(field.into(), value.clone()),
            None => map.remove(field),
        };
    }
}

fn is_new_generation(resource: &Resource, object: &Value, old: &Value) -> bool {
    if resource.custom.is_some() {
        // Everything except metadata; a status without a subresource counts, too.
        let rest = |value: &Value| -> Map<String, Value> {
            let fields = value.as_object().into_iter().flatten().filter(|(name, _)| *name != "metadata");
            fields.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        return rest(object) != rest(old);
    }
    let annotations = |value: &Value| value["metadata"]["annotations"].clone();
    // Annotations of a Deployment count, too, because they are copied to its ReplicaSets.
    !semantic_equal(&object["spec"], &old["spec"])
        || resource.plural == "deployments" && !semantic_equal(&annotations(object), &annotations(old))
}

/// Like `Semantic.DeepEqual` in the real server: absent, null and empty values are equal.
pub fn semantic_equal(a: &Value, b: &Value) -> bool {
    fn is_empty(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        }
    }
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.iter().all(|(name, value)| semantic_equal(value, b.get(name).unwrap_or(&Value::Null)))
                && b.iter().all(|(name, value)| a.contains_key(name) || is_empty(value))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| semantic_equal(a, b)),
        _ => a == b || is_empty(a) && is_empty(b),
    }
}

/// The quality of service class, from CPU and memory requests and limits.
fn qos_class(pod: &Value) -> &'static str {
    let spec = &pod["spec"];
    let containers = ["initContainers", "containers"].into_iter().flat_map(|f| items(&spec[f]));
    let (mut any, mut all) = (false, true);
    for container in containers {
        let given =
            |what: &str, unit: &str| container["resources"][what][unit].as_str().filter(|quantity| !is_zero(quantity));
        for unit in ["cpu", "memory"] {
            let (request, limit) = (given("requests", unit), given("limits", unit));
            any |= request.is_some() || limit.is_some();
            all &= limit.is_some() && request.is_none_or(|request| Some(request) == limit);
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// `0`, `0m`, `0.0Gi`.
fn is_zero(quantity: &str) -> bool {
    quantity.chars().take_while(|c| !c.is_ascii_alphabetic()).all(|c| !matches!(c, '1'..='9'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_absent_null_and_empty_values_are_equal() {
        let empty = [json!({}), json!({ "a": null }), json!({ "a": [] }), json!({ "a": {} })];
        for (a, b) in empty.iter().flat_map(|a| empty.iter().map(move |b| (a, b))) {
            assert!(semantic_equal(a, b), "{a} {b}");
        }
        for other in [json!({ "a": 0 }), json!({ "a": "" }), json!({ "a": false }), json!({ "a": [null] })] {
            assert!(!semantic_equal(&other, &json!({})) && !semantic_equal(&json!({}), &other), "{other}");
        }
    }

    #[test]
    fn qos_class_depends_on_requests_and_limits() {
        let class = |resources: Value| qos_class(&json!({ "spec": { "containers": [{ "resources": resources }] } }));
        assert_eq!(class(json!({})), "BestEffort");
        assert_eq!(class(json!({ "requests": { "cpu": "0" } })), "BestEffort");
        assert_eq!(class(json!({ "requests": { "cpu": "1" } })), "Burstable");
        let full = json!({ "cpu": "1", "memory": "1Gi" });
        assert_eq!(class(json!({ "limits": full })), "Guaranteed");
        assert_eq!(class(json!({ "limits": full, "requests": full })), "Guaranteed");
        assert_eq!(class(json!({ "limits": full, "requests": { "cpu": "500m" } })), "Burstable");
    }
}
