//! Helpers that set defaults in JSON.

use serde_json::{Value, json};

/// The object in a field; creates it if it is absent.
///
/// Pitfall: writing to an index of a [`Value`] panics for a string or a list. That cannot happen here, because the typed
/// structs have checked the types.
pub fn ensure_object<'a>(object: &'a mut Value, field: &str) -> &'a mut Value {
    let child = &mut object[field];
    if child.is_null() {
        *child = json!({});
    }
    child
}

/// Sets a field that is absent or empty.
pub fn set_default(object: &mut Value, field: &str, value: impl Into<Value>) {
    let field = &mut object[field];
    if field.is_null() || *field == "" || *field == json!([]) {
        *field = value.into();
    }
}

/// Calls `act` for each element of a list, which may be absent.
pub fn for_each(object: &mut Value, list: &str, act: impl FnMut(&mut Value)) {
    if let Some(Value::Array(elements)) = object.get_mut(list) {
        elements.iter_mut().for_each(act);
    }
}
