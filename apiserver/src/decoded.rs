//! The result of decoding a body.

use serde_json::Value;

use crate::status::Status;

/// The parameter `fieldValidation`: how to treat unknown fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// A decoded object, and the warnings for its client.
#[derive(Debug)]
pub struct Decoded {
    pub value: Value,
    /// Sent as `Warning: 299 - "…"` headers.
    pub warnings: Vec<String>,
}

impl Decoded {
    /// # Errors
    /// The reason if there are unknown fields and validation is strict.
    pub fn new(value: Value, unknown: Vec<String>, validation: FieldValidation) -> Result<Decoded, String> {
        let warnings: Vec<String> = unknown.into_iter().map(|path| format!("unknown field {path:?}")).collect();
        match validation {
            FieldValidation::Strict if !warnings.is_empty() => {
                Err(format!("strict decoding error: {}", warnings.join(", ")))
            }
            FieldValidation::Ignore => Ok(Decoded { value, warnings: Vec::new() }),
            _ => Ok(Decoded { value, warnings }),
        }
    }
}

/// The error for a body that is not an object of this kind.
pub fn decode_error(kind: &str, version: &str, why: &str) -> Status {
    Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
}
