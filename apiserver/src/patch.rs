//! Patch: a change, instead of the whole object.
//!
//! The content type says which kind: [`json`] patch, merge patch (RFC 7386), or, for built-in types only, [`strategic`]
//! merge patch. Server-side apply is not there, and is refused with a Status that says so: it needs managedFields, which
//! are not kept.

mod json;
mod merge_keys;
mod strategic;

use serde_json::{Map, Value};

use crate::{
    decoded::{Decoded, FieldValidation},
    resource::Resource,
    status::Cause,
    status::{Result, Status},
    types,
};

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
/// How much of a patch an error shows.
const SHOWN: usize = 1024;

/// Whether there is such a patch for the resource: to be asked before the object is looked for, as the real server does
/// it. So `kubectl apply --server-side` of something new hears what is the matter, and not that it is not found.
///
/// # Errors
/// 415
pub fn check_type(resource: &Resource, content_type: &str) -> Result<()> {
    let mut refusal = Status::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
    match (essence(content_type), &resource.custom) {
        (JSON | MERGE, _) | (STRATEGIC, None) => return Ok(()),
        ("application/apply-patch+yaml" | "application/apply-patch+cbor", _) => {
            refusal.message = format!(
                "server-side apply is not implemented by this server; accepted media types include: {JSON}, {MERGE}"
            );
        }
        (_, Some(_)) => {
            refusal.message = format!(
                "the body of the request was in an unknown format - accepted media types include: {JSON}, {MERGE}"
            );
        }
        (_, None) => refusal.details = serde_json::json!({}),
    }
    Err(refusal)
}

/// The object as patched and decoded; not yet validated.
///
/// # Errors
/// 415 as [`check_type`] says; 400 for what is no patch; 422 for one that cannot be applied, or makes an object that
/// cannot be understood.
pub fn apply(
    resource: &Resource,
    content_type: &str,
    object: &Value,
    patch: &[u8],
    validation: FieldValidation,
) -> Result<Decoded> {
    check_type(resource, content_type)?;
    let mut patched = object.clone();
    match essence(content_type) {
        JSON => json::apply(&mut patched, patch)?,
        MERGE => {
            let fields = fields(patch).map_err(|why| Status::bad_request(format!("error decoding patch: {why}")))?;
            let fields = fields.ok_or_else(|| Status::bad_request("Invalid JSON Patch"))?;
            json_patch::merge(&mut patched, &Value::Object(fields));
        }
        _ => {
            let mut fields = fields(patch).map_err(Status::bad_request)?.unwrap_or_default();
            // It is applied to a struct, which has a type and not a field that says so.
            fields.retain(|field, _| field != "apiVersion" && field != "kind");
            if let Value::Object(patched) = &mut patched {
                strategic::merge(patched, fields, strategic::Place { kind: &resource.kind, within: "" })?;
            }
        }
    }
    types::decode(resource, patched, validation).map_err(|status| not_understood(resource, patch, status))
}

/// The patch as a set of fields; None if it is null.
fn fields(patch: &[u8]) -> Result<Option<Map<String, Value>>, String> {
    match serde_json::from_slice(patch).map_err(|error| error.to_string())? {
        Value::Object(fields) => Ok(Some(fields)),
        Value::Null => Ok(None),
        other => {
            let kind = go_kind(&other);
            Err(format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"))
        }
    }
}

/// What would be a bad request in a whole object is here the fault of the patch.
fn not_understood(resource: &Resource, patch: &[u8], status: Status) -> Status {
    if status.code != 400 {
        return status;
    }
    let (kind, version) = (&resource.kind, &resource.version);
    let prefix = format!("{kind} in version {version:?} cannot be handled as a {kind}: ");
    let why = status.message.strip_prefix(&prefix).unwrap_or(&status.message);
    let shown: String = String::from_utf8_lossy(patch).chars().take(SHOWN).collect();
    let message = format!("Invalid value: {shown:?}: {why}");
    Status::invalid("", "", "", &[Cause { reason: "FieldValueInvalid", field: "patch".into(), message }])
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// What Go calls it.
fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
