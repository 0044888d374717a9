//! How defaults are put into JSON.

use serde_json::{Value, json};

/// An object in an object: made if it is not there.
///
/// Pitfall: indexing a [`Value`] to write panics on a text or a list. Here nothing can be one: what has been through a
/// typed struct is an object wherever the struct has a struct.
pub fn child<'a>(object: &'a mut Value, field: &str) -> &'a mut Value {
    let child = &mut object[field];
    if child.is_null() {
        *child = json!({});
    }
    child
}

/// Sets a field that is absent.
pub fn absent(object: &mut Value, field: &str, value: impl Into<Value>) {
    let field = &mut object[field];
    if field.is_null() || *field == "" || *field == json!([]) {
        *field = value.into();
    }
}

/// Every element of a list that may be absent.
pub fn each(object: &mut Value, list: &str, act: impl FnMut(&mut Value)) {
    if let Some(Value::Array(elements)) = object.get_mut(list) {
        elements.iter_mut().for_each(act);
    }
}
