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
mod escalation;
mod rules;

use serde_json::Value;

use crate::{
    auth::User,
    object::words,
    request::{Query, Request, Target, Verb},
    selector,
    state::State,
    status::{Result, Status},
};

pub use bootstrap::bootstrap;
pub use escalation::confirm_no_escalation;
pub use rules::visit;

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

/// A decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    pub allowed: bool,
    /// By what it is allowed, or what was in the way. May be empty.
    pub reason: String,
}

/// # Errors
/// 403, in the real server's words.
pub fn authorize(state: &State, user: &User, request: &Request, target: Option<&Target>) -> Result<()> {
    let method = request.method.as_str().to_ascii_lowercase();
    let attributes = match target {
        Some(target) => of(target, &request.query),
        None => Attributes::Path { verb: &method, path: &request.path },
    };
    require(state, user, &attributes)
}

/// # Errors
/// As [`authorize`].
pub fn require(state: &State, user: &User, wanted: &Attributes<'_>) -> Result<()> {
    let decision = decide(state, user, wanted);
    if decision.allowed { Ok(()) } else { Err(forbidden(user, wanted, &decision.reason)) }
}

/// Whether the user may do it.
pub fn decide(state: &State, user: &User, wanted: &Attributes<'_>) -> Decision {
    if user.is_master() {
        return Decision { allowed: true, reason: String::new() };
    }
    let namespace = match wanted {
        Attributes::Resource { namespace, .. } => namespace,
        Attributes::Path { .. } => "",
    };
    let mut allowed_by = None;
    let mut troubles = Vec::new();
    visit(&state.store, user, namespace, &mut |found| {
        match found {
            Ok((grant, rule)) if allows(rule, wanted) => allowed_by = Some(format!("RBAC: allowed by {grant}")),
            Ok(_) => {}
            Err(trouble) if troubles.contains(&trouble) => {}
            Err(trouble) => troubles.push(trouble),
        }
        allowed_by.is_none()
    });
    match allowed_by {
        Some(reason) => Decision { allowed: true, reason },
        None => Decision { allowed: false, reason: aggregate(troubles) },
    }
}

/// What could not be resolved, in one line. Real users meet it when they bind a role that is not there.
fn aggregate(troubles: Vec<String>) -> String {
    match &troubles[..] {
        [] => String::new(),
        [one] => format!("RBAC: {one}"),
        many => format!("RBAC: [{}]", many.join(", ")),
    }
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
fn forbidden(user: &User, attributes: &Attributes<'_>, reason: &str) -> Status {
    // As the real one does: nothing that a browser would take for HTML.
    let tame = |text: String| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let why = |text: String| if reason.is_empty() { tame(text) } else { format!("{}: {reason}", tame(text)) };
    let user = &user.name;
    match *attributes {
        Attributes::Path { verb, path } => {
            let mut status = Status::new(403, "Forbidden", "");
            status.message = format!("forbidden: {}", why(format!("User {user:?} cannot {verb} path {path:?}")));
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
            let text = format!(
                "User {user:?} cannot {verb} resource \"{resource}{slash}{subresource}\" in API group {group:?} {scope}"
            );
            Status::forbidden(group, resource, name, &why(text))
        }
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
