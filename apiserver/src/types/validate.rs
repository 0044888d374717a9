//! Whether an object may be stored: all that is wrong with it at once, in the real server's words.
//!
//! Which rules: those that a client meets by mistake or by race. Left out are the rules about features that nothing here
//! acts on (affinity, security contexts, volume types of clouds): such objects are stored as they are.

mod container;
mod meta;
mod pod;
mod rbac;
mod simple;
mod workload;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    catalog::Resource,
    custom, names,
    object::{Meta, items, text},
    status::{Cause, Result, Status},
};

/// Checks an object that is to be stored; with the one that it replaces, what must not change, too.
///
/// # Errors
/// 422, with all causes.
pub fn validate(resource: &Resource, object: &Value, old: Option<&Value>) -> Result<()> {
    let mut wrong = Causes::default();
    meta::validate(resource, object, old, &mut wrong);
    if let Some(definition) = &resource.custom {
        wrong.refuse(resource, object)?;
        return custom::validate(resource, definition, object, old);
    }
    match resource.kind.as_str() {
        "Pod" => pod::validate(object, old, &mut wrong),
        "Deployment" => workload::deployment(object, old, &mut wrong),
        "ReplicaSet" => workload::replica_set(object, old, &mut wrong),
        "Scale" => wrong.at_least("spec.replicas", &object["spec"]["replicas"], 0),
        "Secret" => simple::secret(object, old, &mut wrong),
        "ConfigMap" => simple::config_map(object, old, &mut wrong),
        "CustomResourceDefinition" => wrong.0.extend(custom::check(object, old)),
        "Event" => simple::event(object, &mut wrong),
        "Lease" => simple::lease(object, &mut wrong),
        "PodDisruptionBudget" => simple::budget(object, &mut wrong),
        "Role" => rbac::role(object, true, &mut wrong),
        "ClusterRole" => rbac::role(object, false, &mut wrong),
        "RoleBinding" | "ClusterRoleBinding" => rbac::binding(resource, object, old, &mut wrong),
        _ => {}
    }
    wrong.refuse(resource, object)
}

/// What is wrong so far.
#[derive(Default)]
struct Causes(Vec<Cause>);

impl Causes {
    fn refuse(&self, resource: &Resource, object: &Value) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Status::invalid(&resource.group, &resource.kind, object.name(), &self.0))
    }

    fn add(&mut self, reason: &'static str, field: &str, message: String) {
        self.0.push(Cause { reason, field: field.to_owned(), message });
    }

    fn required(&mut self, field: &str, detail: &str) {
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        self.add("FieldValueRequired", field, format!("Required value{detail}"));
    }

    fn invalid(&mut self, field: &str, value: impl Into<Value>, detail: &str) {
        self.add("FieldValueInvalid", field, format!("Invalid value: {}: {detail}", show(&value.into())));
    }

    /// One cause for each sentence about one text.
    fn texts(&mut self, field: &str, value: &str, sentences: Vec<String>) {
        for sentence in sentences {
            self.invalid(field, value, &sentence);
        }
    }

    fn duplicate(&mut self, field: &str, value: &str) {
        self.add("FieldValueDuplicate", field, format!("Duplicate value: {value:?}"));
    }

    /// A DNS label, and the only one of its list that says so: those before it are in `seen`.
    fn unique_label<'a>(&mut self, field: &str, name: &'a str, seen: &mut BTreeSet<&'a str>) {
        if name.is_empty() {
            return self.required(field, "");
        }
        self.texts(field, name, names::dns_label(name));
        if !seen.insert(name) {
            self.duplicate(field, name);
        }
    }

    fn not_found(&mut self, field: &str, value: &str) {
        self.add("FieldValueNotFound", field, format!("Not found: {value:?}"));
    }

    fn forbidden(&mut self, field: &str, detail: &str) {
        self.add("FieldValueForbidden", field, format!("Forbidden: {detail}"));
    }

    fn too_long(&mut self, field: &str, most: usize) {
        self.add("FieldValueTooLong", field, format!("Too long: may not be more than {most} bytes"));
    }

    /// One of these words.
    fn one_of(&mut self, field: &str, value: impl Into<Value>, supported: &[&str]) {
        let value = value.into();
        if value.as_str().is_some_and(|text| supported.contains(&text)) {
            return;
        }
        let words: Vec<String> = supported.iter().map(|word| format!("{word:?}")).collect();
        let message = format!("Unsupported value: {}: supported values: {}", show(&value), words.join(", "));
        self.add("FieldValueNotSupported", field, message);
    }

    fn at_least(&mut self, field: &str, value: &Value, least: i64) {
        if value.as_i64().is_some_and(|number| number < least) {
            let bound = if least == 1 { "greater than 0".into() } else { format!("greater than or equal to {least}") };
            self.invalid(field, value.clone(), &format!("must be {bound}"));
        }
    }

    /// What is not to change.
    fn immutable(&mut self, field: &str, new: &Value, old: &Value) {
        if new != old {
            self.invalid(field, new.clone(), "field is immutable");
        }
    }
}

/// Texts in quotes, everything else as JSON.
fn show(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("{text:?}"))
}

#[cfg(test)]
mod tests;
