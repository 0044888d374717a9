//! Authorization by the Roles, ClusterRoles and bindings in the store.
//!
//! ```text
//!  request --> Attributes --> bindings of the user --> rules of their roles --> does one rule allow it?
//! ```
//!
//! Promises:
//! * a request that no rule allows gets 403 and the real server's message; rules cannot deny;
//! * a RoleBinding grants its Role or ClusterRole in its own namespace only;
//! * members of `system:masters` may do everything, without any rule;
//! * what every user may do (discovery, health checks, self reviews) comes from the roles in
//!   [`bootstrap`](mod@bootstrap), which are in the store like all others.
//!
//! There is no index from users to rules. Like the real server, this one checks all bindings.

mod bootstrap;
mod rules;

use serde_json::Value;

use crate::{
    object::strings,
    request::{Query, Request, RequestInfo, Verb},
    selector,
    status::{Result, Status},
    store::Store,
    user::User,
};

pub use bootstrap::bootstrap;
pub use rules::rules;

/// The API group.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// The input of a decision, besides the user.
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
    /// A non-resource URL such as `/version`. The verb is the method in lower case.
    Path { verb: &'a str, path: &'a str },
}

/// Checks that the user may make this request.
///
/// # Errors
/// 403 with the real server's message.
pub fn authorize(store: &Store, user: &User, request: &Request, info: Option<&RequestInfo>) -> Result<()> {
    let method = request.method.as_str().to_ascii_lowercase();
    let attributes = match info {
        Some(info) => Attributes::from_request(info, &request.query),
        None => Attributes::Path { verb: &method, path: &request.path },
    };
    require(store, user, &attributes)
}

/// Like [`authorize`], for attributes that do not come from the request.
///
/// # Errors
/// As [`authorize`].
pub fn require(store: &Store, user: &User, attributes: &Attributes<'_>) -> Result<()> {
    if is_allowed(store, user, attributes) { Ok(()) } else { Err(forbidden(user, attributes)) }
}

pub fn is_allowed(store: &Store, user: &User, attributes: &Attributes<'_>) -> bool {
    let namespace = match attributes {
        Attributes::Resource { namespace, .. } => namespace,
        Attributes::Path { .. } => "",
    };
    user.is_superuser() || rules(store, user, namespace).any(|rule| allows(rule, attributes))
}

impl<'a> Attributes<'a> {
    /// The attributes of a request for a resource.
    pub fn from_request(info: &'a RequestInfo, query: &'a Query) -> Self {
        // A list or a watch of one name has this name, so that a rule with resourceNames can allow `kubectl get NAME -w`.
        let name = if matches!(info.verb, Verb::List | Verb::Watch) && info.name.is_empty() {
            selector::selected_name(query)
        } else {
            &info.name
        };
        // A Namespace counts as an object in itself, so that a RoleBinding in it can grant access to it.
        let is_namespace = info.group.is_empty() && info.plural == "namespaces";
        Attributes::Resource {
            verb: info.verb.as_str(),
            group: &info.group,
            resource: &info.plural,
            subresource: &info.subresource,
            namespace: if is_namespace { &info.name } else { &info.namespace },
            name,
        }
    }
}

fn allows(rule: &Value, attributes: &Attributes<'_>) -> bool {
    match *attributes {
        Attributes::Resource { verb, group, resource, subresource, name, .. } => {
            contains(&rule["verbs"], verb)
                && contains(&rule["apiGroups"], group)
                && strings(&rule["resources"]).any(|pattern| resource_matches(pattern, resource, subresource))
                && (strings(&rule["resourceNames"]).next().is_none()
                    || strings(&rule["resourceNames"]).any(|allowed| allowed == name))
        }
        Attributes::Path { verb, path } => {
            contains(&rule["verbs"], verb)
                && strings(&rule["nonResourceURLs"]).any(|pattern| non_resource_url_matches(pattern, path))
        }
    }
}

/// `pods`, `pods/status`, `*/scale`, `*`. Pitfall: `pods` does not cover `pods/status`, and there is no `pods/*`.
fn resource_matches(pattern: &str, resource: &str, subresource: &str) -> bool {
    match pattern.split_once('/') {
        None => pattern == "*" || (subresource.is_empty() && pattern == resource),
        Some((of, sub)) => !subresource.is_empty() && sub == subresource && (of == "*" || of == resource),
    }
}

/// `/version`, `/healthz/*`, `*`.
fn non_resource_url_matches(pattern: &str, path: &str) -> bool {
    pattern == path || pattern.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
}

/// Whether the list contains the value or `*`.
fn contains(list: &Value, value: &str) -> bool {
    strings(list).any(|one| one == "*" || one == value)
}

fn forbidden(user: &User, attributes: &Attributes<'_>) -> Status {
    // Like the real server, escape HTML for browsers.
    let escape = |text: String| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let user = &user.name;
    match *attributes {
        Attributes::Path { verb, path } => {
            let why = escape(format!("User {user:?} cannot {verb} path {path:?}"));
            Status::new(403, "Forbidden", format!("forbidden: {why}")).with_empty_details()
        }
        Attributes::Resource { verb, group, resource, subresource, namespace, name } => {
            let slash = if subresource.is_empty() { "" } else { "/" };
            let scope = if namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace {namespace:?}")
            };
            let what = format!("cannot {verb} resource \"{resource}{slash}{subresource}\" in API group {group:?}");
            Status::forbidden(group, resource, name, &escape(format!("User {user:?} {what} {scope}")))
        }
    }
}

#[cfg(test)]
mod tests;
