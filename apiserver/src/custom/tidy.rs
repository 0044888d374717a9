//! From what was sent to what is stored: unknown fields go (pruning), defaults come (defaulting).
//!
//! Promises:
//! * what the schema does not know is dropped, and named;
//! * a field that is absent gets its default, and the defaults in that default;
//! * null, where it is not allowed, counts as absent.
//!
//! The real server does this at every read, too. Here it is done at every write only: a new default reaches a stored
//! object when it is written next (a listed difference).

use serde_json::{Map, Value};

use super::path::{child, index};
use crate::{object::normalize, schema::Schema};

/// So many unknown fields are named; the rest is dropped without a word.
const NAMED: usize = 100;

/// What every whole object has.
const EVERYWHERE: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// What metadata has.
const METADATA: [&str; 15] = [
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

/// Tidies a whole object and returns the paths of the unknown fields, sorted.
pub fn tidy(schema: &Schema, object: &mut Value) -> Vec<String> {
    let mut tidying = Tidying { path: String::new(), unknown: Vec::new() };
    if let Value::Object(fields) = object {
        tidying.fields(fields, Some(schema), true);
    }
    tidying.unknown.sort();
    tidying.unknown
}

struct Tidying {
    /// Where it is: `spec.ports[0]`.
    path: String,
    unknown: Vec<String>,
}

impl Tidying {
    /// No schema: nothing in there is known.
    fn value(&mut self, value: &mut Value, schema: Option<&Schema>) {
        match value {
            Value::Object(fields) => self.fields(fields, schema, schema.is_some_and(|s| s.embedded)),
            Value::Array(items) => {
                let item_schema = schema.and_then(|s| s.items.as_deref());
                if item_schema.is_none() && schema.is_some_and(|s| s.preserve_unknown) {
                    return;
                }
                for (i, item) in items.iter_mut().enumerate() {
                    if let (Value::Null, Some(default)) = (&item, item_schema.and_then(default_of_null)) {
                        *item = default;
                    }
                    self.at(|path| index(path, &i), |this| this.value(item, item_schema));
                }
            }
            Value::Number(number) => normalize(number),
            _ => {}
        }
    }

    fn fields(&mut self, fields: &mut Map<String, Value>, schema: Option<&Schema>, whole_object: bool) {
        let preserve = schema.is_some_and(|s| s.preserve_unknown);
        let known = |name: &str| schema.and_then(|s| s.properties.get(name).or(s.additional.as_deref()));
        let root = self.path.is_empty();
        fields.retain(|name, value| match known(name) {
            Some(schema) => !(value.is_null() && !schema.nullable && schema.default.is_none()),
            None if whole_object && EVERYWHERE.contains(&&**name) => true,
            None if preserve => true,
            None => {
                self.report(name);
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
            if whole_object && EVERYWHERE.contains(&&**name) {
                if name == "metadata" && (!root || value.is_object()) {
                    self.at(|path| child(path, name), |this| this.metadata(value));
                }
                continue;
            }
            let Some(schema) = known(name) else { continue };
            if let (Value::Null, Some(default)) = (&value, default_of_null(schema)) {
                *value = default;
            }
            self.at(|path| child(path, name), |this| this.value(value, Some(schema)));
        }
    }

    fn metadata(&mut self, metadata: &mut Value) {
        if let Value::Object(fields) = metadata {
            fields.retain(|name, _| {
                let known = METADATA.contains(&&**name);
                if !known {
                    self.report(name);
                }
                known
            });
        }
    }

    fn report(&mut self, name: &str) {
        if self.unknown.len() < NAMED {
            let mut path = self.path.clone();
            child(&mut path, name);
            self.unknown.push(path);
        }
    }

    /// Does something one step further down.
    fn at(&mut self, step: impl FnOnce(&mut String), work: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        step(&mut self.path);
        work(self);
        self.path.truncate(length);
    }
}

/// What stands in for a null that is not allowed.
fn default_of_null(schema: &Schema) -> Option<Value> {
    if schema.nullable { None } else { schema.default.clone() }
}
