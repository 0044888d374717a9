//! Tables for `kubectl get`. The server computes columns and cells, so that every client prints the same.
//!
//! Promises:
//! * the columns are the real server's, including the wide ones (priority above 0), which kubectl hides by default;
//! * a custom resource has the columns of its definition, or AGE if it defines none;
//! * an object with missing or malformed fields is printed, too.
//!
//! The descriptions of columns are left out.

mod age;
mod built_in;
mod pods;
mod printer;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::resource::Resource;

/// `columnDefinitions`.
pub fn columns(resource: &Resource) -> Value {
    let definition = |name: &str, kind: &str, priority: i64| {
        let format = if name == "Name" { "name" } else { "" };
        json!({ "name": name, "type": kind, "format": format, "description": "", "priority": priority })
    };
    match &resource.custom {
        None => built_in::columns(resource).iter().map(|c| definition(c.name, c.column_type, c.priority)).collect(),
        Some(custom) => {
            let first = definition("Name", "string", 0);
            std::iter::once(first).chain(custom.columns.iter().map(|column| column.definition.clone())).collect()
        }
    }
}

/// `cells`.
pub fn cells(resource: &Resource, object: &Value, now: Timestamp) -> Value {
    match &resource.custom {
        None => built_in::columns(resource).iter().map(|column| (column.cell)(object, now)).collect(),
        Some(custom) => {
            let name = object["metadata"]["name"].clone();
            std::iter::once(name)
                .chain(custom.columns.iter().map(|column| printer::cell(column, object, now)))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests;
