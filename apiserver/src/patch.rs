//! Applies patches to objects.
//!
//! The content type selects [`json`] patch, merge patch (RFC 7386) or, for built-in types only, [`strategic`] merge patch.
//! Server-side apply is rejected with a clear Status, because this server does not store managedFields.

mod json;
mod merge_keys;
mod strategic;

use serde_json::{Map, Value};

use crate::{
    decoded::{Decoded, FieldValidation},
    resource::Resource,
    status::{Cause, Result, Status},
    types,
};

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
/// An error contains at most this many characters of a patch.
const SHOWN: usize = 1024;

/// Checks that the resource supports this type of patch.
///
/// As in the real server, this check comes before the object is read: `kubectl apply --server-side` of a new object gets
/// 415, not 404.
///
/// # Errors
/// 415
pub fn check_type(resource: &Resource, content_type: &str) -> Result<()> {
    let mut error = Status::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
    match (media_type(content_type), &resource.custom) {
        (JSON | MERGE, _) | (STRATEGIC, None) => return Ok(()),
        ("application/apply-patch+yaml" | "application/apply-patch+cbor", _) => {
            error.message = format!(
                "server-side apply is not implemented by this server; accepted media types include: {JSON}, {MERGE}"
            );
        }
        (_, Some(_)) => {
            error.message = format!(
                "the body of the request was in an unknown format - accepted media types include: {JSON}, {MERGE}"
            );
        }
        (_, None) => error.details = serde_json::json!({}),
    }
    Err(error)
}

/// Patches and decodes an object; it is not validated yet.
///
/// # Errors
/// 415 from [`check_type`]; 400 for an invalid patch; 422 if the patch cannot be applied or the result cannot be decoded.
pub fn apply(
    resource: &Resource,
    content_type: &str,
    object: &Value,
    patch: &[u8],
    validation: FieldValidation,
) -> Result<Decoded> {
    check_type(resource, content_type)?;
    let mut patched = object.clone();
    match media_type(content_type) {
        JSON => json::apply(&mut patched, patch)?,
        MERGE => {
            let invalid = |why| Status::bad_request(format!("error decoding patch: {why}"));
            let fields = parse_fields(patch).map_err(invalid)?;
            let fields = fields.ok_or_else(|| Status::bad_request("Invalid JSON Patch"))?;
            json_patch::merge(&mut patched, &Value::Object(fields));
        }
        _ => {
            let mut fields = parse_fields(patch).map_err(Status::bad_request)?.unwrap_or_default();
            // As in the real server, a strategic merge patch cannot change these two fields.
            fields.retain(|field, _| field != "apiVersion" && field != "kind");
            if let Value::Object(patched) = &mut patched {
                strategic::merge(patched, fields, strategic::Location { kind: &resource.kind, parent: "" })?;
            }
        }
    }
    types::decode(resource, patched, validation).map_err(|status| decode_error(resource, patch, status))
}

/// Parses a patch that is a JSON object; None if it is null.
fn parse_fields(patch: &[u8]) -> Result<Option<Map<String, Value>>, String> {
    match serde_json::from_slice(patch).map_err(|error| error.to_string())? {
        Value::Object(fields) => Ok(Some(fields)),
        Value::Null => Ok(None),
        other => {
            let kind = go_type_name(&other);
            Err(format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"))
        }
    }
}

/// Turns the 400 of a decoding error into the real server's 422 for patches.
fn decode_error(resource: &Resource, patch: &[u8], status: Status) -> Status {
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

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The name in Go's error messages.
fn go_type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
