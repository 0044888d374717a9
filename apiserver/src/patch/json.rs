//! JSON patch (RFC 6902): a list of operations.
//!
//! Pitfall: a patch must not make something huge out of something small. Twenty times `copy` of the whole into a part of
//! itself is a million times the whole; so the object is measured after each operation.

use json_patch::PatchOperation;
use serde_json::Value;

use crate::{
    object::size,
    status::{Result, Status},
};

const MOST_OPERATIONS: usize = 1_000;
const MOST_BYTES: usize = 3 << 20;
/// serde_json reads no deeper: a deeper object could be stored but never read again.
const MOST_LEVELS: usize = 128;

/// Carries the operations out, in order.
///
/// # Errors
/// 400 for what is not a list, 413 for too many operations; 422 if one cannot be carried out: without a reason, as in the
/// real server.
pub fn apply(object: &mut Value, patch: &[u8]) -> Result<()> {
    // To Go null is a list as well: an empty one.
    let operations: Option<Vec<Value>> =
        serde_json::from_slice(patch).map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
    let operations = operations.unwrap_or_default();
    if operations.len() > MOST_OPERATIONS {
        let why = format!("Request entity too large: a JSON patch has at most {MOST_OPERATIONS} operations");
        return Err(Status::new(413, "RequestEntityTooLarge", why));
    }
    for operation in operations {
        carry_out(object, operation).ok_or_else(|| {
            let text = "the server rejected our request due to an error in our request";
            let mut status = Status::new(422, "Invalid", text);
            status.details = serde_json::json!({});
            status
        })?;
    }
    Ok(())
}

/// None if that is not possible.
fn carry_out(object: &mut Value, operation: Value) -> Option<()> {
    let operation: PatchOperation = serde_json::from_value(operation).ok()?;
    json_patch::patch(object, &[operation]).ok()?;
    (size(object) <= MOST_BYTES && !is_deeper(object, MOST_LEVELS)).then_some(())
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
    fn copies_of_the_whole_are_stopped_before_they_are_huge() {
        let mut object = json!({ "list": ["x".repeat(1000)] });
        let copy = json!({ "op": "copy", "from": "", "path": "/list/-" });
        let patch = json!(vec![copy; 100]).to_string();
        assert_eq!(apply(&mut object, patch.as_bytes()).unwrap_err().code, 422);
        assert!(size(&object) < 3 * MOST_BYTES);
        let many = json!(vec![json!({ "op": "remove", "path": "/list/0" }); 1001]).to_string();
        assert_eq!(apply(&mut object, many.as_bytes()).unwrap_err().code, 413);
    }
}
