//! A served resource: its names and, for a custom resource, its definition.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    json_path::JsonPath,
    object::{GroupResource, items, text},
    schema::Schema,
};

/// One resource of one version.
#[derive(Debug)]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub plural: String,
    pub singular: String,
    pub kind: String,
    pub list_kind: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    /// `status`, `binding`, `token`, …
    pub subresources: Vec<String>,
    /// None for a built-in resource.
    pub custom: Option<Arc<DefinitionVersion>>,
}

impl Resource {
    /// The collection of its objects.
    pub fn id(&self) -> GroupResource {
        GroupResource::new(&self.group, &self.plural)
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    pub fn has_status(&self) -> bool {
        self.subresources.iter().any(|name| name == "status")
    }
}

/// One version of a CustomResourceDefinition.
#[derive(Debug)]
pub struct DefinitionVersion {
    pub schema: Schema,
    pub columns: Vec<PrinterColumn>,
    /// The original schema, with descriptions.
    pub openapi: Value,
    /// `selectableFields`, such as `spec.color`.
    pub selectable: Vec<String>,
}

impl DefinitionVersion {
    /// Whether a field selector may contain this field.
    pub fn is_selectable(&self, field: &str) -> bool {
        self.selectable.iter().any(|own| own == field)
    }
}

/// One of `additionalPrinterColumns`.
#[derive(Debug)]
pub struct PrinterColumn {
    /// As in `columnDefinitions`.
    pub definition: Value,
    /// `string`, `integer`, `number`, `boolean`, `date`.
    pub column_type: String,
    /// None for an unsupported path: its cells stay empty.
    pub path: Option<JsonPath>,
}

impl PrinterColumn {
    /// The columns of a version; the default is the age.
    pub fn all(version: &Value) -> Vec<PrinterColumn> {
        match items(&version["additionalPrinterColumns"]) {
            [] => {
                let age = json!({ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" });
                vec![PrinterColumn::new(&age)]
            }
            listed => listed.iter().map(PrinterColumn::new).collect(),
        }
    }

    fn new(column: &Value) -> Self {
        let definition = json!({
            "name": column["name"], "type": column["type"], "format": text(&column["format"]),
            "description": text(&column["description"]), "priority": column["priority"].as_i64().unwrap_or_default(),
        });
        let path = JsonPath::parse(text(&column["jsonPath"]));
        PrinterColumn { definition, column_type: text(&column["type"]).to_owned(), path }
    }
}
