//! Validates names, scope and versions of a CustomResourceDefinition. Schemas are not validated (a difference that the
//! README lists).

use serde_json::Value;

use super::definition::group_and_plural;
use crate::{
    catalog::Catalog,
    causes::Causes,
    names::dns_label,
    object::{GroupResource, Meta, items, text},
    status::Cause,
};

/// The validation errors of a definition. Pass no `old` for a new one.
pub fn validate_definition(definition: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Causes::default();
    let (spec, name) = (&definition["spec"], definition.name());
    let (group, plural) = group_and_plural(definition);
    if name != format!("{plural}.{group}") {
        causes.invalid("metadata.name", name, r#"must be spec.names.plural+"."+spec.group"#);
    }
    if !group.contains('.') {
        causes.invalid("spec.group", group, "should be a domain with at least one dot");
    }
    // The custom resource would share the collection of the built-in one.
    if Catalog::built_in().find_any_version(&GroupResource::new(group, plural)).is_some() {
        causes.invalid("spec.names.plural", plural, "is built in");
    }
    causes.one_of("spec.scope", spec["scope"].clone(), &["Cluster", "Namespaced"]);
    for field in ["plural", "singular", "kind", "listKind"] {
        let (at, name) = (format!("spec.names.{field}"), text(&spec["names"][field]));
        if name.is_empty() {
            causes.required(&at, "");
        }
        causes.invalid_all(&at, name, dns_label(&name.to_lowercase()));
    }
    // Objects stored under the old name would not be found under a new one.
    for field in ["/scope", "/names/plural", "/names/kind"] {
        let of = |definition: &Value| definition["spec"].pointer(field).cloned().unwrap_or_default();
        causes.immutable(&format!("spec{}", field.replace('/', ".")), &of(definition), old.map(of).as_ref());
    }
    let versions = items(&spec["versions"]);
    for (i, version) in versions.iter().enumerate() {
        let name = text(&version["name"]);
        causes.invalid_all(&format!("spec.versions[{i}].name"), name, dns_label(name));
        if !version["schema"]["openAPIV3Schema"].is_object() {
            causes.required(&format!("spec.versions[{i}].schema.openAPIV3Schema"), "");
        }
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let names: Vec<&Value> = versions.iter().map(|version| &version["name"]).collect();
        let why = "must have exactly one version marked as storage version";
        causes.invalid("spec.versions", serde_json::json!(names), why);
    }
    causes.0
}
