//! Custom resources: definition, schema, pruning, defaults.

mod definition;

use std::sync::Arc;

use serde_json::Value;

pub use self::definition::{check, definitions, establish, names, prepare};
use crate::{
    catalog::Resource,
    status::Result,
    table::PrinterColumn,
    types::{Decoded, FieldValidation},
};

/// What a CustomResourceDefinition says of one version.
#[derive(Debug)]
pub struct Definition {
    columns: Vec<PrinterColumn>,
    /// The schema as it was written, with its descriptions.
    openapi: Value,
}

impl Definition {
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
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let names = &spec["names"];
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
            subresources: subresources.into_iter().flatten().map(|(name, _)| name.clone()).collect(),
            custom: Some(Arc::new(Definition {
                columns: PrinterColumn::all(version),
                openapi: version["schema"]["openAPIV3Schema"].clone(),
            })),
        })
    };
    let versions = spec["versions"].as_array();
    versions.into_iter().flatten().filter(|version| version["served"] == true).map(resource).collect()
}

/// [`crate::types::decode`] for a custom resource: prune, default.
pub fn decode(_definition: &Definition, body: Value, _validation: FieldValidation) -> Result<Decoded> {
    Ok(Decoded { value: body, warnings: Vec::new() })
}

/// [`crate::types::validate`] for a custom resource.
pub fn validate(_resource: &Resource, _definition: &Definition, _object: &Value, _old: Option<&Value>) -> Result<()> {
    Ok(())
}
