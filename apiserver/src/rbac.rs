//! Whether they may: Roles, ClusterRoles and their bindings, as they are in the store at this moment.
//!
//! ```text
//!  request --> Attributes --> every binding that names the user --> its role's rules --> one that allows it?
//! ```
//!
//! Promises:
//! * what no rule allows is refused, with 403 and the real server's words; there is no rule that forbids;
//! * a RoleBinding gives what its role says in its own namespace only, whatever kind of role it is;
//! * members of `system:masters` may do everything, without any rule;
//! * what every cluster lets its users do (discovery, health, asking about oneself) is not built into this code: it is
//!   allowed by the roles in [`bootstrap`](mod@bootstrap), which are in the store like all others.
//!
//! The road not taken is an index from users to rules: a real server answers from a cache of bindings too, and goes
//! through all of them. Nothing is copied on the way.

mod bootstrap;
mod rules;

use serde_json::Value;

use crate::{
    object::words,
    request::{Query, Request, Target, Verb},
    selector,
    status::{Result, Status},
    store::Store,
    user::User,
};

pub use bootstrap::bootstrap;
pub use rules::rules;

/// The group of everything here.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// What a decision depends on, besides the user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attributes<'a> {
    Resource {
        verb: &'a str,
        group: &'a str,
        resource: &'a str,
        subresource: &'a str,
        namespace: &'a str,
        name: &'a str,
    },
    /// What is no resource: `/version`. The verb is the method in lower case.
    Path { verb: &'a str, path: &'a str },
}

/// # Errors
/// 403, in the real server's words.
pub fn authorize(store: &Store, user: &User, request: &Request, target: Option<&Target>) -> Result<()> {
    let method = request.method.as_str().to_ascii_lowercase();
    let attributes = match target {
        Some(target) => of(target, &request.query),
        None => Attributes::Path { verb: &method, path: &request.path },
    };
    require(store, user, &attributes)
}

/// # Errors
/// As [`authorize`].
pub fn require(store: &Store, user: &User, wanted: &Attributes<'_>) -> Result<()> {
    if is_allowed(store, user, wanted) { Ok(()) } else { Err(forbidden(user, wanted)) }
}

/// Whether the user may do it.
pub fn is_allowed(store: &Store, user: &User, wanted: &Attributes<'_>) -> bool {
    let namespace = match wanted {
        Attributes::Resource { namespace, .. } => namespace,
        Attributes::Path { .. } => "",
    };
    user.is_master() || rules(store, user, namespace).any(|rule| allows(rule, wanted))
}

/// What a request to a resource wants.
pub fn of<'a>(target: &'a Target, query: &'a Query) -> Attributes<'a> {
    // Whoever may read one object by name may also list and watch it, alone: that is how `kubectl get NAME -w` works.
    // Not so for deletecollection: there is `delete` for one object.
    let name = if matches!(target.verb, Verb::List | Verb::Watch) && target.name.is_empty() {
        selector::selected_name(query)
    } else {
        &target.name
    };
    // A namespace counts as lying in itself, so that its administrator can be allowed to read it.
    let itself = target.group.is_empty() && target.plural == "namespaces";
    Attributes::Resource {
        verb: target.verb.as_str(),
        group: &target.group,
        resource: &target.plural,
        subresource: &target.subresource,
        namespace: if itself { &target.name } else { &target.namespace },
        name,
    }
}

/// Whether a rule allows it.
fn allows(rule: &Value, wanted: &Attributes<'_>) -> bool {
    match *wanted {
        Attributes::Resource { verb, group, resource, subresource, name, .. } => {
            has(&rule["verbs"], verb)
                && has(&rule["apiGroups"], group)
                && words(&rule["resources"]).any(|pattern| covers_resource(pattern, resource, subresource))
                && (words(&rule["resourceNames"]).next().is_none()
                    || words(&rule["resourceNames"]).any(|allowed| allowed == name))
        }
        Attributes::Path { verb, path } => {
            has(&rule["verbs"], verb) && words(&rule["nonResourceURLs"]).any(|pattern| covers_path(pattern, path))
        }
    }
}

/// `pods`, `pods/status`, `*/scale`, `*`. Pitfall: `pods` does not cover `pods/status`, and there is no `pods/*`.
fn covers_resource(pattern: &str, resource: &str, subresource: &str) -> bool {
    match pattern.split_once('/') {
        None => pattern == "*" || (subresource.is_empty() && pattern == resource),
        Some((of, sub)) => !subresource.is_empty() && sub == subresource && (of == "*" || of == resource),
    }
}

/// `/version`, `/healthz/*`, `*`.
fn covers_path(pattern: &str, path: &str) -> bool {
    pattern == path || pattern.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
}

/// Whether the list names it, or everything.
fn has(list: &Value, word: &str) -> bool {
    words(list).any(|one| one == "*" || one == word)
}

/// The refusal.
fn forbidden(user: &User, attributes: &Attributes<'_>) -> Status {
    // Like the real server: nothing that a browser would take for HTML.
    let tame = |text: String| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let user = &user.name;
    match *attributes {
        Attributes::Path { verb, path } => {
            let why = tame(format!("User {user:?} cannot {verb} path {path:?}"));
            let mut status = Status::new(403, "Forbidden", format!("forbidden: {why}"));
            status.details = serde_json::json!({});
            status
        }
        Attributes::Resource { verb, group, resource, subresource, namespace, name } => {
            let slash = if subresource.is_empty() { "" } else { "/" };
            let scope = if namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace {namespace:?}")
            };
            let what = format!("cannot {verb} resource \"{resource}{slash}{subresource}\" in API group {group:?}");
            Status::forbidden(group, resource, name, &tame(format!("User {user:?} {what} {scope}")))
        }
    }
}

#[cfg(test)]
mod tests;
