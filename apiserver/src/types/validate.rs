//! Whether an object may be stored: all that is wrong with it at once, in the real server's words.
//!
//! Which rules: those that a client meets by mistake or by race. The others are left out (a listed difference): such
//! objects are stored as they are.

mod meta;
mod pod;
mod simple;
mod workload;

use serde_json::Value;

use crate::{causes::Causes, custom, object::Meta, resource::Resource, status::Result};

/// Checks an object that is to be stored; with the one that it replaces, what must not change, too.
///
/// # Errors
/// 422, with all causes.
pub fn validate(resource: &Resource, object: &Value, old: Option<&Value>) -> Result<()> {
    let mut wrong = Causes::default();
    meta::validate(resource, object, old, &mut wrong);
    if let Some(definition) = &resource.custom {
        wrong.refuse(&resource.group, &resource.kind, object.name())?;
        return custom::validate(resource, &definition.schema, object, old);
    }
    match resource.kind.as_str() {
        "Pod" => pod::validate(object, old, &mut wrong),
        "Deployment" | "ReplicaSet" => workload::validate(object, old, &mut wrong),
        "Scale" => wrong.at_least("spec.replicas", &object["spec"]["replicas"], 0),
        "Secret" => simple::secret(object, old, &mut wrong),
        "ConfigMap" => simple::config_map(object, old, &mut wrong),
        "CustomResourceDefinition" => wrong.0.extend(custom::check(object, old)),
        "Event" => simple::event(object, &mut wrong),
        "Lease" => wrong.at_least("spec.leaseDurationSeconds", &object["spec"]["leaseDurationSeconds"], 1),
        "Role" | "ClusterRole" => simple::role(object, &mut wrong),
        "RoleBinding" | "ClusterRoleBinding" => simple::binding(object, old, &mut wrong),
        _ => {}
    }
    wrong.refuse(&resource.group, &resource.kind, object.name())
}

#[cfg(test)]
mod tests;
