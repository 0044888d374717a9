//! What an object of a built-in type may look like; custom ones go on to [`crate::custom`].
use serde_json::Value;

use crate::{catalog::Resource, status::Result};

/// What to do about fields that nobody knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// The object as it is understood, and what to warn the sender of.
pub struct Decoded {
    pub value: Value,
    /// Sent as `Warning: 299 - "…"` headers.
    pub warnings: Vec<String>,
}

/// Drops unknown fields (or refuses them), checks types, sets defaults.
///
/// # Errors
/// 400 for a wrong type, a wrong kind or version, and (strict) unknown fields.
pub fn decode(_resource: &Resource, _body: Value, _validation: FieldValidation) -> Result<Decoded> {
    todo!("types")
}

/// Checks an object that is to be stored; with the one that it replaces, what must not change, too.
///
/// # Errors
/// 422, with all causes.
pub fn validate(_resource: &Resource, _object: &Value, _old: Option<&Value>) -> Result<()> {
    todo!("types")
}
