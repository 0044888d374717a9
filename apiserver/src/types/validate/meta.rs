//! The rules for `metadata`, which all kinds share. What the server alone decides (uid, resourceVersion) is in
//! [`crate::write`].

use serde_json::Value;

use super::{Causes, items, text};
use crate::{catalog::Resource, names, object::Meta};

const MOST_ANNOTATIONS: usize = 256 * 1024;

pub fn validate(resource: &Resource, object: &Value, old: Option<&Value>, wrong: &mut Causes) {
    let metadata = &object["metadata"];
    if old.is_none() {
        name(resource, object, wrong);
    }
    labels("metadata.labels", &metadata["labels"], wrong);
    annotations(&metadata["annotations"], wrong);
    owners(&metadata["ownerReferences"], wrong);
    finalizers(resource, &metadata["finalizers"], wrong);
}

/// Whoever cannot change a name any more need not hear that it is wrong.
fn name(resource: &Resource, object: &Value, wrong: &mut Causes) {
    let rule = match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => names::dns_label,
        // Events were always checked with a lighter hand.
        ("", "Event") | ("rbac.authorization.k8s.io", _) => names::path_segment,
        _ => names::dns_subdomain,
    };
    let base = object.meta("generateName");
    if !base.is_empty() {
        // What is appended makes a good end.
        let ended = base.strip_suffix('-').filter(|rest| !rest.is_empty());
        wrong.texts("metadata.generateName", base, rule(ended.unwrap_or(base)));
    }
    match object.name() {
        "" => wrong.required("metadata.name", "name or generateName is required"),
        name => wrong.texts("metadata.name", name, rule(name)),
    }
    if resource.namespaced {
        match object.namespace() {
            "" => wrong.required("metadata.namespace", ""),
            namespace => wrong.texts("metadata.namespace", namespace, names::dns_label(namespace)),
        }
    }
}

pub fn labels(field: &str, labels: &Value, wrong: &mut Causes) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        wrong.texts(field, key, names::label_key(key));
        wrong.texts(field, text(value), names::label_value(text(value)));
    }
}

fn annotations(annotations: &Value, wrong: &mut Causes) {
    let mut size = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        // Unlike labels, they may have capitals everywhere.
        wrong.texts("metadata.annotations", key, names::label_key(&key.to_lowercase()));
        size += key.len() + text(value).len();
    }
    if size > MOST_ANNOTATIONS {
        wrong.too_long("metadata.annotations", MOST_ANNOTATIONS);
    }
}

fn owners(owners: &Value, wrong: &mut Causes) {
    let mut controller: Option<String> = None;
    for owner in items(owners) {
        let version = text(&owner["apiVersion"]);
        if version.is_empty() {
            wrong.invalid("metadata.ownerReferences.apiVersion", version, "version must not be empty");
        }
        for field in ["kind", "name", "uid"] {
            if text(&owner[field]).is_empty() {
                wrong.invalid(&format!("metadata.ownerReferences.{field}"), "", "must not be empty");
            }
        }
        if version == "v1" && owner["kind"] == "Event" {
            let why = "/v1, Kind=Event is disallowed from being an owner";
            wrong.invalid("metadata.ownerReferences", owner.clone(), why);
        }
        if owner["controller"] == true {
            let own = format!("{}/{}", text(&owner["kind"]), text(&owner["name"]));
            match &controller {
                None => controller = Some(own),
                Some(first) => {
                    let only = "Only one reference can have Controller set to true.";
                    let why = format!("{only} Found \"true\" in references for {first} and {own}");
                    wrong.invalid("metadata.ownerReferences", owners.clone(), &why);
                }
            }
        }
    }
}

fn finalizers(resource: &Resource, finalizers: &Value, wrong: &mut Causes) {
    const ORPHAN: &str = "orphan";
    const FOREGROUND: &str = "foregroundDeletion";
    let all: Vec<&str> = items(finalizers).iter().map(text).collect();
    for finalizer in &all {
        wrong.texts("metadata.finalizers", finalizer, names::label_key(finalizer));
    }
    if all.contains(&ORPHAN) && all.contains(&FOREGROUND) {
        let why = format!("finalizer {ORPHAN} and {FOREGROUND} cannot be both set");
        wrong.invalid("metadata.finalizers", finalizers.clone(), &why);
    }
    // Custom resources are only warned of names without a domain.
    for (i, finalizer) in all.iter().enumerate().filter(|_| resource.custom.is_none()) {
        if !matches!(*finalizer, ORPHAN | FOREGROUND | "kubernetes") && finalizer.split('/').count() != 2 {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            wrong.invalid(&format!("metadata.finalizers[{i}]"), *finalizer, why);
        }
    }
}
