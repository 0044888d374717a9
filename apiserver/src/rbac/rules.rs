//! Finds the rules that apply to a user.

use serde_json::Value;

use super::GROUP;
use crate::{
    object::{GroupResource, Key, Meta, items, text},
    store::Store,
    user::User,
};

/// The rules that apply to a user in a namespace (empty: at the cluster scope).
pub fn rules<'a>(store: &'a Store, user: &User, namespace: &str) -> impl Iterator<Item = &'a Value> {
    let everywhere = bindings(store, "clusterrolebindings", "");
    let here = bindings(store, "rolebindings", namespace).filter(|_| !namespace.is_empty());
    let names_user =
        |binding: &&Value| items(&binding["subjects"]).iter().any(|s| applies_to_user(user, s, binding.namespace()));
    everywhere
        .chain(here)
        .filter(names_user)
        .flat_map(|binding| role_rules(store, &binding["roleRef"], binding.namespace()))
}

/// The bindings in one namespace, by name.
fn bindings<'a>(store: &'a Store, plural: &str, namespace: &str) -> impl Iterator<Item = &'a Value> {
    let (collection, from) = (store.collection(&GroupResource::new(GROUP, plural)), Key::new(namespace, ""));
    let all = collection.into_iter().flat_map({
        let from = from.clone();
        move |all| all.range(from.clone()..)
    });
    all.take_while(move |(key, _)| key.namespace == from.namespace).map(|(_, object)| object.value())
}

/// Whether a subject of a binding is this user or one of the user's groups.
fn applies_to_user(user: &User, subject: &Value, binding_namespace: &str) -> bool {
    let name = text(&subject["name"]);
    match text(&subject["kind"]) {
        "User" => user.name == name,
        "Group" => user.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let namespace = subject["namespace"].as_str().unwrap_or(binding_namespace);
            let account = user.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
            !namespace.is_empty() && account == Some((namespace, name))
        }
        _ => false,
    }
}

/// The rules of the role that a binding refers to; none if the role is missing.
fn role_rules<'a>(store: &'a Store, role: &Value, binding_namespace: &str) -> &'a [Value] {
    let (plural, namespace) = match text(&role["kind"]) {
        "Role" => ("roles", binding_namespace),
        _ => ("clusterroles", ""),
    };
    let role = store.get(&GroupResource::new(GROUP, plural), &Key::new(namespace, text(&role["name"])));
    role.map_or(&[], |role| items(&role.value()["rules"]))
}
