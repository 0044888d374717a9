//! Whether a custom resource is what its schema says, in the real server's words.
//!
//! Promises:
//! * every cause names the field and what is wrong with it, as the real server does, to the letter; the order within an
//!   object is that of the names (the real one's is random);
//! * what an update leaves as it was is not looked at: an object stays writable after its schema became stricter.
//!
//! Not evaluated: `x-kubernetes-validations` (a listed difference).

use std::collections::HashSet;

use serde_json::{Value, json};

use super::path::{child, index};
use crate::{
    schema::{JsonType, ListType, Rules, Schema},
    status::Cause,
};

/// So many causes are listed.
const MOST: usize = 100;

/// Everything that is wrong with a value. `path` is where it is, for the messages.
pub fn validate(schema: &Schema, value: &Value, old: Option<&Value>, path: &str) -> Vec<Cause> {
    let mut check = Check { path: path.to_owned(), causes: Vec::new() };
    check.value(schema, value, old);
    check.lists(schema, value);
    check.causes.truncate(MOST);
    check.causes
}

struct Check {
    /// Where it is: `spec.ports[0]`.
    path: String,
    causes: Vec<Cause>,
}

impl Check {
    fn value(&mut self, schema: &Schema, value: &Value, old: Option<&Value>) {
        if old == Some(value) || self.causes.len() >= MOST || value.is_null() && schema.nullable {
            return;
        }
        if !self.kind(schema, value) {
            return;
        }
        match value {
            Value::Object(_) if schema.embedded => self.embedded(value),
            _ => {}
        }
        self.combinations(&schema.rules, value);
        match value {
            Value::String(text) => self.text(&schema.rules, text),
            Value::Number(_) => self.number(schema, value),
            Value::Array(items) => self.items(schema, items),
            _ => {}
        }
        self.allowed(&schema.rules, value);
        if let Value::Object(fields) = value {
            self.fields(schema, fields, old);
        }
    }

    /// Whether it is of the right type; if not, nothing else is worth saying.
    fn kind(&mut self, schema: &Schema, value: &Value) -> bool {
        let found = kind_name(value);
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
                self.of_no_field(format!("Checked value must be of type integer (default format) in {}", self.path));
            }
        }
        fits
    }

    fn text(&mut self, rules: &Rules, text: &str) {
        let length = text.chars().count() as u64;
        if let Some(most) = rules.max_length.filter(|most| length > *most) {
            self.add("FieldValueTooLong", "", format!("Too long: may not be more than {most} bytes"));
        } else if let Some(least) = rules.min_length.filter(|least| length < *least) {
            self.invalid(&json!(text), format!("should be at least {least} chars long"));
        } else if let Some(pattern) = rules.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            self.invalid(&json!(text), format!("should match '{pattern}'"));
        }
    }

    fn number(&mut self, schema: &Schema, value: &Value) {
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
                self.of_no_field(format!(
                    "Checked value must be of type integer with format {format} in {}",
                    self.path
                ));
            }
        }
    }

    fn items(&mut self, schema: &Schema, items: &[Value]) {
        if let Some(item) = &schema.items {
            for (i, value) in items.iter().enumerate() {
                self.at(|path| index(path, &i), |this| this.value(item, value, None));
            }
        }
        self.count(items.len(), schema.rules.min_items, schema.rules.max_items, "items");
    }

    fn fields(&mut self, schema: &Schema, fields: &serde_json::Map<String, Value>, old: Option<&Value>) {
        self.count(fields.len(), schema.rules.min_properties, schema.rules.max_properties, "properties");
        for (name, value) in fields {
            if let Some(property) = schema.properties.get(name).or(schema.additional.as_deref()) {
                let old = old.and_then(|old| old.get(name));
                self.at(|path| child(path, name), |this| this.value(property, value, old));
            }
        }
        for name in schema.rules.required.iter().filter(|name| !fields.contains_key(*name)) {
            self.add("FieldValueRequired", name, "Required value".into());
        }
    }

    fn count(&mut self, count: usize, least: Option<u64>, most: Option<u64>, of: &str) {
        let length = count as u64;
        if let Some(least) = least.filter(|least| length < *least) {
            self.invalid(&json!(count), format!("should have at least {least} {of}"));
        }
        if let Some(most) = most.filter(|most| length > *most) {
            let items = if most == 1 { "item" } else { "items" };
            self.add("FieldValueTooMany", "", format!("Too many: {count}: must have at most {most} {items}"));
        }
    }

    fn allowed(&mut self, rules: &Rules, value: &Value) {
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

    /// oneOf, anyOf, allOf, not. Of the alternatives that do not hold, the first says why.
    fn combinations(&mut self, rules: &Rules, value: &Value) {
        let path = self.path.clone();
        let all = |schemas: &[Schema]| -> Vec<Vec<Cause>> {
            schemas.iter().map(|schema| validate(schema, value, None, &path)).collect()
        };
        let holding = |results: &[Vec<Cause>]| results.iter().filter(|causes| causes.is_empty()).count();
        if !rules.any_of.is_empty() {
            let results = all(&rules.any_of);
            if holding(&results) == 0 {
                self.of_no_field(format!("{path:?} must validate at least one schema (anyOf)"));
                self.causes.extend(results.into_iter().next().unwrap_or_default());
            }
        }
        if !rules.one_of.is_empty() {
            let results = all(&rules.one_of);
            let what = format!("{path:?} must validate one and only one schema (oneOf)");
            match holding(&results) {
                1 => {}
                0 => {
                    self.of_no_field(format!("{what}. Found none valid"));
                    self.causes.extend(results.into_iter().next().unwrap_or_default());
                }
                more => self.of_no_field(format!("{what}. Found {more} valid alternatives")),
            }
        }
        if !rules.all_of.is_empty() {
            let results = all(&rules.all_of);
            let holding = holding(&results);
            if holding < results.len() {
                self.causes.extend(results.into_iter().flatten());
                let none = if holding == 0 { ". None validated" } else { "" };
                self.of_no_field(format!("{path:?} must validate all the schemas (allOf){none}"));
            }
        }
        if rules.not.as_ref().is_some_and(|not| validate(not, value, None, &path).is_empty()) {
            self.of_no_field(format!("{path:?} must not validate the schema (not)"));
        }
    }

    /// A whole object within another says what it is.
    fn embedded(&mut self, value: &Value) {
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

    /// Sets and maps have each element, or each key, once. Looked at after everything else, as the real server does.
    fn lists(&mut self, schema: &Schema, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if let Some(property) = schema.properties.get(name) {
                        self.at(|path| child(path, name), |this| this.lists(property, value));
                    } else if let Some(additional) = &schema.additional {
                        self.at(|path| index(path, &name), |this| this.lists(additional, value));
                    }
                }
            }
            Value::Array(items) => {
                self.unique(&schema.list, items);
                if let Some(schema) = &schema.items {
                    for (i, value) in items.iter().enumerate() {
                        self.at(|path| index(path, &i), |this| this.lists(schema, value));
                    }
                }
            }
            _ => {}
        }
    }

    fn unique(&mut self, list: &ListType, items: &[Value]) {
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
            if self.causes.len() < MOST && seen.contains(&key) {
                let message = format!("Duplicate value: {key}");
                self.at(|path| index(path, &i), |this| this.add("FieldValueDuplicate", "", message));
            }
            seen.insert(key);
        }
    }

    fn invalid(&mut self, value: &Value, what: String) {
        let message = format!("Invalid value: {value}: {} in body {what}", self.path);
        self.add("FieldValueInvalid", "", message);
    }

    /// The real server's way to speak of what its library does not tie to a field.
    fn of_no_field(&mut self, what: String) {
        let message = format!("Invalid value: \"\": {what}");
        self.causes.push(Cause { reason: "FieldValueInvalid", field: "<nil>".into(), message });
    }

    /// About this value, or a field of it.
    fn add(&mut self, reason: &'static str, name: &str, message: String) {
        let mut field = self.path.clone();
        if !name.is_empty() {
            child(&mut field, name);
        }
        self.causes.push(Cause { reason, field, message });
    }

    /// Does something one step further down.
    fn at(&mut self, step: impl FnOnce(&mut String), work: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        step(&mut self.path);
        work(self);
        self.path.truncate(length);
    }
}

/// The type as messages call it. A number without a fraction is an integer.
fn kind_name(value: &Value) -> &'static str {
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
