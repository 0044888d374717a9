//! JSON patch (RFC 6902): a list of operations.
//!
//! By hand and not by the crate `json-patch`, for two reasons. The real server's library is more lenient than the RFC in
//! ways that clients see: a list has an element `-1`, `replace` adds a field that is not there, `copy` of a field that is
//! not there gives null, and `test` finds null in it. And a patch must not make something huge out of something small: a
//! thousand times `copy` of the whole into a part of it doubles it a thousand times.

use serde_json::Value;

use crate::status::{Result, Status};

/// The real server's numbers.
const MAX_OPERATIONS: usize = 10_000;
const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;
/// What serde_json reads; deeper objects could be stored but never sent.
const MAX_DEPTH: usize = 128;

/// Carries the operations out, in order.
///
/// # Errors
/// 400 for what is no list of operations, 413 for too many; 422 if one cannot be carried out: without a reason, as the
/// real server does it.
pub fn apply(object: &mut Value, patch: &[u8]) -> Result<()> {
    let wrong = |what: &str| Status::bad_request(format!("error decoding patch: json: cannot unmarshal {what}"));
    let operations: Value =
        serde_json::from_slice(patch).map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
    let operations = match operations {
        Value::Array(operations) => operations,
        // To Go null is a list as well: an empty one.
        Value::Null => Vec::new(),
        other => {
            let kind = super::go_kind(&other);
            return Err(wrong(&format!("{kind} into Go value of type []handlers.jsonPatchOp")));
        }
    };
    if let Some(other) = operations.iter().find(|operation| !operation.is_object()) {
        return Err(wrong(&format!("{} into Go value of type handlers.jsonPatchOp", super::go_kind(other))));
    }
    if operations.len() > MAX_OPERATIONS {
        let found = operations.len();
        let why = format!("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {found}");
        return Err(Status::new(413, "RequestEntityTooLarge", format!("Request entity too large: {why}")));
    }
    let mut copied = 0;
    for operation in operations {
        carry_out(object, operation, &mut copied).ok_or_else(rejected)?;
    }
    Ok(())
}

/// Which operation, and why, is told to nobody: so it is in the real server.
fn rejected() -> Status {
    let mut status = Status::new(422, "Invalid", "the server rejected our request due to an error in our request");
    status.details = serde_json::json!({});
    status
}

/// None if that is not possible.
fn carry_out(object: &mut Value, mut operation: Value, copied: &mut usize) -> Option<()> {
    let value = operation["value"].take();
    let path = operation["path"].as_str()?;
    let from = || operation["from"].as_str();
    match operation["op"].as_str()? {
        "add" => add(object, path, value),
        "remove" => remove(object, path).map(drop),
        "replace" if path.is_empty() => add(object, path, value),
        "replace" => {
            within_depth(path, &value)?;
            let (parent, last) = parent(object, path)?;
            match parent {
                Value::Object(fields) => drop(fields.insert(last, value)),
                Value::Array(elements) => {
                    let at = index(&last, elements.len())?;
                    *elements.get_mut(at)? = value;
                }
                _ => return None,
            }
            Some(())
        }
        "move" => {
            let value = remove(object, from()?)?;
            add(object, path, value)
        }
        "copy" => {
            let value = get(object, from()?)?.cloned().unwrap_or_default();
            *copied += value.to_string().len();
            (*copied <= MAX_COPIED_BYTES).then_some(())?;
            add(object, path, value)
        }
        "test" => {
            let found = get(object, path)?;
            (found.unwrap_or(&Value::Null) == &value).then_some(())
        }
        _ => None,
    }
}

fn add(object: &mut Value, path: &str, value: Value) -> Option<()> {
    within_depth(path, &value)?;
    if path.is_empty() {
        *object = value;
        return Some(());
    }
    let (parent, last) = parent(object, path)?;
    match parent {
        Value::Object(fields) => drop(fields.insert(last, value)),
        Value::Array(elements) => {
            let at = if last == "-" { elements.len() } else { index(&last, elements.len() + 1)? };
            (at <= elements.len()).then(|| elements.insert(at, value))?;
        }
        _ => return None,
    }
    Some(())
}

/// So that it can be read again.
fn within_depth(path: &str, value: &Value) -> Option<()> {
    fn depth(value: &Value) -> usize {
        match value {
            Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
            Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or_default(),
            _ => 0,
        }
    }
    (path.matches('/').count() + depth(value) < MAX_DEPTH).then_some(())
}

fn remove(object: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = parent(object, path)?;
    match parent {
        Value::Object(fields) => fields.remove(&last),
        Value::Array(elements) => {
            let at = index(&last, elements.len())?;
            (at < elements.len()).then(|| elements.remove(at))
        }
        _ => None,
    }
}

/// What is there: None if the way there is not, Some(None) if only the last step is missing.
fn get<'a>(object: &'a mut Value, path: &str) -> Option<Option<&'a Value>> {
    if path.is_empty() {
        return Some(Some(object));
    }
    let (parent, last) = parent(object, path)?;
    match parent {
        Value::Object(fields) => Some(fields.get(&last)),
        Value::Array(elements) => Some(Some(elements.get(index(&last, elements.len())?)?)),
        _ => None,
    }
}

/// What holds the place, and the last step to it. Not by serde_json's pointers: no step of them is `-1`. What stands before
/// the first slash does not matter, as in the real server.
fn parent<'a>(object: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let unescape = |step: &str| step.replace("~1", "/").replace("~0", "~");
    let (way, last) = path.rsplit_once('/')?;
    let mut at = object;
    for step in way.split('/').skip(1) {
        at = match at {
            Value::Object(fields) => fields.get_mut(&unescape(step))?,
            Value::Array(elements) => {
                let place = index(step, elements.len())?;
                elements.get_mut(place)?
            }
            _ => return None,
        };
    }
    Some((at, unescape(last)))
}

/// A place in a list that has so many; a negative one is counted from the end.
fn index(step: &str, count: usize) -> Option<usize> {
    let at: i64 = step.parse().ok()?;
    if at < 0 { count.checked_sub(usize::try_from(at.unsigned_abs()).ok()?) } else { usize::try_from(at).ok() }
}

#[cfg(test)]
mod tests;
