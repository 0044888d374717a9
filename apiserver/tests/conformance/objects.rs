//! Objects that cases create, and accessors for their fields.

use serde_json::{Value, json};

pub fn configmap(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "a": "1" } })
}

pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{ "name": "web", "image": "web" }] },
    })
}

/// A pod on a node, so that its deletion is graceful.
pub fn running_pod(name: &str) -> Value {
    let mut object = pod(name);
    object["spec"]["nodeName"] = json!("node-1");
    object
}

pub fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "web", "image": "web" }] },
            },
        },
    })
}

/// Sets the labels.
pub fn with_labels(mut object: Value, labels: Value) -> Value {
    object["metadata"]["labels"] = labels;
    object
}

/// Adds a finalizer, so that a deletion waits.
pub fn with_finalizer(mut object: Value) -> Value {
    object["metadata"]["finalizers"] = json!(["example.com/wait"]);
    object
}

/// Adds an owner reference.
pub fn with_owner(mut object: Value, owner: &Value) -> Value {
    let reference = owner_reference(owner);
    match object["metadata"]["ownerReferences"].as_array_mut() {
        Some(all) => all.push(reference),
        None => object["metadata"]["ownerReferences"] = json!([reference]),
    }
    object
}

pub fn owner_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner.name(), "uid": owner.uid(),
    })
}

/// Accessors for common fields.
pub trait ObjectExt {
    fn value(&self) -> &Value;

    fn meta(&self, field: &str) -> &str {
        self.value()["metadata"][field].as_str().unwrap_or_default()
    }
    fn name(&self) -> &str {
        self.meta("name")
    }
    fn uid(&self) -> &str {
        self.meta("uid")
    }
    fn resource_version(&self) -> &str {
        self.meta("resourceVersion")
    }
    /// The resourceVersion as a number: a newer one is greater.
    fn revision(&self) -> u64 {
        self.resource_version().parse().unwrap_or_else(|_| panic!("resourceVersion is not a number: {}", self.value()))
    }
    fn generation(&self) -> Option<u64> {
        self.value()["metadata"]["generation"].as_u64()
    }
    /// The names of a list's items.
    fn names(&self) -> Vec<&str> {
        let items = self.value()["items"].as_array();
        items.unwrap_or_else(|| panic!("not a list: {}", self.value())).iter().map(ObjectExt::name).collect()
    }
    /// Empty on the last page.
    fn continue_token(&self) -> &str {
        self.meta("continue")
    }
}

impl ObjectExt for Value {
    fn value(&self) -> &Value {
        self
    }
}
