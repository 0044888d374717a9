//! Validation errors by field (apimachinery's `field.ErrorList`), with the real server's messages.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    names,
    status::{Cause, Result, Status},
};

/// The errors found so far.
#[derive(Default)]
pub struct Causes(pub Vec<Cause>);

impl Causes {
    /// # Errors
    /// 422 with all causes, if there are any.
    pub fn into_result(self, group: &str, kind: &str, name: &str) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Status::invalid(group, kind, name, &self.0)) }
    }

    pub fn add(&mut self, reason: &'static str, field: &str, message: String) {
        self.0.push(Cause { reason, field: field.to_owned(), message });
    }

    pub fn required(&mut self, field: &str, detail: &str) {
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        self.add("FieldValueRequired", field, format!("Required value{detail}"));
    }

    pub fn invalid(&mut self, field: &str, value: impl Into<Value>, detail: &str) {
        self.add("FieldValueInvalid", field, format!("Invalid value: {}: {detail}", show(&value.into())));
    }

    /// One cause for each message about the same value.
    pub fn invalid_all(&mut self, field: &str, value: &str, messages: Vec<String>) {
        for message in messages {
            self.invalid(field, value, &message);
        }
    }

    /// Checks a DNS label that must be unique in its list; `seen` has the labels before it.
    pub fn unique_label<'a>(&mut self, field: &str, name: &'a str, seen: &mut BTreeSet<&'a str>) {
        if name.is_empty() {
            return self.required(field, "");
        }
        self.invalid_all(field, name, names::dns_label(name));
        if !seen.insert(name) {
            self.add("FieldValueDuplicate", field, format!("Duplicate value: {name:?}"));
        }
    }

    pub fn forbidden(&mut self, field: &str, detail: &str) {
        self.add("FieldValueForbidden", field, format!("Forbidden: {detail}"));
    }

    pub fn too_long(&mut self, field: &str, max: usize) {
        self.add("FieldValueTooLong", field, format!("Too long: may not be more than {max} bytes"));
    }

    /// Checks that a value is one of the supported ones.
    pub fn one_of(&mut self, field: &str, value: impl Into<Value>, supported: &[&str]) {
        let value = value.into();
        if value.as_str().is_some_and(|text| supported.contains(&text)) {
            return;
        }
        let quoted: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        let message = format!("Unsupported value: {}: supported values: {}", show(&value), quoted.join(", "));
        self.add("FieldValueNotSupported", field, message);
    }

    pub fn at_least(&mut self, field: &str, value: &Value, min: i64) {
        if value.as_i64().is_some_and(|number| number < min) {
            let bound = if min == 1 { "greater than 0".into() } else { format!("greater than or equal to {min}") };
            self.invalid(field, value.clone(), &format!("must be {bound}"));
        }
    }

    /// Checks that a field did not change. Pass no `old` for a new object.
    pub fn immutable(&mut self, field: &str, new: &Value, old: Option<&Value>) {
        if old.is_some_and(|old| old != new) {
            self.invalid(field, new.clone(), "field is immutable");
        }
    }
}

/// Strings in quotes, everything else as JSON.
fn show(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("{text:?}"))
}
