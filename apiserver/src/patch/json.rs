//! JSON patch (RFC 6902): a list of operations.
//!
//! Pitfall: 20 `copy` operations that each double the object make it a million times larger. So the size is checked
//! after each operation.

use json_patch::PatchOperation;
use serde_json::Value;

use crate::{
    object::estimate_size,
    status::{Result, Status},
};

const MAX_OPERATIONS: usize = 1_000;
const MAX_BYTES: usize = 3 << 20;
/// serde_json's limit: a deeper object could be stored but not parsed again.
const MAX_DEPTH: usize = 128;

/// Applies the operations in order.
///
/// # Errors
/// 400 if the patch is not a list, 413 for too many operations, 422 if an operation fails. As in the real server, the 422
/// contains no cause.
pub fn apply(object: &mut Value, patch: &[u8]) -> Result<()> {
    // Go decodes null to an empty list.
    let operations: Option<Vec<Value>> =
        serde_json::from_slice(patch).map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
    let operations = operations.unwrap_or_default();
    if operations.len() > MAX_OPERATIONS {
        let why = format!("Request entity too large: a JSON patch has at most {MAX_OPERATIONS} operations");
        return Err(Status::new(413, "RequestEntityTooLarge", why));
    }
    for operation in operations {
        apply_operation(object, operation).ok_or_else(|| {
            let text = "the server rejected our request due to an error in our request";
            Status::new(422, "Invalid", text).with_empty_details()
        })?;
    }
    Ok(())
}

/// None if the operation fails or makes the object too large.
fn apply_operation(object: &mut Value, operation: Value) -> Option<()> {
    let operation: PatchOperation = serde_json::from_value(operation).ok()?;
    json_patch::patch(object, &[operation]).ok()?;
    (estimate_size(object) <= MAX_BYTES && !is_deeper(object, MAX_DEPTH)).then_some(())
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Object(fields) => levels == 0 || fields.values().any(|value| is_deeper(value, levels - 1)),
        Value::Array(elements) => levels == 0 || elements.iter().any(|value| is_deeper(value, levels - 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn repeated_copy_operations_are_limited_in_size() {
        let mut object = json!({ "list": ["x".repeat(1000)] });
        let copy = json!({ "op": "copy", "from": "", "path": "/list/-" });
        let patch = json!(vec![copy; 100]).to_string();
        assert_eq!(apply(&mut object, patch.as_bytes()).unwrap_err().code, 422);
        assert!(estimate_size(&object) < 3 * MAX_BYTES);
        let many = json!(vec![json!({ "op": "remove", "path": "/list/0" }); 1001]).to_string();
        assert_eq!(apply(&mut object, many.as_bytes()).unwrap_err().code, 413);
    }
}
