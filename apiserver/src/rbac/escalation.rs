//! Nobody gives away rights that they do not have: not by writing a role, nor by binding one.
//!
//! Without this, whoever may write RoleBindings could make themselves anything. The exceptions are verbs of their own:
//! `escalate` on a role, `bind` on the role that is bound.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Attributes, GROUP, covers_path, decide, has,
    rules::{is_empty, rules, visit},
};
use crate::{
    auth::User,
    object::{Meta, text, words},
    request::Target,
    state::State,
    status::{Result, Status},
};

/// Checks what is about to be stored, if it is a role or a binding. `old` is what it replaces.
///
/// # Errors
/// 403 that lists every right that the writer does not have; 404 for a binding to a role that is not there, as the real
/// one has it: nobody knows what such a role would allow.
pub fn confirm_no_escalation(
    state: &State,
    user: &User,
    target: &Target,
    object: &Value,
    old: Option<&Value>,
) -> Result<()> {
    let kind = target.plural.as_str();
    let is_role = matches!(kind, "roles" | "clusterroles");
    let is_binding = matches!(kind, "rolebindings" | "clusterrolebindings");
    if target.group != GROUP || !(is_role || is_binding) || user.is_master() {
        return Ok(());
    }
    // What stays as it was gives nothing away.
    let same = |field: &str| old.is_some_and(|old| old[field] == object[field]);
    let name = object.name();
    let namespace = target.namespace.as_str();
    let granted: Vec<Value> = if is_role {
        if same("rules") && same("aggregationRule") || may(state, user, "escalate", kind, namespace, &target.name) {
            return Ok(());
        }
        object["rules"].as_array().cloned().unwrap_or_default()
    } else {
        let role = &object["roleRef"];
        let role_name = text(&role["name"]);
        let plural = if role["kind"] == "Role" { "roles" } else { "clusterroles" };
        if same("roleRef") && same("subjects") || may(state, user, "bind", plural, namespace, role_name) {
            return Ok(());
        }
        match rules(&state.store, role, namespace) {
            Ok(rules) => rules.to_vec(),
            Err(_) => return Err(Status::not_found(GROUP, kind, role_name)),
        }
    };
    let mut held = Vec::new();
    visit(&state.store, user, namespace, &mut |found| {
        held.extend(found.ok().map(|(_, rule)| rule));
        true
    });
    let missing: Vec<Right<'_>> =
        granted.iter().flat_map(atoms).filter(|right| !held.iter().any(|rule| covers(rule, right))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        quoted(user.groups.iter().map(String::as_str)),
        described(&missing).join("\n")
    );
    Err(Status::forbidden(GROUP, kind, name, &why))
}

fn may(state: &State, user: &User, verb: &str, resource: &str, namespace: &str, name: &str) -> bool {
    let wanted = Attributes::Resource { verb, group: GROUP, resource, subresource: "", namespace, name };
    decide(state, user, &wanted).allowed
}

/// The smallest thing that a rule can grant.
#[derive(Clone, Copy)]
enum Right<'a> {
    Resource { group: &'a str, resource: &'a str, name: Option<&'a str>, verb: &'a str },
    Path { path: &'a str, verb: &'a str },
}

/// All that a rule grants, one by one.
fn atoms(rule: &Value) -> Vec<Right<'_>> {
    let mut rights = Vec::new();
    for verb in words(&rule["verbs"]) {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                let right = |name| Right::Resource { group, resource, name, verb };
                if is_empty(&rule["resourceNames"]) {
                    rights.push(right(None));
                }
                rights.extend(words(&rule["resourceNames"]).map(|name| right(Some(name))));
            }
        }
        rights.extend(words(&rule["nonResourceURLs"]).map(|path| Right::Path { path, verb }));
    }
    rights
}

/// Whether a rule that is held includes a right. Wildcards are compared as what they stand for: `*` is more than `get`.
fn covers(rule: &Value, right: &Right<'_>) -> bool {
    match *right {
        Right::Resource { group, resource, name, verb } => {
            let of_any = resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
            let names = &rule["resourceNames"];
            has(&rule["verbs"], verb)
                && has(&rule["apiGroups"], group)
                && (has(&rule["resources"], resource)
                    || words(&rule["resources"]).any(|one| Some(one) == of_any.as_deref()))
                && (is_empty(names) || name.is_some_and(|name| words(names).any(|one| one == name)))
        }
        Right::Path { path, verb } => {
            has(&rule["verbs"], verb) && words(&rule["nonResourceURLs"]).any(|one| covers_path(one, path))
        }
    }
}

/// As the real one writes them down: the verbs of one resource together, in the order of the text.
fn described(missing: &[Right<'_>]) -> Vec<String> {
    let mut lines = BTreeSet::new();
    let mut verbs: BTreeMap<(&str, &str, Option<&str>), Vec<&str>> = BTreeMap::new();
    for right in missing {
        match *right {
            Right::Resource { group, resource, name, verb } => {
                verbs.entry((group, resource, name)).or_default().push(verb);
            }
            Right::Path { path, verb } => {
                lines.insert(format!("{{NonResourceURLs:[{path:?}], Verbs:[{verb:?}]}}"));
            }
        }
    }
    for ((group, resource, name), verbs) in verbs {
        let names = name.map(|name| format!(", ResourceNames:[{name:?}]")).unwrap_or_default();
        let verbs = quoted(verbs.into_iter());
        lines.insert(format!("{{APIGroups:[{group:?}], Resources:[{resource:?}]{names}, Verbs:{verbs}}}"));
    }
    lines.into_iter().collect()
}

/// `["get" "list"]`
fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", words.map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests;
