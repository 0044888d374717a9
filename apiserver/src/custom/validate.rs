//! Validates a custom resource against its schema.
//!
//! Promises:
//! * each error has the real server's field and message, to the letter. Fields of an object are checked in alphabetical
//!   order (the real server's order is random);
//! * an update does not validate unchanged fields, so an object stays writable after its schema became stricter.
//!
//! `x-kubernetes-validations` are not evaluated (a difference that the README lists).

use std::collections::HashSet;

use serde_json::{Value, json};

use super::path::{child, index};
use crate::{
    schema::{JsonType, ListType, Rules, Schema},
    status::Cause,
};

/// At most this many errors are reported.
const MAX_CAUSES: usize = 100;

/// The validation errors of a value; `path` is its field path.
pub fn validate(schema: &Schema, value: &Value, old: Option<&Value>, path: &str) -> Vec<Cause> {
    let mut validator = Validator { path: path.to_owned(), causes: Vec::new() };
    validator.check_value(schema, value, old);
    validator.check_lists(schema, value);
    validator.causes.truncate(MAX_CAUSES);
    validator.causes
}

struct Validator {
    /// The current field: `spec.ports[0]`.
    path: String,
    causes: Vec<Cause>,
}

impl Validator {
    fn check_value(&mut self, schema: &Schema, value: &Value, old: Option<&Value>) {
        if old == Some(value) || self.causes.len() >= MAX_CAUSES || value.is_null() && schema.nullable {
            return;
        }
        if !self.check_type(schema, value) {
            return;
        }
        if schema.embedded && value.is_object() {
            self.check_embedded(value);
        }
        self.check_combinations(&schema.rules, value);
        match value {
            Value::String(text) => self.check_string(&schema.rules, text),
            Value::Number(_) => self.check_number(schema, value),
            Value::Array(items) => self.check_items(schema, items),
            _ => {}
        }
        self.check_enum(&schema.rules, value);
        if let Value::Object(fields) = value {
            self.check_fields(schema, fields, old);
        }
    }

    /// Returns false for a wrong type: no other rule applies then.
    fn check_type(&mut self, schema: &Schema, value: &Value) -> bool {
        let found = type_name(value);
        let (wanted, fits) = match schema.json_type {
            _ if schema.int_or_string => ("integer,string", matches!(found, "integer" | "string")),
            Some(kind) => (kind.name(), found == kind.name() || kind == JsonType::Number && found == "integer"),
            None => return true,
        };
        if !fits {
            let message =
                format!("Invalid value: {found:?}: {} in body must be of type {wanted}: {found:?}", self.path);
            self.add("FieldValueTypeInvalid", "", message);
            if schema.json_type == Some(JsonType::Integer) && found == "number" {
                self.add_unnamed(format!("Checked value must be of type integer (default format) in {}", self.path));
            }
        }
        fits
    }

    fn check_string(&mut self, rules: &Rules, text: &str) {
        let length = text.chars().count() as u64;
        if let Some(max) = rules.max_length.filter(|max| length > *max) {
            self.add("FieldValueTooLong", "", format!("Too long: may not be more than {max} bytes"));
        } else if let Some(min) = rules.min_length.filter(|min| length < *min) {
            self.invalid(&json!(text), format!("should be at least {min} chars long"));
        } else if let Some(pattern) = rules.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            self.invalid(&json!(text), format!("should match '{pattern}'"));
        }
    }

    fn check_number(&mut self, schema: &Schema, value: &Value) {
        let (rules, Some(number)) = (&schema.rules, value.as_f64()) else { return };
        if let Some(factor) = rules.multiple_of.filter(|factor| *factor > 0.0 && (number / factor).fract() != 0.0) {
            self.invalid(value, format!("should be a multiple of {factor}"));
        }
        if let Some(bound) = &rules.maximum {
            if bound.exclusive && number >= bound.value {
                self.invalid(value, format!("should be less than {}", bound.value));
            } else if number > bound.value {
                self.invalid(value, format!("should be less than or equal to {}", bound.value));
            }
        }
        if let Some(bound) = &rules.minimum {
            if bound.exclusive && number <= bound.value {
                self.invalid(value, format!("should be greater than {}", bound.value));
            } else if number < bound.value {
                self.invalid(value, format!("should be greater than or equal to {}", bound.value));
            }
        }
        if schema.json_type == Some(JsonType::Integer) {
            let range = match rules.format.as_deref() {
                Some("int32") => i32::MIN.into()..=i32::MAX.into(),
                _ => i64::MIN..=i64::MAX,
            };
            if !value.as_i64().is_some_and(|int| range.contains(&int)) {
                let format = rules.format.as_deref().unwrap_or("int64");
                self.add_unnamed(format!(
                    "Checked value must be of type integer with format {format} in {}",
                    self.path
                ));
            }
        }
    }

    fn check_items(&mut self, schema: &Schema, items: &[Value]) {
        if let Some(item) = &schema.items {
            for (i, value) in items.iter().enumerate() {
                self.descend(|path| index(path, &i), |this| this.check_value(item, value, None));
            }
        }
        self.check_count(items.len(), schema.rules.min_items, schema.rules.max_items, "items");
    }

    fn check_fields(&mut self, schema: &Schema, fields: &serde_json::Map<String, Value>, old: Option<&Value>) {
        self.check_count(fields.len(), schema.rules.min_properties, schema.rules.max_properties, "properties");
        for (name, value) in fields {
            if let Some(property) = schema.properties.get(name).or(schema.additional.as_deref()) {
                let old = old.and_then(|old| old.get(name));
                self.descend(|path| child(path, name), |this| this.check_value(property, value, old));
            }
        }
        for name in schema.rules.required.iter().filter(|name| !fields.contains_key(*name)) {
            self.add("FieldValueRequired", name, "Required value".into());
        }
    }

    fn check_count(&mut self, count: usize, min: Option<u64>, max: Option<u64>, of: &str) {
        let length = count as u64;
        if let Some(min) = min.filter(|min| length < *min) {
            self.invalid(&json!(count), format!("should have at least {min} {of}"));
        }
        if let Some(max) = max.filter(|max| length > *max) {
            let items = if max == 1 { "item" } else { "items" };
            self.add("FieldValueTooMany", "", format!("Too many: {count}: must have at most {max} {items}"));
        }
    }

    fn check_enum(&mut self, rules: &Rules, value: &Value) {
        if rules.allowed.is_empty() || rules.allowed.contains(value) {
            return;
        }
        let quoted = |value: &Value| match value {
            Value::String(_) => value.to_string(),
            other => json!(other.to_string()).to_string(),
        };
        let supported = rules.allowed.iter().map(quoted).collect::<Vec<_>>().join(", ");
        self.add("FieldValueNotSupported", "", format!("Unsupported value: {value}: supported values: {supported}"));
    }

    /// anyOf, oneOf, allOf, not. If no alternative is valid, the errors of the first one are reported.
    fn check_combinations(&mut self, rules: &Rules, value: &Value) {
        let path = self.path.clone();
        let all = |schemas: &[Schema]| -> Vec<Vec<Cause>> {
            schemas.iter().map(|schema| validate(schema, value, None, &path)).collect()
        };
        let count_valid = |results: &[Vec<Cause>]| results.iter().filter(|causes| causes.is_empty()).count();
        if !rules.any_of.is_empty() {
            let results = all(&rules.any_of);
            if count_valid(&results) == 0 {
                self.add_unnamed(format!("{path:?} must validate at least one schema (anyOf)"));
                self.causes.extend(results.into_iter().next().unwrap_or_default());
            }
        }
        if !rules.one_of.is_empty() {
            let results = all(&rules.one_of);
            let what = format!("{path:?} must validate one and only one schema (oneOf)");
            match count_valid(&results) {
                1 => {}
                0 => {
                    self.add_unnamed(format!("{what}. Found none valid"));
                    self.causes.extend(results.into_iter().next().unwrap_or_default());
                }
                more => self.add_unnamed(format!("{what}. Found {more} valid alternatives")),
            }
        }
        if !rules.all_of.is_empty() {
            let results = all(&rules.all_of);
            let valid = count_valid(&results);
            if valid < results.len() {
                self.causes.extend(results.into_iter().flatten());
                let none = if valid == 0 { ". None validated" } else { "" };
                self.add_unnamed(format!("{path:?} must validate all the schemas (allOf){none}"));
            }
        }
        if rules.not.as_ref().is_some_and(|not| validate(not, value, None, &path).is_empty()) {
            self.add_unnamed(format!("{path:?} must not validate the schema (not)"));
        }
    }

    /// An embedded object must have `apiVersion` and `kind`.
    fn check_embedded(&mut self, value: &Value) {
        for name in ["apiVersion", "kind"] {
            match &value[name] {
                Value::Null => self.add("FieldValueRequired", name, "Required value".into()),
                Value::String(text) if text.is_empty() => {
                    self.add("FieldValueInvalid", name, "Invalid value: \"\": must not be empty".into());
                }
                _ => {}
            }
        }
    }

    /// Checks that elements of sets and keys of maps are unique. As in the real server, all other rules come first.
    fn check_lists(&mut self, schema: &Schema, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if let Some(property) = schema.properties.get(name) {
                        self.descend(|path| child(path, name), |this| this.check_lists(property, value));
                    } else if let Some(additional) = &schema.additional {
                        self.descend(|path| index(path, &name), |this| this.check_lists(additional, value));
                    }
                }
            }
            Value::Array(items) => {
                self.check_unique(&schema.list, items);
                if let Some(schema) = &schema.items {
                    for (i, value) in items.iter().enumerate() {
                        self.descend(|path| index(path, &i), |this| this.check_lists(schema, value));
                    }
                }
            }
            _ => {}
        }
    }

    fn check_unique(&mut self, list: &ListType, items: &[Value]) {
        let key = |item: &Value| match list {
            ListType::Map(keys) => {
                let present = keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
                Value::Object(present.collect()).to_string()
            }
            _ => item.to_string(),
        };
        if *list == ListType::Atomic {
            return;
        }
        let mut seen = HashSet::new();
        for (i, key) in items.iter().map(key).enumerate() {
            if self.causes.len() < MAX_CAUSES && seen.contains(&key) {
                let message = format!("Duplicate value: {key}");
                self.descend(|path| index(path, &i), |this| this.add("FieldValueDuplicate", "", message));
            }
            seen.insert(key);
        }
    }

    fn invalid(&mut self, value: &Value, what: String) {
        let message = format!("Invalid value: {value}: {} in body {what}", self.path);
        self.add("FieldValueInvalid", "", message);
    }

    /// An error that the real server's schema library reports without a field.
    fn add_unnamed(&mut self, what: String) {
        let message = format!("Invalid value: \"\": {what}");
        self.causes.push(Cause { reason: "FieldValueInvalid", field: "<nil>".into(), message });
    }

    /// Adds an error for the current value, or for one of its fields.
    fn add(&mut self, reason: &'static str, name: &str, message: String) {
        let mut field = self.path.clone();
        if !name.is_empty() {
            child(&mut field, name);
        }
        self.causes.push(Cause { reason, field, message });
    }

    /// Runs `work` with the path one step deeper.
    fn descend(&mut self, step: impl FnOnce(&mut String), work: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        step(&mut self.path);
        work(self);
        self.path.truncate(length);
    }
}

/// The type in messages. A number without a fraction is an integer.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.as_f64().is_some_and(|float| float.fract() != 0.0) => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
