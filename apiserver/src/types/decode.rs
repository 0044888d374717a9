//! From what was sent to what is understood of it.

use k8s_openapi::{
    api::{
        admissionregistration::v1 as admission, apps::v1 as apps, autoscaling::v1 as autoscaling,
        coordination::v1 as coordination, core::v1 as core, policy::v1 as policy, rbac::v1 as rbac,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_ignored::Path;
use serde_json::{Value, json};

use super::{Decoded, FieldValidation, compact::compact, defaults, quantity};
use crate::{
    catalog::{Catalog, Resource},
    custom,
    object::Meta,
    payload,
    status::{Cause, Result, Status},
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
        return custom::decode(definition, body, validation);
    }
    nulls_are_empty(&mut body, MAPS);
    micro_times(resource, &body).map_err(|why| not_handled(resource, &why))?;
    let mut unknown = Vec::new();
    let typed = reader(resource).ok_or_else(Status::no_such_path)?;
    let mut value = typed(body, &mut unknown).map_err(|why| not_handled(resource, &why))?;
    quantity::canonicalize(&mut value).map_err(|why| not_handled(resource, why))?;
    compact(&mut value);
    defaults::complete(resource, &mut value);
    match validation {
        FieldValidation::Strict if !unknown.is_empty() => {
            Err(not_handled(resource, &format!("strict decoding error: {}", unknown.join(", "))))
        }
        FieldValidation::Ignore => Ok(Decoded { value, warnings: Vec::new() }),
        _ => Ok(Decoded { value, warnings: unknown }),
    }
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
    if resource.custom.is_some() {
        return Err(other_custom(resource, &said_version, &said_kind, body.name()));
    }
    let version = said_version.rsplit('/').next().unwrap_or_default();
    let why = match Catalog::built_in().of_kind(&said_version, &said_kind) {
        Some(_) => {
            format!("converting ({version}.{said_kind}) to ({}.{kind}): unknown conversion", package(&resource.group))
        }
        None => {
            format!(
                r#"no kind "{said_kind}" is registered for version "{said_version}" in scheme "pkg/runtime/scheme.go:111""#
            )
        }
    };
    Err(Status::bad_request(format!("{said_kind} in version {version:?} cannot be handled as a {kind}: {why}")))
}

/// Of custom resources the real server tells it in other words: it has no structs for them.
fn other_custom(resource: &Resource, version: &str, kind: &str, name: &str) -> Status {
    let expected = resource.api_version();
    if version != expected {
        let message =
            format!("the API version in the data ({version}) does not match the expected API version ({expected})");
        return Status::bad_request(message);
    }
    let message = format!("Invalid value: {kind:?}: must be {}", resource.kind);
    let cause = Cause { reason: "FieldValueInvalid", field: "kind".into(), message };
    Status::invalid(&resource.group, kind, name, &[cause])
}

/// The Go package of a group, which a message of the real server shows.
fn package(group: &str) -> &str {
    if group.is_empty() { "core" } else { group.split('.').next().unwrap_or_default() }
}

fn not_handled(resource: &Resource, why: &str) -> Status {
    let (kind, version) = (&resource.kind, &resource.version);
    Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
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
        ("policy", "PodDisruptionBudget") => typed::<policy::PodDisruptionBudget>,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => typed::<extensions::CustomResourceDefinition>,
        _ => return None,
    })
}

fn typed<T: DeserializeOwned + Serialize>(body: Value, unknown: &mut Vec<String>) -> Result<Value, String> {
    let mut ignored = |path: Path<'_>| unknown.push(format!("unknown field {:?}", render(&path)));
    let mut track = serde_path_to_error::Track::new();
    let body = serde_path_to_error::Deserializer::new(body, &mut track);
    match serde_ignored::deserialize::<_, _, T>(body, &mut ignored) {
        Ok(object) => serde_json::to_value(object).map_err(|error| error.to_string()),
        Err(error) => Err(format!("{}: {error}", track.path())),
    }
}

/// Times of the type MicroTime: the kind, and where they are.
const MICRO_TIMES: &[(&str, &str)] = &[
    ("Lease", "/spec/acquireTime"),
    ("Lease", "/spec/renewTime"),
    ("Event", "/eventTime"),
    ("Event", "/series/lastObservedTime"),
];

/// Pitfall: other times are read in any form of RFC 3339, but these have six digits behind the seconds, or are refused.
/// Who writes a Lease by hand finds out when it cannot be renewed.
fn micro_times(resource: &Resource, body: &Value) -> Result<(), String> {
    for (_, field) in MICRO_TIMES.iter().filter(|(kind, _)| *kind == resource.kind) {
        let Some(text) = body.pointer(field).and_then(Value::as_str) else { continue };
        let six = match text.as_bytes() {
            [_, _, _, _, _, _, _, _, _, _, b'T', _, _, _, _, _, _, _, _, b'.' | b',', rest @ ..] => {
                rest.iter().take_while(|byte| byte.is_ascii_digit()).count() == 6
            }
            _ => false,
        };
        if !six {
            return Err(format!(r#"parsing time {text:?} as "2006-01-02T15:04:05.000000Z07:00": cannot parse it"#));
        }
    }
    Ok(())
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
mod tests;
