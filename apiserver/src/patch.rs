//! JSON patch, merge patch, strategic merge patch.
use serde_json::Value;

use crate::{catalog::Resource, status::Result};

/// The object as patched; not yet decoded or validated.
///
/// # Errors
/// 415 for another content type (server-side apply), 400 for what is no patch, 422 for one that cannot be applied.
pub fn apply(_resource: &Resource, _content_type: &str, _object: &Value, _patch: &[u8]) -> Result<Value> {
    todo!("types")
}
