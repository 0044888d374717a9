//! Whether a CustomResourceDefinition can be served: its names, its scope, its versions. Its schemas are taken as they
//! are (a listed difference).

use serde_json::Value;

use super::definition::names;
use crate::{
    catalog::Catalog,
    causes::Causes,
    names::dns_label,
    object::{GroupResource, Meta, items, text},
    status::Cause,
};

/// Everything that is wrong with a definition.
pub fn check(definition: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut wrong = Causes::default();
    let (spec, name) = (&definition["spec"], definition.name());
    let (group, plural) = names(definition);
    if name != format!("{plural}.{group}") {
        wrong.invalid("metadata.name", name, r#"must be spec.names.plural+"."+spec.group"#);
    }
    if !group.contains('.') {
        wrong.invalid("spec.group", group, "should be a domain with at least one dot");
    }
    // Both would share one collection.
    if Catalog::built_in().of(&GroupResource::new(group, plural)).is_some() {
        wrong.invalid("spec.names.plural", plural, "is built in");
    }
    wrong.one_of("spec.scope", spec["scope"].clone(), &["Cluster", "Namespaced"]);
    for field in ["plural", "singular", "kind", "listKind"] {
        let (at, name) = (format!("spec.names.{field}"), text(&spec["names"][field]));
        if name.is_empty() {
            wrong.required(&at, "");
        }
        wrong.texts(&at, name, dns_label(&name.to_lowercase()));
    }
    // Objects that are stored under one name are not found under another.
    for field in ["/scope", "/names/plural", "/names/kind"] {
        let of = |definition: &Value| definition["spec"].pointer(field).cloned().unwrap_or_default();
        wrong.immutable(&format!("spec{}", field.replace('/', ".")), &of(definition), old.map(of).as_ref());
    }
    let versions = items(&spec["versions"]);
    for (i, version) in versions.iter().enumerate() {
        let name = text(&version["name"]);
        wrong.texts(&format!("spec.versions[{i}].name"), name, dns_label(name));
        if !version["schema"]["openAPIV3Schema"].is_object() {
            wrong.required(&format!("spec.versions[{i}].schema.openAPIV3Schema"), "");
        }
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let names: Vec<&Value> = versions.iter().map(|version| &version["name"]).collect();
        let why = "must have exactly one version marked as storage version";
        wrong.invalid("spec.versions", serde_json::json!(names), why);
    }
    wrong.0
}
