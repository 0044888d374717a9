//! From a user to the rules that hold for them.

use std::fmt;

use serde_json::Value;

use super::GROUP;
use crate::{
    auth::User,
    object::{GroupResource, Key, Meta, text, words},
    store::Store,
};

/// Through which binding a rule holds.
pub struct Grant<'a> {
    binding: &'a Value,
    subject: &'a Value,
}

impl fmt::Display for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (binding, role) = (self.binding, &self.binding["roleRef"]);
        match binding.namespace() {
            "" => write!(f, "ClusterRoleBinding {:?}", binding.name())?,
            namespace => write!(f, "RoleBinding {:?}", format!("{}/{namespace}", binding.name()))?,
        }
        write!(f, " of {} {:?} to {} ", text(&role["kind"]), text(&role["name"]), text(&self.subject["kind"]))?;
        let name = text(&self.subject["name"]);
        match self.subject["kind"].as_str() {
            Some("ServiceAccount") => {
                let namespace = self.subject["namespace"].as_str().unwrap_or(binding.namespace());
                write!(f, "{:?}", format!("{name}/{namespace}"))
            }
            _ => write!(f, "{name:?}"),
        }
    }
}

/// A rule and through what it holds; or why a role could not be found.
pub type Found<'a> = Result<(Grant<'a>, &'a Value), String>;

/// Shows every rule that holds for a user in a namespace (empty: for the whole cluster) until `see` returns false.
///
/// Cluster-wide ones first, as the real one goes through them: a reason names the first that allows.
pub fn visit<'a>(store: &'a Store, user: &User, namespace: &str, see: &mut dyn FnMut(Found<'a>) -> bool) {
    let everywhere = bindings(store, "clusterrolebindings", "");
    let here = bindings(store, "rolebindings", namespace).filter(|_| !namespace.is_empty());
    for binding in everywhere.chain(here) {
        let subjects = binding["subjects"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(subject) = subjects.iter().find(|subject| is(user, subject, binding.namespace())) else {
            continue;
        };
        let go_on = match rules(store, &binding["roleRef"], binding.namespace()) {
            Ok(rules) => rules.iter().all(|rule| see(Ok((Grant { binding, subject }, rule)))),
            Err(trouble) => see(Err(trouble)),
        };
        if !go_on {
            return;
        }
    }
}

/// The bindings of one namespace, in the order of their names.
fn bindings<'a>(store: &'a Store, plural: &str, namespace: &str) -> impl Iterator<Item = &'a Value> {
    let collection = store.collection(&GroupResource::new(GROUP, plural));
    let from = Key::new(namespace, "");
    let in_namespace = collection.into_iter().flat_map(move |all| {
        let namespace = from.namespace.clone();
        all.range(from.clone()..).take_while(move |(key, _)| key.namespace == namespace)
    });
    in_namespace.map(|(_, object)| object.value())
}

/// Whether a subject of a binding is this user, or a group of theirs.
fn is(user: &User, subject: &Value, binding_namespace: &str) -> bool {
    let name = text(&subject["name"]);
    match subject["kind"].as_str() {
        Some("User") => user.name == name,
        Some("Group") => user.groups.iter().any(|group| group == name),
        Some("ServiceAccount") => {
            let namespace = subject["namespace"].as_str().unwrap_or(binding_namespace);
            let account = user.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
            !namespace.is_empty() && account == Some((namespace, name))
        }
        _ => false,
    }
}

/// The rules of the role that a binding refers to.
///
/// # Errors
/// That there is no such role, in the real one's words.
pub fn rules<'a>(store: &'a Store, role: &Value, binding_namespace: &str) -> Result<&'a [Value], String> {
    let (kind, name) = (text(&role["kind"]), text(&role["name"]));
    let (plural, namespace) = match kind {
        "Role" => ("roles", binding_namespace),
        "ClusterRole" => ("clusterroles", ""),
        _ => return Err(format!("unsupported role reference kind: {kind:?}")),
    };
    match store.get(&GroupResource::new(GROUP, plural), &Key::new(namespace, name)) {
        Some(role) => Ok(role.value()["rules"].as_array().map(Vec::as_slice).unwrap_or_default()),
        None => Err(format!("{}.{GROUP} {name:?} not found", kind.to_ascii_lowercase())),
    }
}

/// Whether a list has no words at all.
pub fn is_empty(list: &Value) -> bool {
    words(list).next().is_none()
}
