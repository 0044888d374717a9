//! A resource of one version: what it is called, and what a definition says of it.

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
    /// None for what is built in.
    pub custom: Option<Arc<Definition>>,
}

impl Resource {
    /// The collection that its objects are in.
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

/// What a CustomResourceDefinition says of one version.
#[derive(Debug)]
pub struct Definition {
    pub schema: Schema,
    pub columns: Vec<PrinterColumn>,
    /// The schema as it was written, with its descriptions.
    pub openapi: Value,
    /// What its objects can be selected by, besides their names: `spec.color`.
    pub selectable: Vec<String>,
}

impl Definition {
    /// Whether `?fieldSelector=` may name this field.
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
    pub kind: String,
    /// None for a path that is not understood: its cells stay empty.
    pub path: Option<JsonPath>,
}

impl PrinterColumn {
    /// What a version of a definition lists; the age if it lists nothing.
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
        PrinterColumn { definition, kind: text(&column["type"]).to_owned(), path }
    }
}
