//! The rules for pods and pod templates.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    causes::Causes,
    object::{items, text},
};

pub fn validate(object: &Value, old: Option<&Value>, causes: &mut Causes) {
    validate_spec(&object["spec"], "spec", causes);
    if let Some(old) = old {
        validate_update(&object["spec"], &old["spec"], causes);
    }
}

/// Validates the spec of a pod or a pod template.
pub fn validate_spec(spec: &Value, field: &str, causes: &mut Causes) {
    let volumes = validate_volumes(&spec["volumes"], &format!("{field}.volumes"), causes);
    if items(&spec["containers"]).is_empty() {
        causes.required(&format!("{field}.containers"), "");
    }
    // Names are unique over all containers of a pod.
    let mut seen = BTreeSet::new();
    for list in ["containers", "initContainers"] {
        for (i, container) in items(&spec[list]).iter().enumerate() {
            let field = format!("{field}.{list}[{i}]");
            causes.unique_label(&format!("{field}.name"), text(&container["name"]), &mut seen);
            if text(&container["image"]).is_empty() {
                causes.required(&format!("{field}.image"), "");
            }
            for (i, mount) in items(&container["volumeMounts"]).iter().enumerate() {
                let (field, name) = (format!("{field}.volumeMounts[{i}].name"), text(&mount["name"]));
                if !volumes.contains(name) {
                    causes.add("FieldValueNotFound", &field, format!("Not found: {name:?}"));
                }
            }
            let policy = text(&container["imagePullPolicy"]);
            causes.one_of(&format!("{field}.imagePullPolicy"), policy, &["Always", "IfNotPresent", "Never"]);
        }
    }
    causes.one_of(&format!("{field}.restartPolicy"), text(&spec["restartPolicy"]), &["Always", "OnFailure", "Never"]);
}

/// Validates the volumes and returns their names.
fn validate_volumes<'a>(volumes: &'a Value, field: &str, causes: &mut Causes) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    for (i, volume) in items(volumes).iter().enumerate() {
        for (source, name) in [("secret", "secretName"), ("configMap", "name")] {
            if volume.get(source).is_some_and(|source| text(&source[name]).is_empty()) {
                causes.required(&format!("{field}[{i}].{source}.{name}"), "");
            }
        }
        causes.unique_label(&format!("{field}[{i}].name"), text(&volume["name"]), &mut seen);
    }
    seen
}

/// Checks that only images, deadline and tolerations of a pod's spec change.
fn validate_update(new: &Value, old: &Value, causes: &mut Causes) {
    let mut expected = new.clone();
    for field in ["activeDeadlineSeconds", "tolerations"] {
        if let Some(expected) = expected.as_object_mut() {
            expected.remove(field);
            expected.extend(old.get(field).map(|value| (field.to_owned(), value.clone())));
        }
    }
    for containers in ["containers", "initContainers"] {
        for (i, old) in items(&old[containers]).iter().enumerate() {
            if let Some(container) = expected[containers].get_mut(i) {
                container["image"] = old["image"].clone();
            }
        }
    }
    if expected != *old {
        let may = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                   `spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` \
                   (allow it to be set to 1 if it was previously negative)";
        causes.forbidden("spec", &format!("pod updates may not change fields other than {may}\n"));
    }
}
