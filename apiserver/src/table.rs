//! Tables: what `kubectl get` prints. The server decides on columns and cells, so that every client shows the same.
//!
//! Promises:
//! * the columns are those of the real server, wide ones (priority above 0) included; the cells always hold them all,
//!   kubectl leaves out what was not asked for;
//! * a custom resource has the columns of its definition, and AGE if it defines none;
//! * an object that lacks a field, or has something else in its place, is printed all the same.
//!
//! Left out: the columns' descriptions, which nothing shows.

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
        None => built_in::of(resource).iter().map(|c| definition(c.name, c.kind, c.priority)).collect(),
        Some(custom) => {
            let first = definition("Name", "string", 0);
            std::iter::once(first).chain(custom.columns.iter().map(|column| column.definition.clone())).collect()
        }
    }
}

/// `cells`.
pub fn cells(resource: &Resource, object: &Value, now: Timestamp) -> Value {
    match &resource.custom {
        None => built_in::of(resource).iter().map(|column| (column.cell)(object, now)).collect(),
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
