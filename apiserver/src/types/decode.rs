//! From what was sent to what is understood of it.

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

use super::{compact::compact, defaults};
use crate::{
    custom,
    decoded::{Decoded, FieldValidation, not_handled},
    payload,
    resource::Resource,
    status::{Result, Status},
};

/// Checks kind and types, drops unknown fields (or refuses them), sets defaults.
///
/// # Errors
/// 400 for a wrong type, a wrong kind or version, and (strict) unknown fields.
pub fn decode(resource: &Resource, mut body: Value, validation: FieldValidation) -> Result<Decoded> {
    identify(resource, &mut body)?;
    if let Some(definition) = &resource.custom {
        // Its metadata is that of any other object: a patch that takes away a label which is not there changes nothing.
        nulls_are_empty(&mut body, &MAPS[..2]);
        if let Some(metadata) = body.get_mut("metadata") {
            compact(metadata);
        }
        return custom::decode(resource, &definition.schema, body, validation);
    }
    nulls_are_empty(&mut body, MAPS);
    let refuse = |why: String| not_handled(&resource.kind, &resource.version, &why);
    let mut unknown = Vec::new();
    let typed = reader(resource).ok_or_else(Status::no_such_path)?;
    let mut value = typed(body, &mut unknown).map_err(refuse)?;
    compact(&mut value);
    defaults::complete(resource, &mut value);
    Decoded::new(value, unknown, validation).map_err(refuse)
}

/// A body says what it is, or is taken for what the path says.
fn identify(resource: &Resource, body: &mut Value) -> Result<()> {
    let kind = &resource.kind;
    let Value::Object(fields) = body else {
        let (text, why) = match body {
            Value::Null => (String::new(), "unexpected end of JSON input"),
            other => (other.to_string(), "not an object"),
        };
        return Err(payload::unreadable(text.as_bytes(), kind, why));
    };
    // Pitfall: managedFields are not kept here, and must not come in with an object read elsewhere.
    match fields.entry("metadata").or_insert(Value::Null) {
        Value::Object(metadata) => {
            metadata.remove("managedFields");
        }
        metadata if metadata.is_null() => *metadata = json!({}),
        _ => {}
    }
    let mut say = |field: &str, default: &str| match fields.get(field) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::String(_) | Value::Null) | None => {
            fields.insert(field.into(), default.into());
            default.to_owned()
        }
        Some(other) => other.to_string(),
    };
    let (said_version, said_kind) = (say("apiVersion", &resource.api_version()), say("kind", kind));
    if said_version == resource.api_version() && said_kind == *kind {
        return Ok(());
    }
    if resource.custom.is_some() && said_version != resource.api_version() {
        return Err(Status::bad_request(format!(
            "the API version in the data ({said_version}) does not match the expected API version ({})",
            resource.api_version()
        )));
    }
    let version = said_version.rsplit('/').next().unwrap_or_default();
    // The Go package of the group, which the real server's message shows.
    let package = resource.group.split('.').next().filter(|group| !group.is_empty()).unwrap_or("core");
    let why = format!("converting ({version}.{said_kind}) to ({package}.{kind}): unknown conversion");
    Err(Status::bad_request(format!("{said_kind} in version {version:?} cannot be handled as a {kind}: {why}")))
}

/// Maps from text to text. The first two are those that a custom resource has.
const MAPS: &[&str] = &["/metadata/labels", "/metadata/annotations", "/data", "/stringData", "/binaryData"];

/// `data: {key: }` in YAML is null, and means the empty text: so the real server reads it.
fn nulls_are_empty(body: &mut Value, maps: &[&str]) {
    for map in maps {
        if let Some(Value::Object(map)) = body.pointer_mut(map) {
            for value in map.values_mut().filter(|value| value.is_null()) {
                *value = "".into();
            }
        }
    }
}

/// Reads a body as one type and gives back what was understood.
type Reader = fn(Value, &mut Vec<String>) -> Result<Value, String>;

/// One line for each row of the catalog.
fn reader(resource: &Resource) -> Option<Reader> {
    Some(match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => typed::<core::Namespace>,
        ("", "Pod") => typed::<core::Pod>,
        ("", "Secret") => typed::<core::Secret>,
        ("", "ConfigMap") => typed::<core::ConfigMap>,
        ("", "Event") => typed::<core::Event>,
        ("", "ServiceAccount") => typed::<core::ServiceAccount>,
        ("apps", "Deployment") => typed::<apps::Deployment>,
        ("apps", "ReplicaSet") => typed::<apps::ReplicaSet>,
        ("autoscaling", "Scale") => typed::<autoscaling::Scale>,
        ("coordination.k8s.io", "Lease") => typed::<coordination::Lease>,
        ("rbac.authorization.k8s.io", "Role") => typed::<rbac::Role>,
        ("rbac.authorization.k8s.io", "RoleBinding") => typed::<rbac::RoleBinding>,
        ("rbac.authorization.k8s.io", "ClusterRole") => typed::<rbac::ClusterRole>,
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => typed::<rbac::ClusterRoleBinding>,
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => typed::<admission::ValidatingAdmissionPolicy>,
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            typed::<admission::ValidatingAdmissionPolicyBinding>
        }
        ("networking.k8s.io", "NetworkPolicy") => typed::<networking::NetworkPolicy>,
        ("policy", "PodDisruptionBudget") => typed::<policy::PodDisruptionBudget>,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => typed::<extensions::CustomResourceDefinition>,
        _ => return None,
    })
}

fn typed<T: DeserializeOwned + Serialize>(body: Value, unknown: &mut Vec<String>) -> Result<Value, String> {
    let mut ignored = |path: Path<'_>| unknown.push(render(&path));
    let mut track = serde_path_to_error::Track::new();
    let body = serde_path_to_error::Deserializer::new(body, &mut track);
    match serde_ignored::deserialize::<_, _, T>(body, &mut ignored) {
        Ok(object) => serde_json::to_value(object).map_err(|error| error.to_string()),
        Err(error) => Err(format!("{}: {error}", track.path())),
    }
}

/// `spec.containers[0].name`.
fn render(path: &Path<'_>) -> String {
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", render(parent)),
        Path::Map { parent, key } => match render(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => render(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn built_in_resource_that_is_decoded_twice_stays_as_it_is() {
        for resource in Catalog::built_in().all() {
            let body = json!({ "metadata": { "name": "a" } });
            let once = decode(resource, body, FieldValidation::Strict).expect("is right").value;
            assert_eq!(once["kind"], resource.kind);
            assert_eq!(decode(resource, once.clone(), FieldValidation::Strict).expect("is right").value, once);
        }
    }

    #[test]
    fn numbers_times_and_int_or_string_stay_as_they_are() {
        let stored = |kind: &str, spec: Value| {
            let resource = Catalog::built_in().all().iter().find(|r| r.kind == kind).cloned().expect("built in");
            decode(&resource, json!({ "spec": spec }), FieldValidation::Strict).expect("is right").value["spec"].take()
        };
        let rolling = json!({ "maxSurge": 1, "maxUnavailable": "10%" });
        let spec = stored("Deployment", json!({ "replicas": 0, "strategy": { "rollingUpdate": rolling } }));
        assert_eq!((&spec["replicas"], &spec["strategy"]["rollingUpdate"]), (&json!(0), &rolling));
        let times = json!({ "renewTime": "2026-01-02T03:04:05.123456Z" });
        assert_eq!(stored("Lease", times.clone()), times);
    }
}
