//! The rules for Secret, ConfigMap, Event, roles and their bindings.

use serde_json::Value;

use crate::{
    causes::Causes,
    names,
    object::{Meta, items, text},
};

const MAX_BYTES: usize = 1024 * 1024;

pub fn validate_secret(object: &Value, old: Option<&Value>, causes: &mut Causes) {
    causes.immutable("type", &object["type"], old.map(|old| &old["type"]));
    validate_immutable(object, old, causes);
    if check_data("data", object, decoded_len, causes) > MAX_BYTES {
        causes.too_long("data", MAX_BYTES);
    }
    if object["type"] == "kubernetes.io/tls" {
        for key in ["tls.crt", "tls.key"].into_iter().filter(|key| object["data"].get(key).is_none()) {
            causes.required(&format!("data[{key}]"), "");
        }
    }
}

pub fn validate_config_map(object: &Value, old: Option<&Value>, causes: &mut Causes) {
    validate_immutable(object, old, causes);
    if check_data("data", object, str::len, causes) + check_data("binaryData", object, decoded_len, causes) > MAX_BYTES
    {
        // The real server names the whole object as the field.
        causes.too_long("[]", MAX_BYTES);
    }
}

/// Checks the keys and returns the total size of the values in bytes.
fn check_data(field: &str, object: &Value, length: fn(&str) -> usize, causes: &mut Causes) -> usize {
    let data = object[field].as_object().into_iter().flatten();
    data.map(|(key, value)| {
        causes.invalid_all(&format!("{field}[{key}]"), key, names::data_key(key));
        length(text(value))
    })
    .sum()
}

/// The size of a decoded base64 string.
fn decoded_len(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}

fn validate_immutable(object: &Value, old: Option<&Value>, causes: &mut Causes) {
    const WHY: &str = "field is immutable when `immutable` is set";
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return };
    if object["immutable"] != true {
        causes.forbidden("immutable", WHY);
    }
    for field in ["data", "binaryData"].into_iter().filter(|field| object[field] != old[field]) {
        causes.forbidden(field, WHY);
    }
}

/// Checks that an event is in the namespace of its object; the new API (with `eventTime`) allows any namespace.
pub fn validate_event(object: &Value, causes: &mut Causes) {
    let (own, other) = (object.namespace(), text(&object["involvedObject"]["namespace"]));
    // The events of a cluster-scoped object, such as a node, are in `default`.
    let fits = own == other || other.is_empty() && own == "default";
    if object["eventTime"].is_null() && !fits {
        causes.invalid("involvedObject.namespace", other, "does not match event.namespace");
    }
}

pub fn validate_role(object: &Value, causes: &mut Causes) {
    for (i, rule) in items(&object["rules"]).iter().enumerate() {
        let is_empty = |name: &str| items(&rule[name]).is_empty();
        if is_empty("verbs") {
            causes.required(&format!("rules[{i}].verbs"), "verbs must contain at least one value");
        }
        for (name, one) in [("apiGroups", "api group"), ("resources", "resource")] {
            if is_empty("nonResourceURLs") && is_empty(name) {
                let why = format!("resource rules must supply at least one {one}");
                causes.required(&format!("rules[{i}].{name}"), &why);
            }
        }
    }
}

/// Checks the role of a binding. It is immutable: delete the binding and create another.
pub fn validate_binding(object: &Value, old: Option<&Value>, causes: &mut Causes) {
    let role = &object["roleRef"];
    if text(&role["name"]).is_empty() {
        causes.required("roleRef.name", "");
    }
    if old.is_some_and(|old| old["roleRef"] != *role) {
        causes.invalid("roleRef", role.clone(), "cannot change roleRef");
    }
}
