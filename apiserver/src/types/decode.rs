//! Decodes the body of a request into an object.

use k8s_openapi::{
    api::{
        admissionregistration::v1 as admission, apps::v1 as apps, autoscaling::v1 as autoscaling,
        coordination::v1 as coordination, core::v1 as core, networking::v1 as networking, policy::v1 as policy,
        rbac::v1 as rbac,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_ignored::Path;
use serde_json::{Value, json};

use super::{defaults, omit_empty::omit_empty};
use crate::{
    custom,
    decoded::{Decoded, FieldValidation, decode_error},
    request_body,
    resource::Resource,
    status::{Result, Status},
};

/// Checks kind and types, drops or rejects unknown fields, and sets defaults.
///
/// # Errors
/// 400 for a wrong type, a wrong kind or version, and (strict) unknown fields.
pub fn decode(resource: &Resource, mut body: Value, validation: FieldValidation) -> Result<Decoded> {
    set_type_meta(resource, &mut body)?;
    if let Some(definition) = &resource.custom {
        // As in built-in types, empty metadata is absent: a patch that removes a missing label changes nothing.
        replace_nulls(&mut body, &MAPS[..2]);
        if let Some(metadata) = body.get_mut("metadata") {
            omit_empty(metadata);
        }
        return custom::decode(resource, &definition.schema, body, validation);
    }
    replace_nulls(&mut body, MAPS);
    let invalid = |why: String| decode_error(&resource.kind, &resource.version, &why);
    let mut unknown = Vec::new();
    let decode_body = decoder(resource).ok_or_else(Status::no_such_path)?;
    let mut value = decode_body(body, &mut unknown).map_err(invalid)?;
    omit_empty(&mut value);
    defaults::set_defaults(resource, &mut value);
    Decoded::new(value, unknown, validation).map_err(invalid)
}

/// Checks apiVersion and kind; sets them from the path if they are absent.
fn set_type_meta(resource: &Resource, body: &mut Value) -> Result<()> {
    let kind = &resource.kind;
    let Value::Object(fields) = body else {
        let (text, why) = match body {
            Value::Null => (String::new(), "unexpected end of JSON input"),
            other => (other.to_string(), "not an object"),
        };
        return Err(request_body::decode_error(text.as_bytes(), kind, why));
    };
    // Pitfall: objects from another server contain managedFields, which this server does not store.
    match fields.entry("metadata").or_insert(Value::Null) {
        Value::Object(metadata) => {
            metadata.remove("managedFields");
        }
        metadata if metadata.is_null() => *metadata = json!({}),
        _ => {}
    }
    let mut get_or_set = |field: &str, default: &str| match fields.get(field) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::String(_) | Value::Null) | None => {
            fields.insert(field.into(), default.into());
            default.to_owned()
        }
        Some(other) => other.to_string(),
    };
    let (api_version, body_kind) = (get_or_set("apiVersion", &resource.api_version()), get_or_set("kind", kind));
    if api_version == resource.api_version() && body_kind == *kind {
        return Ok(());
    }
    if resource.custom.is_some() && api_version != resource.api_version() {
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            resource.api_version()
        )));
    }
    let version = api_version.rsplit('/').next().unwrap_or_default();
    // The real server's message shows the Go package of the group.
    let package = resource.group.split('.').next().filter(|group| !group.is_empty()).unwrap_or("core");
    let why = format!("converting ({version}.{body_kind}) to ({package}.{kind}): unknown conversion");
    Err(Status::bad_request(format!("{body_kind} in version {version:?} cannot be handled as a {kind}: {why}")))
}

/// Maps of strings. A custom resource has only the first two.
const MAPS: &[&str] = &["/metadata/labels", "/metadata/annotations", "/data", "/stringData", "/binaryData"];

/// Replaces null values by empty strings, as the real server does: `data: {key: }` in YAML.
fn replace_nulls(body: &mut Value, maps: &[&str]) {
    for map in maps {
        if let Some(Value::Object(map)) = body.pointer_mut(map) {
            for value in map.values_mut().filter(|value| value.is_null()) {
                *value = "".into();
            }
        }
    }
}

/// Decodes a body as one type; returns the known fields and adds the unknown ones to the list.
type Decoder = fn(Value, &mut Vec<String>) -> Result<Value, String>;

/// The decoder of a resource: one line per row of the catalog.
fn decoder(resource: &Resource) -> Option<Decoder> {
    Some(match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => decode_as::<core::Namespace>,
        ("", "Pod") => decode_as::<core::Pod>,
        ("", "Secret") => decode_as::<core::Secret>,
        ("", "ConfigMap") => decode_as::<core::ConfigMap>,
        ("", "Event") => decode_as::<core::Event>,
        ("", "ServiceAccount") => decode_as::<core::ServiceAccount>,
        ("apps", "Deployment") => decode_as::<apps::Deployment>,
        ("apps", "ReplicaSet") => decode_as::<apps::ReplicaSet>,
        ("autoscaling", "Scale") => decode_as::<autoscaling::Scale>,
        ("coordination.k8s.io", "Lease") => decode_as::<coordination::Lease>,
        ("rbac.authorization.k8s.io", "Role") => decode_as::<rbac::Role>,
        ("rbac.authorization.k8s.io", "RoleBinding") => decode_as::<rbac::RoleBinding>,
        ("rbac.authorization.k8s.io", "ClusterRole") => decode_as::<rbac::ClusterRole>,
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => decode_as::<rbac::ClusterRoleBinding>,
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            decode_as::<admission::ValidatingAdmissionPolicy>
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            decode_as::<admission::ValidatingAdmissionPolicyBinding>
        }
        ("networking.k8s.io", "NetworkPolicy") => decode_as::<networking::NetworkPolicy>,
        ("policy", "PodDisruptionBudget") => decode_as::<policy::PodDisruptionBudget>,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => decode_as::<extensions::CustomResourceDefinition>,
        _ => return None,
    })
}

fn decode_as<T: DeserializeOwned + Serialize>(body: Value, unknown: &mut Vec<String>) -> Result<Value, String> {
    let mut ignored = |path: Path<'_>| unknown.push(format_path(&path));
    let mut track = serde_path_to_error::Track::new();
    let body = serde_path_to_error::Deserializer::new(body, &mut track);
    match serde_ignored::deserialize::<_, _, T>(body, &mut ignored) {
        Ok(object) => serde_json::to_value(object).map_err(|error| error.to_string()),
        Err(error) => Err(format!("{}: {error}", track.path())),
    }
}

/// `spec.containers[0].name`.
fn format_path(path: &Path<'_>) -> String {
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", format_path(parent)),
        Path::Map { parent, key } => match format_path(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => format_path(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn decoding_a_built_in_resource_is_idempotent() {
        for resource in Catalog::built_in().all() {
            let body = json!({ "metadata": { "name": "a" } });
            let once = decode(resource, body, FieldValidation::Strict).expect("is valid").value;
            assert_eq!(once["kind"], resource.kind);
            assert_eq!(decode(resource, once.clone(), FieldValidation::Strict).expect("is valid").value, once);
        }
    }

    #[test]
    fn numbers_times_and_int_or_string_are_preserved() {
        let stored = |kind: &str, spec: Value| {
            let resource = Catalog::built_in().all().iter().find(|r| r.kind == kind).cloned().expect("built in");
            decode(&resource, json!({ "spec": spec }), FieldValidation::Strict).expect("is valid").value["spec"].take()
        };
        let rolling = json!({ "maxSurge": 1, "maxUnavailable": "10%" });
        let spec = stored("Deployment", json!({ "replicas": 0, "strategy": { "rollingUpdate": rolling } }));
        assert_eq!((&spec["replicas"], &spec["strategy"]["rollingUpdate"]), (&json!(0), &rolling));
        let times = json!({ "renewTime": "2026-01-02T03:04:05.123456Z" });
        assert_eq!(stored("Lease", times.clone()), times);
    }
}
