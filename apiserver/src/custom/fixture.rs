//! A definition, and objects of it.

use serde_json::{Value, json};

use super::{Definition, decode, schema::Schema, validate};
use crate::types::FieldValidation;

/// Every feature of a schema once.
const SCHEMA: &str = include_str!("test_schema.json");

pub fn definition() -> Definition {
    let openapi: Value = serde_json::from_str(SCHEMA).unwrap();
    Definition { schema: Schema::parse(&openapi), columns: Vec::new(), openapi, selectable: Vec::new() }
}

pub fn thing(body: &str) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap();
    body["apiVersion"] = "ex.io/v1".into();
    body["kind"] = "Thing".into();
    if body["metadata"].is_null() {
        body["metadata"] = json!({});
    }
    body
}

/// What is wrong with it, each cause a line.
pub fn wrong(body: &str) -> Vec<String> {
    let definition = definition();
    let decoded = decode(&definition, thing(body), FieldValidation::Warn).unwrap();
    let causes = validate::validate(&definition.schema, &decoded.value, None, "");
    let mut lines: Vec<String> = causes.into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
    lines.sort();
    lines
}
