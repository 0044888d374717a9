//! Whether an object may be stored.

use serde_json::Value;

use crate::{catalog::Resource, custom, status::Result};

/// Checks an object that is to be stored; with the one that it replaces, what must not change, too.
///
/// # Errors
/// 422, with all causes.
pub fn validate(resource: &Resource, object: &Value, old: Option<&Value>) -> Result<()> {
    match &resource.custom {
        Some(definition) => custom::validate(resource, definition, object, old),
        None if resource.id() == custom::definitions() => custom::check(object, old),
        None => Ok(()),
    }
}
