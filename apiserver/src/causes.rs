//! What is wrong with an object or a request, field by field, in the real server's words.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    names,
    status::{Cause, Result, Status},
};

/// Everything that is wrong so far.
#[derive(Default)]
pub struct Causes(pub Vec<Cause>);

impl Causes {
    /// # Errors
    /// 422, with all causes.
    pub fn refuse(&self, group: &str, kind: &str, name: &str) -> Result<()> {
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

    /// One cause for each sentence about one text.
    pub fn texts(&mut self, field: &str, value: &str, sentences: Vec<String>) {
        for sentence in sentences {
            self.invalid(field, value, &sentence);
        }
    }

    /// A DNS label that is unique in its list: those before it are in `seen`.
    pub fn unique_label<'a>(&mut self, field: &str, name: &'a str, seen: &mut BTreeSet<&'a str>) {
        if name.is_empty() {
            return self.required(field, "");
        }
        self.texts(field, name, names::dns_label(name));
        if !seen.insert(name) {
            self.add("FieldValueDuplicate", field, format!("Duplicate value: {name:?}"));
        }
    }

    pub fn forbidden(&mut self, field: &str, detail: &str) {
        self.add("FieldValueForbidden", field, format!("Forbidden: {detail}"));
    }

    pub fn too_long(&mut self, field: &str, most: usize) {
        self.add("FieldValueTooLong", field, format!("Too long: may not be more than {most} bytes"));
    }

    /// One of these words.
    pub fn one_of(&mut self, field: &str, value: impl Into<Value>, supported: &[&str]) {
        let value = value.into();
        if value.as_str().is_some_and(|text| supported.contains(&text)) {
            return;
        }
        let words: Vec<String> = supported.iter().map(|word| format!("{word:?}")).collect();
        let message = format!("Unsupported value: {}: supported values: {}", show(&value), words.join(", "));
        self.add("FieldValueNotSupported", field, message);
    }

    pub fn at_least(&mut self, field: &str, value: &Value, least: i64) {
        if value.as_i64().is_some_and(|number| number < least) {
            let bound = if least == 1 { "greater than 0".into() } else { format!("greater than or equal to {least}") };
            self.invalid(field, value.clone(), &format!("must be {bound}"));
        }
    }

    /// A field that must not change. No `old`: the object is new.
    pub fn immutable(&mut self, field: &str, new: &Value, old: Option<&Value>) {
        if old.is_some_and(|old| old != new) {
            self.invalid(field, new.clone(), "field is immutable");
        }
    }
}

/// Texts in quotes, everything else as JSON.
fn show(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("{text:?}"))
}
