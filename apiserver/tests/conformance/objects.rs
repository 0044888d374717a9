//! The objects that cases make and look at.

use serde_json::{Value, json};

/// A ConfigMap: the plainest object there is.
pub fn configmap(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "a": "1" } })
}

/// A pod of one container.
pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{ "name": "web", "image": "web" }] },
    })
}

/// A pod that a node has taken, so that its deletion is graceful.
pub fn running_pod(name: &str) -> Value {
    let mut pod = pod(name);
    pod["spec"]["nodeName"] = json!("node-1");
    pod
}

/// A Deployment of one replica.
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

/// The same with labels.
pub fn labelled(mut object: Value, labels: Value) -> Value {
    object["metadata"]["labels"] = labels;
    object
}

/// The same with a finalizer, so that its deletion waits.
pub fn finalized(mut object: Value) -> Value {
    object["metadata"]["finalizers"] = json!(["example.com/wait"]);
    object
}

/// The same, owned by `owner`.
pub fn owned(mut object: Value, owner: &Value) -> Value {
    let reference = reference(owner);
    match object["metadata"]["ownerReferences"].as_array_mut() {
        Some(all) => all.push(reference),
        None => object["metadata"]["ownerReferences"] = json!([reference]),
    }
    object
}

/// What points to an owner.
pub fn reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner.name(), "uid": owner.uid(),
    })
}

/// The fields that are asked for again and again.
pub trait Is {
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
    fn version(&self) -> &str {
        self.meta("resourceVersion")
    }
    /// As a number: newer is greater.
    fn revision(&self) -> u64 {
        self.version().parse().unwrap_or_else(|_| panic!("a version that is a number: {}", self.value()))
    }
    /// None if there is none.
    fn generation(&self) -> Option<u64> {
        self.value()["metadata"]["generation"].as_u64()
    }
    /// The names of a list's items.
    fn names(&self) -> Vec<&str> {
        let items = self.value()["items"].as_array();
        items.unwrap_or_else(|| panic!("a list: {}", self.value())).iter().map(Is::name).collect()
    }
    /// What begins the next page; empty if there is none.
    fn more(&self) -> &str {
        self.meta("continue")
    }
}

impl Is for Value {
    fn value(&self) -> &Value {
        self
    }
}
