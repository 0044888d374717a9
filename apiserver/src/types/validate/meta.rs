//! The rules for `metadata` of all kinds. Those for uid and resourceVersion are in [`crate::write`].

use serde_json::Value;

use crate::{
    causes::Causes,
    names,
    object::{Meta, items, strings, text},
    resource::Resource,
};

pub fn validate(resource: &Resource, object: &Value, old: Option<&Value>, causes: &mut Causes) {
    let metadata = &object["metadata"];
    // The name of an existing object is not checked, because it cannot change.
    if old.is_none() {
        validate_name(resource, object, causes);
    }
    validate_labels("metadata.labels", &metadata["labels"], causes);
    validate_annotations(&metadata["annotations"], causes);
    validate_owner_references(&metadata["ownerReferences"], causes);
    validate_finalizers(resource, &metadata["finalizers"], causes);
}

fn validate_name(resource: &Resource, object: &Value, causes: &mut Causes) {
    let rule = match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => names::dns_label,
        // Events have fewer restrictions.
        ("", "Event") | ("rbac.authorization.k8s.io", _) => names::path_segment,
        _ => names::dns_subdomain,
    };
    match object.name() {
        "" => causes.required("metadata.name", "name or generateName is required"),
        name => causes.invalid_all("metadata.name", name, rule(name)),
    }
    if resource.namespaced {
        match object.namespace() {
            "" => causes.required("metadata.namespace", ""),
            namespace => causes.invalid_all("metadata.namespace", namespace, names::dns_label(namespace)),
        }
    }
}

pub fn validate_labels(field: &str, labels: &Value, causes: &mut Causes) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        causes.invalid_all(field, key, names::label_key(key));
        causes.invalid_all(field, text(value), names::label_value(text(value)));
    }
}

fn validate_annotations(annotations: &Value, causes: &mut Causes) {
    for (key, _) in annotations.as_object().into_iter().flatten() {
        // Unlike labels, annotations allow upper case in the prefix.
        causes.invalid_all("metadata.annotations", key, names::label_key(&key.to_lowercase()));
    }
}

fn validate_owner_references(owners: &Value, causes: &mut Causes) {
    let mut controller: Option<String> = None;
    for owner in items(owners) {
        let version = text(&owner["apiVersion"]);
        if version.is_empty() {
            causes.invalid("metadata.ownerReferences.apiVersion", version, "version must not be empty");
        }
        for field in ["kind", "name", "uid"] {
            if text(&owner[field]).is_empty() {
                causes.invalid(&format!("metadata.ownerReferences.{field}"), "", "must not be empty");
            }
        }
        if owner["controller"] == true {
            let own = format!("{}/{}", text(&owner["kind"]), text(&owner["name"]));
            match &controller {
                None => controller = Some(own),
                Some(first) => {
                    let only = "Only one reference can have Controller set to true.";
                    let why = format!("{only} Found \"true\" in references for {first} and {own}");
                    causes.invalid("metadata.ownerReferences", owners.clone(), &why);
                }
            }
        }
    }
}

fn validate_finalizers(resource: &Resource, finalizers: &Value, causes: &mut Causes) {
    for (i, finalizer) in strings(finalizers).enumerate() {
        causes.invalid_all("metadata.finalizers", finalizer, names::label_key(finalizer));
        // For custom resources, a name without a domain is valid; the real server only warns.
        let is_standard = matches!(finalizer, "orphan" | "foregroundDeletion" | "kubernetes");
        if resource.custom.is_none() && !is_standard && finalizer.split('/').count() != 2 {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            causes.invalid(&format!("metadata.finalizers[{i}]"), finalizer, why);
        }
    }
}
