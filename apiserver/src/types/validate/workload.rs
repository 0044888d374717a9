//! The rules for Deployments and ReplicaSets.

use serde_json::Value;

use super::{meta, pod};
use crate::{
    causes::Causes,
    object::{items, text},
};

pub fn validate(object: &Value, old: Option<&Value>, causes: &mut Causes) {
    let spec = &object["spec"];
    causes.at_least("spec.replicas", &spec["replicas"], 0);
    let selector = &spec["selector"];
    if selector.is_null() {
        causes.required("spec.selector", "");
    }
    let template = &spec["template"];
    let labels = &template["metadata"]["labels"];
    // Otherwise the controller would create pods forever and never find them.
    if !selects(selector, labels) {
        causes.invalid("spec.template.metadata.labels", labels.clone(), "`selector` does not match template `labels`");
    }
    meta::validate_labels("spec.template.labels", labels, causes);
    pod::validate_spec(&template["spec"], "spec.template.spec", causes);
    if let "OnFailure" | "Never" = text(&template["spec"]["restartPolicy"]) {
        causes.one_of("spec.template.spec.restartPolicy", template["spec"]["restartPolicy"].clone(), &["Always"]);
    }
    causes.immutable("spec.selector", selector, old.map(|old| &old["spec"]["selector"]));
}

/// Whether a selector (`matchLabels`, `matchExpressions`) matches these labels; an empty selector matches all.
fn selects(selector: &Value, labels: &Value) -> bool {
    let mut wanted = selector["matchLabels"].as_object().into_iter().flatten();
    let has = |one: &Value| {
        let label = labels.get(text(&one["key"]));
        let is_named = label.is_some_and(|label| items(&one["values"]).contains(label));
        match text(&one["operator"]) {
            "In" => is_named,
            "NotIn" => !is_named,
            "Exists" => label.is_some(),
            "DoesNotExist" => label.is_none(),
            _ => false,
        }
    };
    // As in the real server, an absent selector matches nothing.
    !selector.is_null()
        && wanted.all(|(key, value)| labels.get(key) == Some(value))
        && items(&selector["matchExpressions"]).iter().all(has)
}
