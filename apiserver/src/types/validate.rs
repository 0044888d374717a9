//! Validates objects; an error lists all causes, with the real server's messages.
//!
//! It has the rules that clients break by mistake or by a race. The others are left out (a documented difference).

mod meta;
mod pod;
mod simple;
mod workload;

use serde_json::Value;

use crate::{causes::Causes, custom, object::Meta, resource::Resource, status::Result};

/// Validates an object before it is stored; `old` is the version that it replaces.
///
/// # Errors
/// 422, with all causes.
pub fn validate(resource: &Resource, object: &Value, old: Option<&Value>) -> Result<()> {
    let mut causes = Causes::default();
    meta::validate(resource, object, old, &mut causes);
    if let Some(definition) = &resource.custom {
        causes.into_result(&resource.group, &resource.kind, object.name())?;
        return custom::validate(resource, &definition.schema, object, old);
    }
    match resource.kind.as_str() {
        "Pod" => pod::validate(object, old, &mut causes),
        "Deployment" | "ReplicaSet" => workload::validate(object, old, &mut causes),
        "Scale" => causes.at_least("spec.replicas", &object["spec"]["replicas"], 0),
        "Secret" => simple::validate_secret(object, old, &mut causes),
        "ConfigMap" => simple::validate_config_map(object, old, &mut causes),
        "CustomResourceDefinition" => causes.0.extend(custom::validate_definition(object, old)),
        "Event" => simple::validate_event(object, &mut causes),
        "Lease" => causes.at_least("spec.leaseDurationSeconds", &object["spec"]["leaseDurationSeconds"], 1),
        "Role" | "ClusterRole" => simple::validate_role(object, &mut causes),
        "RoleBinding" | "ClusterRoleBinding" => simple::validate_binding(object, old, &mut causes),
        _ => {}
    }
    causes.into_result(&resource.group, &resource.kind, object.name())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{catalog::Catalog, decoded::FieldValidation, types::decode};

    #[test]
    fn invalid_object_has_the_real_message() {
        let pod =
            |container: Value, volumes: Value| json!({ "spec": { "containers": [container], "volumes": volumes } });
        let mount = json!({ "name": "c", "image": "i", "volumeMounts": [{ "name": "v", "mountPath": "/v" }] });
        for (kind, body, causes) in [
            (
                "Namespace",
                json!({ "metadata": { "name": "a.b" } }),
                "metadata.name: Invalid value: \"a.b\": must not contain dots",
            ),
            ("ConfigMap", json!({ "metadata": { "name": "a.b" } }), ""),
            ("ClusterRole", json!({ "metadata": { "name": "system:A_b" } }), ""),
            (
                "ClusterRole",
                json!({ "metadata": { "name": "a%b" } }),
                "metadata.name: Invalid value: \"a%b\": may not contain '%'",
            ),
            ("Pod", pod(mount.clone(), json!([])), "spec.containers[0].volumeMounts[0].name: Not found: \"v\""),
            (
                "Pod",
                pod(mount.clone(), json!([{ "name": "v", "secret": {} }])),
                "spec.volumes[0].secret.secretName: Required value",
            ),
            ("Pod", pod(mount, json!([{ "name": "v" }])), ""),
            ("Secret", json!({ "data": { "..x": "" } }), "data[..x]: Invalid value: \"..x\": must not start with '..'"),
            ("Secret", json!({ "stringData": { "a": "x".repeat(1 << 20) } }), ""),
            (
                "Secret",
                json!({ "stringData": { "a": "x".repeat(1 << 21) } }),
                "data: Too long: may not be more than 1048576 bytes",
            ),
            (
                "Lease",
                json!({ "spec": { "leaseDurationSeconds": 0 } }),
                "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
            ),
            (
                "Role",
                json!({ "rules": [{ "verbs": [], "nonResourceURLs": ["/x"] }] }),
                "rules[0].verbs: Required value: verbs must contain at least one value",
            ),
        ] {
            let resource = Catalog::built_in().all().iter().find(|r| r.kind == kind).cloned().expect("built in");
            let mut object = decode(&resource, body, FieldValidation::Strict).expect("is valid").value;
            if object.name().is_empty() {
                object["metadata"]["name"] = "a".into();
            }
            if resource.namespaced {
                object["metadata"]["namespace"] = "default".into();
            }
            let found = validate(&resource, &object, None).map_or_else(|status| status.message, |()| String::new());
            assert!(found.ends_with(causes) && found.is_empty() == causes.is_empty(), "{kind}: {found}");
        }
    }
}
