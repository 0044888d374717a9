//! The rules of roles and their bindings.

use serde_json::Value;

use super::{Causes, items, text};
use crate::{catalog::Resource, names};

const GROUP: &str = "rbac.authorization.k8s.io";

pub fn role(object: &Value, namespaced: bool, wrong: &mut Causes) {
    for (i, rule) in items(&object["rules"]).iter().enumerate() {
        let field = |name: &str| format!("rules[{i}].{name}");
        let is_empty = |name: &str| items(&rule[name]).is_empty();
        if is_empty("verbs") {
            wrong.required(&field("verbs"), "verbs must contain at least one value");
        }
        if !is_empty("nonResourceURLs") {
            let mut refuse = |why: &str| {
                wrong.invalid(&field("nonResourceURLs"), rule["nonResourceURLs"].clone(), why);
            };
            if namespaced {
                refuse("namespaced rules cannot apply to non-resource URLs");
            }
            if !["apiGroups", "resources", "resourceNames"].into_iter().all(is_empty) {
                refuse("rules cannot apply to both regular resources and non-resource URLs");
            }
            continue;
        }
        for (name, one) in [("apiGroups", "api group"), ("resources", "resource")] {
            if is_empty(name) {
                wrong.required(&field(name), &format!("resource rules must supply at least one {one}"));
            }
        }
    }
}

pub fn binding(resource: &Resource, object: &Value, old: Option<&Value>, wrong: &mut Causes) {
    let role = &object["roleRef"];
    wrong.one_of("roleRef.apiGroup", text(&role["apiGroup"]), &[GROUP]);
    let kinds: &[&str] = if resource.namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    wrong.one_of("roleRef.kind", text(&role["kind"]), kinds);
    match text(&role["name"]) {
        "" => wrong.required("roleRef.name", ""),
        name => wrong.texts("roleRef.name", name, names::path_segment(name)),
    }
    for (i, subject) in items(&object["subjects"]).iter().enumerate() {
        subject_of(subject, resource.namespaced, &format!("subjects[{i}]"), wrong);
    }
    // Who was granted what must not change under whoever looked at it: delete the binding, and make another.
    if old.is_some_and(|old| old["roleRef"] != *role) {
        wrong.invalid("roleRef", role.clone(), "cannot change roleRef");
    }
}

fn subject_of(subject: &Value, namespaced: bool, field: &str, wrong: &mut Causes) {
    let name = text(&subject["name"]);
    if name.is_empty() {
        wrong.required(&format!("{field}.name"), "");
    }
    let group = text(&subject["apiGroup"]);
    match text(&subject["kind"]) {
        "ServiceAccount" => {
            if !name.is_empty() {
                wrong.texts(&format!("{field}.name"), name, names::dns_subdomain(name));
            }
            wrong.one_of(&format!("{field}.apiGroup"), group, &[""]);
            if !namespaced && text(&subject["namespace"]).is_empty() {
                wrong.required(&format!("{field}.namespace"), "");
            }
        }
        "User" | "Group" => wrong.one_of(&format!("{field}.apiGroup"), group, &[GROUP]),
        kind => wrong.one_of(&format!("{field}.kind"), kind, &["ServiceAccount", "User", "Group"]),
    }
}
