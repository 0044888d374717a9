//! What an object of a built-in type may look like; custom ones go on to [`crate::custom`].

use serde_json::{Value, json};

use crate::{
    catalog::Resource,
    custom,
    status::{Result, Status},
};

/// What to do about fields that nobody knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// The object as it is understood, and what to warn the sender of.
#[derive(Debug)]
pub struct Decoded {
    pub value: Value,
    /// Sent as `Warning: 299 - "…"` headers.
    pub warnings: Vec<String>,
}

/// Drops unknown fields (or refuses them), checks types, sets defaults.
///
/// # Errors
/// 400 for a wrong type, a wrong kind or version, and (strict) unknown fields.
pub fn decode(resource: &Resource, mut body: Value, validation: FieldValidation) -> Result<Decoded> {
    identify(resource, &mut body)?;
    match &resource.custom {
        Some(definition) => custom::decode(definition, body, validation),
        None => Ok(Decoded { value: body, warnings: Vec::new() }),
    }
}

/// A body says what it is, or is taken for what the path says.
fn identify(resource: &Resource, body: &mut Value) -> Result<()> {
    let Value::Object(fields) = body else {
        return Err(Status::bad_request("couldn't get version/kind; json parse error: the body is not an object"));
    };
    for (field, expected) in [("apiVersion", resource.api_version()), ("kind", resource.kind.clone())] {
        match fields.get(field) {
            None | Some(Value::Null) => {
                fields.insert(field.into(), expected.into());
            }
            Some(Value::String(text)) if text.is_empty() || *text == expected => {
                fields.insert(field.into(), expected.into());
            }
            Some(other) => {
                let message = format!("the {field} of the object, {other}, is not the path's, {expected:?}");
                return Err(Status::bad_request(message));
            }
        }
    }
    match fields.entry("metadata").or_insert(Value::Null) {
        Value::Object(metadata) => {
            metadata.remove("managedFields");
        }
        metadata if metadata.is_null() => *metadata = json!({}),
        _ => return Err(Status::bad_request("metadata is not an object")),
    }
    Ok(())
}

/// Checks an object that is to be stored; with the one that it replaces, what must not change, too.
///
/// # Errors
/// 422, with all causes.
pub fn validate(resource: &Resource, object: &Value, old: Option<&Value>) -> Result<()> {
    match &resource.custom {
        Some(definition) => custom::validate(resource, definition, object, old),
        None => Ok(()),
    }
}
