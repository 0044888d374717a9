//! Whether a schema is structural: whether every value has one type, whatever else is said of it. Only then can unknown
//! fields be told from known ones.

use serde_json::Value;

use super::{
    check::{cause, not_supported, required},
    schema::{self, Kind, Schema},
    validate,
};
use crate::{
    object::{items, text, words},
    status::Cause,
};

/// Everything that is wrong with the schema of a version. `path` is where it is, for the messages.
pub fn check(json: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    match text(&json["type"]) {
        "" => {
            causes.push(required(&format!("{path}.type"), "must not be empty at the root"));
            return causes;
        }
        "object" => {}
        other => {
            let message = format!("Invalid value: {other:?}: must be object at the root");
            causes.push(cause("FieldValueInvalid", &format!("{path}.type"), message));
        }
    }
    value(&mut causes, json, path, "at the root");
    let metadata = &json["properties"]["metadata"];
    let others = metadata["properties"].as_object().into_iter().flatten();
    if others.into_iter().any(|(name, _)| name != "name" && name != "generateName") {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        causes.push(forbidden(&format!("{path}.properties[metadata]"), why));
    }
    if metadata.is_object() && metadata["type"] != "object" {
        let message = format!("Invalid value: {}: must be object", metadata["type"]);
        causes.push(cause("FieldValueInvalid", &format!("{path}.properties[metadata].type"), message));
    }
    causes
}

/// One level, and those below it. `of` says what kind of place this is.
fn value(causes: &mut Vec<Cause>, json: &Value, path: &str, of: &str) {
    let flag = |name: &str| json[name] == true;
    let (preserve, int_or_string) = (flag("x-kubernetes-preserve-unknown-fields"), flag("x-kubernetes-int-or-string"));
    let kind = text(&json["type"]);
    if kind.is_empty() && !preserve && !int_or_string {
        causes.push(required(&format!("{path}.type"), &format!("must not be empty {of}")));
    } else if !kind.is_empty() && Kind::parse(kind).is_none() {
        causes.push(not_supported(&format!("{path}.type"), kind, &Kind::ALL.map(Kind::name)));
    }
    keywords(causes, json, path, kind);
    lists(causes, json, path, kind);
    if let Some(default) = json.get("default").filter(|default| !default.is_null()) {
        let at = format!("{path}.default");
        for wrong in validate::validate(&Schema::parse(json), default, None, "") {
            let dot = if wrong.field.is_empty() || wrong.field.starts_with('[') { "" } else { "." };
            causes.push(Cause { field: format!("{at}{dot}{}", wrong.field), ..wrong });
        }
    }
    if kind == "array" && !json["items"].is_object() {
        causes.push(required(&format!("{path}.items"), "must be specified"));
    }
    if json["items"].is_object() {
        value(causes, &json["items"], &format!("{path}.items"), "for specified array items");
    }
    if json["additionalProperties"].is_object() {
        let at = format!("{path}.additionalProperties");
        if json["properties"].as_object().is_some_and(|properties| !properties.is_empty()) {
            causes.push(forbidden(&at, "additionalProperties and properties are mutual exclusive"));
        }
        value(causes, &json["additionalProperties"], &at, "for specified object fields");
    }
    for (name, property) in json["properties"].as_object().into_iter().flatten() {
        value(causes, property, &format!("{path}.properties[{name}]"), "for specified object fields");
    }
    for of in ["allOf", "anyOf", "oneOf"] {
        for (i, alternative) in items(&json[of]).iter().enumerate() {
            alternatives(causes, alternative, &format!("{path}.{of}[{i}]"), int_or_string);
        }
    }
    alternatives(causes, &json["not"], &format!("{path}.not"), false);
}

fn keywords(causes: &mut Vec<Cause>, json: &Value, path: &str, kind: &str) {
    if json["uniqueItems"] == true {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        causes.push(forbidden(&format!("{path}.uniqueItems"), why));
    }
    if json.get("$ref").is_some() {
        causes.push(forbidden(&format!("{path}.$ref"), "$ref is not supported"));
    }
    if json["x-kubernetes-preserve-unknown-fields"] == false {
        let at = format!("{path}.x-kubernetes-preserve-unknown-fields");
        causes.push(cause("FieldValueInvalid", &at, "Invalid value: false: must be true or undefined".into()));
    }
    if let Some(pattern) = json["pattern"].as_str()
        && let Err(why) = schema::pattern(pattern)
    {
        let message =
            format!("Invalid value: {pattern:?}: must be a valid regular expression, but isn't: {}", first_line(&why));
        causes.push(cause("FieldValueInvalid", &format!("{path}.pattern"), message));
    }
    if json["x-kubernetes-embedded-resource"] == true {
        let known = json["properties"].as_object().is_some_and(|properties| !properties.is_empty());
        if !known && json["x-kubernetes-preserve-unknown-fields"] != true {
            let why = "must not be empty if x-kubernetes-embedded-resource is true without \
                       x-kubernetes-preserve-unknown-fields";
            causes.push(required(&format!("{path}.properties"), why));
        }
        if kind != "object" {
            let message = format!("Invalid value: {kind:?}: must be object if x-kubernetes-embedded-resource is true");
            causes.push(cause("FieldValueInvalid", &format!("{path}.type"), message));
        }
    }
}

fn first_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn lists(causes: &mut Vec<Cause>, json: &Value, path: &str, kind: &str) {
    let Some(list) = json["x-kubernetes-list-type"].as_str() else { return };
    if kind != "array" {
        let message = format!("Invalid value: {kind:?}: must be array if x-kubernetes-list-type is specified");
        causes.push(cause("FieldValueInvalid", &format!("{path}.type"), message));
    }
    if !["atomic", "set", "map"].contains(&list) {
        causes.push(not_supported(&format!("{path}.x-kubernetes-list-type"), list, &["atomic", "set", "map"]));
    }
    let keys: Vec<&str> = words(&json["x-kubernetes-list-map-keys"]).collect();
    if list != "map" {
        return;
    }
    if keys.is_empty() {
        let why = "must not be empty if x-kubernetes-list-type is map";
        causes.push(required(&format!("{path}.x-kubernetes-list-map-keys"), why));
    }
    let items = &json["items"];
    for key in keys {
        let must_be = items["required"].as_array().is_some_and(|required| required.iter().any(|name| name == key));
        if !must_be && items["properties"][key].get("default").is_none() {
            let why =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            causes.push(required(&format!("{path}.items.properties[{key}].default"), why));
        }
    }
}

/// Alternatives limit values; they do not give them a form of their own.
fn alternatives(causes: &mut Vec<Cause>, json: &Value, path: &str, int_or_string: bool) {
    for name in ["type", "default", "additionalProperties", "nullable"] {
        let set = json.get(name).is_some_and(|value| !value.is_null() && value != false);
        if set && !(name == "type" && int_or_string) {
            causes.push(forbidden(&format!("{path}.{name}"), "must be empty to be structural"));
        }
    }
    for (name, property) in json["properties"].as_object().into_iter().flatten() {
        alternatives(causes, property, &format!("{path}.properties[{name}]"), false);
    }
}

fn forbidden(field: &str, why: &str) -> Cause {
    cause("FieldValueForbidden", field, format!("Forbidden: {why}"))
}
