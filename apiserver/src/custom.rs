//! Custom resources: definition, schema, pruning, defaults.

mod check;
mod definition;
#[cfg(test)]
mod fixture;
mod formats;
mod path;
mod schema;
mod structural;
mod tidy;
mod validate;

use std::{fmt::Display, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use self::schema::Schema;
pub use self::{
    check::check,
    definition::{definitions, establish, names, prepare},
};
use crate::{
    catalog::Resource,
    object::{Meta, items, text, words},
    status::{Result, Status},
    table::PrinterColumn,
    types::{Decoded, FieldValidation},
};

/// What a CustomResourceDefinition says of one version.
#[derive(Debug)]
pub struct Definition {
    schema: Schema,
    columns: Vec<PrinterColumn>,
    /// The schema as it was written, with its descriptions.
    openapi: Value,
    /// What its objects can be selected by, besides their names: `spec.color`.
    selectable: Vec<String>,
}

impl Definition {
    /// Whether `?fieldSelector=` may name this field.
    pub fn is_selectable(&self, field: &str) -> bool {
        self.selectable.iter().any(|own| own == field)
    }

    /// What `kubectl get` shows of it, after the name.
    pub fn columns(&self) -> &[PrinterColumn] {
        &self.columns
    }

    /// The schema as it was written, for people and clients to read.
    pub fn openapi(&self) -> &Value {
        &self.openapi
    }
}

/// The resources that a definition that has been checked adds: one for each served version.
pub fn resources(definition: &Value) -> Vec<Arc<Resource>> {
    let spec = &definition["spec"];
    let text = |value: &Value| text(value).to_owned();
    let texts = |value: &Value| words(value).map(str::to_owned).collect();
    let names = &spec["names"];
    // `.spec.color`: the only form of a path that there is here.
    let field = |one: &Value| Some(one["jsonPath"].as_str()?.strip_prefix('.')?.to_owned());
    let resource = |version: &Value| {
        let subresources = version["subresources"].as_object();
        Arc::new(Resource {
            group: text(&spec["group"]),
            version: text(&version["name"]),
            plural: text(&names["plural"]),
            singular: text(&names["singular"]),
            list_kind: text(&names["listKind"]),
            kind: text(&names["kind"]),
            short_names: texts(&names["shortNames"]),
            categories: texts(&names["categories"]),
            namespaced: spec["scope"] == "Namespaced",
            // `scale` is not served.
            subresources: subresources
                .into_iter()
                .flatten()
                .map(|(n, _)| n.clone())
                .filter(|n| n == "status")
                .collect(),
            custom: Some(Arc::new(Definition {
                schema: Schema::parse(&version["schema"]["openAPIV3Schema"]),
                columns: PrinterColumn::all(version),
                openapi: version["schema"]["openAPIV3Schema"].clone(),
                selectable: items(&version["selectableFields"]).iter().filter_map(field).collect(),
            })),
        })
    };
    let versions = spec["versions"].as_array();
    versions.into_iter().flatten().filter(|version| version["served"] == true).map(resource).collect()
}

/// [`crate::types::decode`] for a custom resource: drops unknown fields, sets defaults.
///
/// # Errors
/// 400 for metadata that is none, and for unknown fields, if that is asked for.
pub fn decode(definition: &Definition, mut body: Value, validation: FieldValidation) -> Result<Decoded> {
    let not_handled = |body: &Value, why: &dyn Display| {
        let kind = text(&body["kind"]);
        let version = body["apiVersion"].as_str().and_then(|text| text.rsplit('/').next()).unwrap_or_default();
        Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
    };
    if let Err(why) = ObjectMeta::deserialize(&body["metadata"]) {
        return Err(not_handled(&body, &why));
    }
    let unknown = tidy::tidy(&definition.schema, &mut body);
    let warnings: Vec<String> = unknown.into_iter().map(|path| format!("unknown field {path:?}")).collect();
    match validation {
        FieldValidation::Strict if !warnings.is_empty() => {
            Err(not_handled(&body, &format_args!("strict decoding error: {}", warnings.join(", "))))
        }
        FieldValidation::Ignore => Ok(Decoded { value: body, warnings: Vec::new() }),
        _ => Ok(Decoded { value: body, warnings }),
    }
}

/// [`crate::types::validate`] for a custom resource.
///
/// # Errors
/// 422, with all causes.
pub fn validate(resource: &Resource, definition: &Definition, object: &Value, old: Option<&Value>) -> Result<()> {
    let causes = validate::validate(&definition.schema, object, old, "");
    if causes.is_empty() {
        Ok(())
    } else {
        Err(Status::invalid(&resource.group, &resource.kind, object.name(), &causes))
    }
}
