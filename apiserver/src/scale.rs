//! `deployments/NAME/scale` and `replicasets/NAME/scale`: how many replicas, whatever it is that has them.
//!
//! Whoever scales (`kubectl scale`, an autoscaler) does not have to know the kinds that can be scaled: a Scale is a view of
//! the object, the same for all of them, of which one field can be written. Nothing of the kind is stored.
//!
//! Promises:
//! * a write is an update of the object's `spec.replicas` and of nothing else, under the object's version and generation;
//! * who may write the Scale does not have to be allowed to write the object.

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
pub fn of(object: &Value) -> Value {
    const METADATA: [&str; 5] = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    let there =
        METADATA.into_iter().filter_map(|field| Some((field.to_owned(), object["metadata"].get(field)?.clone())));
    let count = |part: &str| object[part]["replicas"].as_i64().unwrap_or_default();
    let mut scale = json!({
        "kind": SCALE.kind, "apiVersion": SCALE.api_version(), "metadata": there.collect::<Map<_, _>>(), "spec": {},
        "status": { "replicas": count("status"), "selector": selector::as_text(&object["spec"]["selector"]) },
    });
    // Pitfall: of the wanted ones none is written as absent, of those that are there as 0.
    if count("spec") != 0 {
        scale["spec"]["replicas"] = count("spec").into();
    }
    scale
}

/// The object with as many replicas as a decoded Scale says, and as the version that it says.
///
/// # Errors
/// 422 for less than none, 409 for the Scale of another object.
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
