//! Prunes unknown fields of a custom resource, and sets its defaults.
//!
//! Promises:
//! * a field that the schema does not specify is dropped and reported;
//! * an absent field gets its default, including nested defaults;
//! * null counts as absent if the field is not nullable.
//!
//! The real server does this at every read, too. This one does it only at writes: a new default reaches a stored object at
//! its next write (a difference that the README lists).

use serde_json::{Map, Value};

use super::path::{child, index};
use crate::{object::normalize, schema::Schema};

/// At most this many unknown fields are reported; all are dropped.
const MAX_REPORTED: usize = 100;

/// Fields of every complete object; a schema need not specify them.
const OBJECT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// The fields of ObjectMeta.
const METADATA_FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Prunes and defaults a complete object; returns the paths of its unknown fields, sorted.
pub fn prune_and_default(schema: &Schema, object: &mut Value) -> Vec<String> {
    let mut pruner = Pruner { path: String::new(), unknown: Vec::new() };
    if let Value::Object(fields) = object {
        pruner.prune_fields(fields, Some(schema), true);
    }
    pruner.unknown.sort();
    pruner.unknown
}

struct Pruner {
    /// The current field: `spec.ports[0]`.
    path: String,
    unknown: Vec<String>,
}

impl Pruner {
    /// Without a schema, every field is unknown.
    fn prune_value(&mut self, value: &mut Value, schema: Option<&Schema>) {
        match value {
            Value::Object(fields) => self.prune_fields(fields, schema, schema.is_some_and(|s| s.embedded)),
            Value::Array(items) => {
                let item_schema = schema.and_then(|s| s.items.as_deref());
                if item_schema.is_none() && schema.is_some_and(|s| s.preserve_unknown) {
                    return;
                }
                for (i, item) in items.iter_mut().enumerate() {
                    if let (Value::Null, Some(default)) = (&item, item_schema.and_then(default_of_null)) {
                        *item = default;
                    }
                    self.descend(|path| index(path, &i), |this| this.prune_value(item, item_schema));
                }
            }
            Value::Number(number) => normalize(number),
            _ => {}
        }
    }

    fn prune_fields(&mut self, fields: &mut Map<String, Value>, schema: Option<&Schema>, whole_object: bool) {
        let preserve = schema.is_some_and(|s| s.preserve_unknown);
        let known = |name: &str| schema.and_then(|s| s.properties.get(name).or(s.additional.as_deref()));
        let root = self.path.is_empty();
        fields.retain(|name, value| match known(name) {
            Some(schema) => !(value.is_null() && !schema.nullable && schema.default.is_none()),
            None if whole_object && OBJECT_FIELDS.contains(&&**name) => true,
            None if preserve => true,
            None => {
                self.report_unknown(name);
                false
            }
        });
        if let Some(schema) = schema {
            for (name, property) in &schema.properties {
                if let Some(default) = &property.default
                    && fields.get(name).is_none_or(|value| value.is_null() && !property.nullable)
                {
                    fields.insert(name.clone(), default.clone());
                }
            }
        }
        for (name, value) in fields.iter_mut() {
            if whole_object && OBJECT_FIELDS.contains(&&**name) {
                if name == "metadata" && (!root || value.is_object()) {
                    self.descend(|path| child(path, name), |this| this.prune_metadata(value));
                }
                continue;
            }
            let Some(schema) = known(name) else { continue };
            if let (Value::Null, Some(default)) = (&value, default_of_null(schema)) {
                *value = default;
            }
            self.descend(|path| child(path, name), |this| this.prune_value(value, Some(schema)));
        }
    }

    fn prune_metadata(&mut self, metadata: &mut Value) {
        if let Value::Object(fields) = metadata {
            fields.retain(|name, _| {
                let known = METADATA_FIELDS.contains(&&**name);
                if !known {
                    self.report_unknown(name);
                }
                known
            });
        }
    }

    fn report_unknown(&mut self, name: &str) {
        if self.unknown.len() < MAX_REPORTED {
            let mut path = self.path.clone();
            child(&mut path, name);
            self.unknown.push(path);
        }
    }

    /// Runs `work` with the path one step deeper.
    fn descend(&mut self, step: impl FnOnce(&mut String), work: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        step(&mut self.path);
        work(self);
        self.path.truncate(length);
    }
}

/// The default of a field that is null but not nullable.
fn default_of_null(schema: &Schema) -> Option<Value> {
    if schema.nullable { None } else { schema.default.clone() }
}
