//! The scale subresource: `deployments/NAME/scale` and `replicasets/NAME/scale`.
//!
//! A Scale is a view of an object with replicas. It is the same for all kinds, so `kubectl scale` and autoscalers need no
//! code per kind. It is never stored.
//!
//! Promises:
//! * a write updates only `spec.replicas` of the object, and checks the object's resourceVersion;
//! * a client with the right to write the Scale needs no right to write the object.

use serde_json::{Map, Value, json};

use crate::{
    catalog::SCALE,
    object::Meta,
    resource::Resource,
    selector,
    status::{Result, Status},
    types,
};

/// The Scale of an object.
pub fn from_object(object: &Value) -> Value {
    const METADATA: [&str; 5] = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let metadata =
        METADATA.into_iter().filter_map(|field| Some((field.to_owned(), object["metadata"].get(field)?.clone())));
    let count = |part: &str| object[part]["replicas"].as_i64().unwrap_or_default();
    let mut scale = json!({
        "kind": SCALE.kind, "apiVersion": SCALE.api_version(), "metadata": metadata.collect::<Map<_, _>>(), "spec": {},
        "status": { "replicas": count("status"), "selector": selector::format_label_selector(&object["spec"]["selector"]) },
    });
    // Pitfall: zero replicas are omitted in the spec but not in the status.
    if count("spec") != 0 {
        scale["spec"]["replicas"] = count("spec").into();
    }
    scale
}

/// Returns the object with the replicas and the resourceVersion of a decoded Scale.
///
/// # Errors
/// 422 for a negative number, 409 for the Scale of another object.
pub fn apply(resource: &Resource, scale: &Value, object: &Value) -> Result<Value> {
    types::validate(&SCALE, scale, None)?;
    if !scale.uid().is_empty() && scale.uid() != object.uid() {
        let why = "Precondition failed: UID in precondition";
        let why = format!("{why}: {}, UID in object meta: {}", scale.uid(), object.uid());
        return Err(Status::conflict(&resource.group, &format!("{}/scale", resource.plural), object.name(), &why));
    }
    let mut scaled = object.clone();
    scaled["spec"]["replicas"] = scale["spec"]["replicas"].as_i64().unwrap_or_default().into();
    scaled["metadata"]["resourceVersion"] = scale.resource_version().into();
    Ok(scaled)
}
