//! The rules of kinds that have few: Secret, ConfigMap, Event, roles and their bindings.

use serde_json::Value;

use crate::{
    causes::Causes,
    names,
    object::{Meta, items, text},
};

const MOST_DATA: usize = 1024 * 1024;

pub fn secret(object: &Value, old: Option<&Value>, wrong: &mut Causes) {
    wrong.immutable("type", &object["type"], old.map(|old| &old["type"]));
    unchanged(object, old, wrong);
    if data("data", object, decoded, wrong) > MOST_DATA {
        wrong.too_long("data", MOST_DATA);
    }
    if object["type"] == "kubernetes.io/tls" {
        for key in ["tls.crt", "tls.key"].into_iter().filter(|key| object["data"].get(key).is_none()) {
            wrong.required(&format!("data[{key}]"), "");
        }
    }
}

pub fn config_map(object: &Value, old: Option<&Value>, wrong: &mut Causes) {
    unchanged(object, old, wrong);
    if data("data", object, str::len, wrong) + data("binaryData", object, decoded, wrong) > MOST_DATA {
        // The whole object, says the real server.
        wrong.too_long("[]", MOST_DATA);
    }
}

/// Checks the keys, and returns how many bytes the values have.
fn data(field: &str, object: &Value, length: fn(&str) -> usize, wrong: &mut Causes) -> usize {
    let data = object[field].as_object().into_iter().flatten();
    data.map(|(key, value)| {
        wrong.texts(&format!("{field}[{key}]"), key, names::data_key(key));
        length(text(value))
    })
    .sum()
}

/// Base64: four letters are three bytes.
fn decoded(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}

fn unchanged(object: &Value, old: Option<&Value>, wrong: &mut Causes) {
    const WHY: &str = "field is immutable when `immutable` is set";
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return };
    if object["immutable"] != true {
        wrong.forbidden("immutable", WHY);
    }
    for field in ["data", "binaryData"].into_iter().filter(|field| object[field] != old[field]) {
        wrong.forbidden(field, WHY);
    }
}

/// An event is in the namespace of its object. One with an `eventTime` is of the newer form, and may be elsewhere.
pub fn event(object: &Value, wrong: &mut Causes) {
    let (own, other) = (object.namespace(), text(&object["involvedObject"]["namespace"]));
    // An object without a namespace, such as a node, has its events in `default`.
    let fits = own == other || other.is_empty() && own == "default";
    if object["eventTime"].is_null() && !fits {
        wrong.invalid("involvedObject.namespace", other, "does not match event.namespace");
    }
}

pub fn role(object: &Value, wrong: &mut Causes) {
    for (i, rule) in items(&object["rules"]).iter().enumerate() {
        let is_empty = |name: &str| items(&rule[name]).is_empty();
        if is_empty("verbs") {
            wrong.required(&format!("rules[{i}].verbs"), "verbs must contain at least one value");
        }
        for (name, one) in [("apiGroups", "api group"), ("resources", "resource")] {
            if is_empty("nonResourceURLs") && is_empty(name) {
                let why = format!("resource rules must supply at least one {one}");
                wrong.required(&format!("rules[{i}].{name}"), &why);
            }
        }
    }
}

/// What a binding grants must not change under those who have read it: delete it, and create another.
pub fn binding(object: &Value, old: Option<&Value>, wrong: &mut Causes) {
    let role = &object["roleRef"];
    if text(&role["name"]).is_empty() {
        wrong.required("roleRef.name", "");
    }
    if old.is_some_and(|old| old["roleRef"] != *role) {
        wrong.invalid("roleRef", role.clone(), "cannot change roleRef");
    }
}
