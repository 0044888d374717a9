//! Whether a CustomResourceDefinition can be served: its names, its versions, and whether its schemas are structural.
//!
//! Structural means that the type of every field is known from the schema alone: without that there is no pruning and
//! no defaulting.

use serde_json::{Value, json};

use super::{Causes, text};
use crate::object::Meta;

pub(super) fn definition(object: &Value, wrong: &mut Causes) {
    let spec = &object["spec"];
    let (group, names) = (text(&spec["group"]), &spec["names"]);
    if object.name() != format!("{}.{group}", text(&names["plural"])) {
        wrong.invalid("metadata.name", object.name(), "must be spec.names.plural+\".\"+spec.group");
    }
    if group.is_empty() {
        wrong.required("spec.group", "");
    } else if !group.contains('.') {
        wrong.invalid("spec.group", group, "should be a domain with at least one dot");
    }
    match text(&spec["scope"]) {
        "" => wrong.required("spec.scope", ""),
        scope => wrong.one_of("spec.scope", scope, &["Cluster", "Namespaced"]),
    }
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let brief: Value = versions.iter().map(|v| json!({ "name": v["name"], "storage": v["storage"] })).collect();
    if versions.iter().enumerate().any(|(i, v)| versions.iter().take(i).any(|other| other["name"] == v["name"])) {
        wrong.invalid("spec.versions", brief.clone(), "must contain unique version names");
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        wrong.invalid("spec.versions", brief, "must have exactly one version marked as storage version");
    }
    for field in ["plural", "singular", "kind", "listKind"] {
        if text(&names[field]).is_empty() {
            wrong.required(&format!("spec.names.{field}"), "");
        }
    }
    for (i, version) in versions.iter().enumerate() {
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_null() {
            wrong.required(&format!("spec.versions[{i}].schema.openAPIV3Schema"), "");
            continue;
        }
        // The real server moves what all versions share to where definitions of old had it, and names it so.
        let shared = versions.iter().all(|other| other["schema"] == version["schema"]);
        if shared && i > 0 {
            break;
        }
        let place = if shared { "spec.validation".to_owned() } else { format!("spec.versions[{i}].schema") };
        root(schema, &format!("{place}.openAPIV3Schema"), wrong);
    }
}

fn root(schema: &Value, place: &str, wrong: &mut Causes) {
    match text(&schema["type"]) {
        "" => wrong.required(&format!("{place}.type"), "must not be empty at the root"),
        "object" => below(schema, place, wrong),
        other => wrong.invalid(&format!("{place}.type"), other, "must be object at the root"),
    }
    let metadata = schema["properties"]["metadata"]["properties"].as_object();
    if metadata.is_some_and(|fields| fields.keys().any(|field| !matches!(field.as_str(), "name" | "generateName"))) {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        wrong.forbidden(&format!("{place}.properties[metadata]"), why);
    }
}

/// The type of one field or item. The depth is bounded by what could be read.
fn field(schema: &Value, place: &str, what: &str, wrong: &mut Causes) {
    const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
    let open = ["x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"];
    match text(&schema["type"]) {
        "" if open.iter().any(|mark| schema[*mark] == true) => {}
        "" => wrong.required(&format!("{place}.type"), &format!("must not be empty for specified {what}")),
        "array" if schema["items"].is_null() => wrong.required(&format!("{place}.items"), "must be specified"),
        known => wrong.one_of(&format!("{place}.type"), known, &TYPES),
    }
    below(schema, place, wrong);
}

fn below(schema: &Value, place: &str, wrong: &mut Causes) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        field(property, &format!("{place}.properties[{name}]"), "object fields", wrong);
    }
    if schema["items"].is_object() {
        field(&schema["items"], &format!("{place}.items"), "array items", wrong);
    }
    if schema["additionalProperties"].is_object() {
        let place = format!("{place}.additionalProperties");
        if schema["properties"].is_object() {
            wrong.forbidden(&place, "additionalProperties and properties are mutual exclusive");
        }
        field(&schema["additionalProperties"], &place, "object fields", wrong);
    }
}
