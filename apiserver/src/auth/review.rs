//! Self-subject reviews: `kubectl auth whoami`, `can-i`, `can-i --list`. They are never stored.

use serde_json::{Value, json};

use crate::{
    causes::Causes,
    object::text,
    rbac::{self, Attributes, is_allowed},
    request::RequestInfo,
    status::{Result, Status},
    store::Store,
    user::User,
};

const AUTHORIZATION: &str = "authorization.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// The response to a create of a review (201); None for any other resource. Reviews are not in the catalog.
pub fn review(store: &Store, user: &User, info: &RequestInfo, body: &Value) -> Option<Result<Value>> {
    if info.version != "v1" || !info.name.is_empty() || !info.subresource.is_empty() {
        return None;
    }
    match (info.group.as_str(), info.plural.as_str()) {
        (AUTHENTICATION, "selfsubjectreviews") => Some(Ok(json!({
            "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
            "status": { "userInfo": user.info() },
        }))),
        (AUTHORIZATION, "selfsubjectaccessreviews") => Some(review_access(store, user, &body["spec"])),
        (AUTHORIZATION, "selfsubjectrulesreviews") => Some(review_rules(store, user, &body["spec"])),
        _ => None,
    }
}

/// SelfSubjectAccessReview: whether RBAC allows one action.
fn review_access(store: &Store, user: &User, spec: &Value) -> Result<Value> {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let attributes = match (resource.is_object(), path.is_object()) {
        (true, false) => Attributes::Resource {
            verb: text(&resource["verb"]),
            group: text(&resource["group"]),
            resource: text(&resource["resource"]),
            subresource: text(&resource["subresource"]),
            namespace: text(&resource["namespace"]),
            name: text(&resource["name"]),
        },
        (false, true) => Attributes::Path { verb: text(&path["verb"]), path: text(&path["path"]) },
        _ => {
            let mut causes = Causes::default();
            let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            causes.invalid("spec.resourceAttributes", resource.clone(), why);
            // The real server sends neither a name nor a kind.
            return Err(Status::invalid(AUTHORIZATION, "", "", &causes.0));
        }
    };
    Ok(json!({
        "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": spec, "status": { "allowed": is_allowed(store, user, &attributes) },
    }))
}

/// SelfSubjectRulesReview: every rule that applies to the user in a namespace.
fn review_rules(store: &Store, user: &User, spec: &Value) -> Result<Value> {
    let namespace = text(&spec["namespace"]);
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let (resources, paths): (Vec<&Value>, Vec<&Value>) =
        rbac::rules(store, user, namespace).partition(|rule| rule["resources"].is_array());
    Ok(json!({
        "kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": {},
        "status": { "resourceRules": resources, "nonResourceRules": paths, "incomplete": false },
    }))
}
