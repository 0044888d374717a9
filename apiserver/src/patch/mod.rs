//! JSON patch, merge patch, strategic merge patch.
use serde_json::Value;

use crate::{
    catalog::Resource,
    status::{Result, Status},
};

/// The object as patched; not yet decoded or validated.
///
/// # Errors
/// 415 for another content type (server-side apply), 400 for what is no patch, 422 for one that cannot be applied.
pub fn apply(_resource: &Resource, content_type: &str, object: &Value, patch: &[u8]) -> Result<Value> {
    let parse = || serde_json::from_slice(patch).map_err(|error| Status::bad_request(error.to_string()));
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
            let mut object = object.clone();
            json_patch::merge(&mut object, &parse()?);
            Ok(object)
        }
        other => Err(Status::new(415, "UnsupportedMediaType", format!("no patch of type {other} here"))),
    }
}
