//! The columns that a CustomResourceDefinition asks for (`additionalPrinterColumns`).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{age, json_path::JsonPath};
use crate::object::text;

/// One of `additionalPrinterColumns`.
#[derive(Debug)]
pub struct PrinterColumn {
    name: String,
    /// `string`, `integer`, `number`, `boolean`, `date`.
    kind: String,
    format: String,
    description: String,
    priority: i64,
    /// None for a path of a kind that is not understood here: the cells stay empty.
    path: Option<JsonPath>,
}

impl PrinterColumn {
    /// What a version of a definition lists; the age if it lists nothing.
    pub fn all(version: &Value) -> Vec<PrinterColumn> {
        let listed = version["additionalPrinterColumns"].as_array().filter(|list| !list.is_empty());
        let age = || {
            PrinterColumn::new(&json!({
                "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
                "description": "When the object was created.",
            }))
        };
        listed.map_or_else(|| vec![age()], |list| list.iter().map(PrinterColumn::new).collect())
    }

    fn new(column: &Value) -> Self {
        let string = |field: &str| text(&column[field]).to_owned();
        let path = string("jsonPath");
        PrinterColumn {
            name: string("name"),
            kind: string("type"),
            format: string("format"),
            description: match text(&column["description"]) {
                "" => format!("Custom resource definition column (in JSONPath format): {path}"),
                given => given.to_owned(),
            },
            priority: column["priority"].as_i64().unwrap_or_default(),
            path: JsonPath::parse(&path).ok(),
        }
    }

    /// As in `columnDefinitions`.
    pub fn definition(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format, "description": self.description,
            "priority": self.priority,
        })
    }

    /// The first thing that is found, if it is of the column's type.
    pub fn cell(&self, object: &Value, now: Timestamp) -> Value {
        let Some(value) = self.path.as_ref().and_then(|path| path.first(object)) else { return Value::Null };
        match (&*self.kind, value) {
            ("string", Value::String(text)) => text.clone().into(),
            ("string", Value::Null) => "<no value>".into(),
            ("string", other) => other.to_string().into(),
            ("integer", Value::Number(n)) => n.as_i64().or_else(|| n.as_f64().map(|f| f as i64)).into(),
            ("number", Value::Number(_)) => value.clone(),
            ("boolean", Value::Bool(flag)) => (*flag).into(),
            ("date", Value::String(time)) => age::since(time, now).into(),
            _ => Value::Null,
        }
    }
}
