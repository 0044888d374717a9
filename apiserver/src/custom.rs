//! Custom resources: definitions, pruning, defaulting and validation by schema.

mod definition;
mod path;
mod prune;
mod validate;
mod validate_definition;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

pub use self::{
    definition::{definitions, establish, group_and_plural, prepare},
    validate_definition::validate_definition,
};
use crate::{
    causes::Causes,
    decoded::{Decoded, FieldValidation, decode_error},
    object::{Meta, items, strings, text},
    resource::{DefinitionVersion, PrinterColumn, Resource},
    schema::Schema,
    status::Result,
};

/// The resources of a valid definition: one for each served version.
pub fn resources(definition: &Value) -> Vec<Arc<Resource>> {
    let spec = &definition["spec"];
    let text = |value: &Value| text(value).to_owned();
    let all_strings = |value: &Value| strings(value).map(str::to_owned).collect();
    let names = &spec["names"];
    // Selectable fields are simple paths, such as `.spec.color`.
    let field = |one: &Value| Some(one["jsonPath"].as_str()?.strip_prefix('.')?.to_owned());
    let resource = |version: &Value| {
        Arc::new(Resource {
            group: text(&spec["group"]),
            version: text(&version["name"]),
            plural: text(&names["plural"]),
            singular: text(&names["singular"]),
            list_kind: text(&names["listKind"]),
            kind: text(&names["kind"]),
            short_names: all_strings(&names["shortNames"]),
            categories: all_strings(&names["categories"]),
            namespaced: spec["scope"] == "Namespaced",
            // `scale` is not served.
            subresources: version["subresources"].get("status").map(|_| "status".to_owned()).into_iter().collect(),
            custom: Some(Arc::new(DefinitionVersion {
                schema: Schema::parse(&version["schema"]["openAPIV3Schema"]),
                columns: PrinterColumn::all(version),
                openapi: version["schema"]["openAPIV3Schema"].clone(),
                selectable: items(&version["selectableFields"]).iter().filter_map(field).collect(),
            })),
        })
    };
    items(&spec["versions"]).iter().filter(|version| version["served"] == true).map(resource).collect()
}

/// [`crate::types::decode`] for a custom resource: drops unknown fields, sets defaults.
///
/// # Errors
/// 400 for invalid metadata, and for unknown fields if validation is strict.
pub fn decode(resource: &Resource, schema: &Schema, mut body: Value, validation: FieldValidation) -> Result<Decoded> {
    let invalid = |why: String| decode_error(&resource.kind, &resource.version, &why);
    if let Err(why) = ObjectMeta::deserialize(&body["metadata"]) {
        return Err(invalid(why.to_string()));
    }
    let unknown = prune::prune_and_default(schema, &mut body);
    Decoded::new(body, unknown, validation).map_err(invalid)
}

/// [`crate::types::validate`] for a custom resource.
///
/// # Errors
/// 422, with all causes.
pub fn validate(resource: &Resource, schema: &Schema, object: &Value, old: Option<&Value>) -> Result<()> {
    let causes = Causes(validate::validate(schema, object, old, ""));
    causes.into_result(&resource.group, &resource.kind, object.name())
}

#[cfg(test)]
mod tests;
