//! Questions about oneself: `kubectl auth whoami`, `can-i`, `can-i --list`. They are answered, never stored.

use serde_json::{Value, json};

use super::User;
use crate::{
    object::text,
    rbac::{self, Attributes, decide},
    request::Target,
    state::State,
    status::{Cause, Result, Status},
};

const AUTHORIZATION: &str = "authorization.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// The answer (201). None if this is not about a review. Their resources are not in the catalog: ask here first.
pub fn review(state: &State, user: &User, target: &Target, body: &Value) -> Option<Result<Value>> {
    if target.version != "v1" || !target.name.is_empty() || !target.subresource.is_empty() {
        return None;
    }
    match (target.group.as_str(), target.plural.as_str()) {
        (AUTHENTICATION, "selfsubjectreviews") => Some(Ok(json!({
            "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
            "status": { "userInfo": user.info() },
        }))),
        (AUTHORIZATION, "selfsubjectaccessreviews") => Some(access(state, user, &body["spec"])),
        (AUTHORIZATION, "selfsubjectrulesreviews") => Some(rules(state, user, &body["spec"])),
        _ => None,
    }
}

/// Whether they may do one thing.
fn access(state: &State, user: &User, spec: &Value) -> Result<Value> {
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
        (false, false) => {
            let what = "null: exactly one of nonResourceAttributes or resourceAttributes must be specified";
            return Err(invalid("spec.resourceAttributes", what));
        }
        (true, true) => {
            let (verb, path) = (path["verb"].clone(), path["path"].clone());
            let what = format!(
                r#"{{"Path":{path},"Verb":{verb}}}: cannot be specified in combination with resourceAttributes"#
            );
            return Err(invalid("spec.nonResourceAttributes", &what));
        }
    };
    let decision = decide(state, user, &attributes);
    let mut status = json!({ "allowed": decision.allowed });
    if !decision.reason.is_empty() {
        status["reason"] = decision.reason.into();
    }
    Ok(json!({
        "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
        "spec": spec, "status": status,
    }))
}

/// No name, and no kind either: so it is in the real one.
fn invalid(field: &str, what: &str) -> Status {
    let message = format!("Invalid value: {what}");
    Status::invalid(AUTHORIZATION, "", "", &[Cause { reason: "FieldValueInvalid", field: field.into(), message }])
}

/// Every rule that holds for them in a namespace.
fn rules(state: &State, user: &User, spec: &Value) -> Result<Value> {
    let namespace = text(&spec["namespace"]);
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    rbac::visit(&state.store, user, namespace, &mut |found| {
        if let Ok((_, rule)) = found {
            let copy = |fields: &[&str], to: &mut Vec<Value>| {
                let there = fields.iter().filter(|field| rule[**field].is_array());
                to.push(there.map(|field| (field.to_string(), rule[*field].clone())).collect());
            };
            if rule["resources"].is_array() {
                copy(&["verbs", "apiGroups", "resources", "resourceNames"], &mut resources);
            }
            if rule["nonResourceURLs"].is_array() {
                copy(&["verbs", "nonResourceURLs"], &mut paths);
            }
        }
        true
    });
    Ok(json!({
        "kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": {},
        "status": { "resourceRules": resources, "nonResourceRules": paths, "incomplete": false },
    }))
}
