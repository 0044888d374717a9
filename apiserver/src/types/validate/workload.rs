//! The rules of Deployments and ReplicaSets.

use serde_json::Value;

use super::{Causes, items, meta, pod, text};
use crate::names;

pub fn deployment(object: &Value, old: Option<&Value>, wrong: &mut Causes) {
    let spec = &object["spec"];
    replicated(spec, wrong);
    strategy(&spec["strategy"], wrong);
    wrong.at_least("spec.minReadySeconds", &spec["minReadySeconds"], 0);
    wrong.at_least("spec.revisionHistoryLimit", &spec["revisionHistoryLimit"], 0);
    let deadline = &spec["progressDeadlineSeconds"];
    wrong.at_least("spec.progressDeadlineSeconds", deadline, 0);
    if deadline.as_i64().is_some_and(|seconds| seconds <= spec["minReadySeconds"].as_i64().unwrap_or_default()) {
        wrong.invalid("spec.progressDeadlineSeconds", deadline.clone(), "must be greater than minReadySeconds");
    }
    if let Some(old) = old {
        wrong.immutable("spec.selector", &spec["selector"], &old["spec"]["selector"]);
        status(&object["status"], "updatedReplicas", wrong);
    }
}

pub fn replica_set(object: &Value, old: Option<&Value>, wrong: &mut Causes) {
    let spec = &object["spec"];
    replicated(spec, wrong);
    wrong.at_least("spec.minReadySeconds", &spec["minReadySeconds"], 0);
    if let Some(old) = old {
        wrong.immutable("spec.selector", &spec["selector"], &old["spec"]["selector"]);
        status(&object["status"], "fullyLabeledReplicas", wrong);
    }
}

/// What a controller has counted: nothing is less than none, and no part is more than the whole. `own` is one that only
/// this kind counts.
fn status(status: &Value, own: &str, wrong: &mut Causes) {
    let counts = ["replicas", own, "readyReplicas", "availableReplicas", "unavailableReplicas", "terminatingReplicas"];
    for field in counts.into_iter().chain(["observedGeneration", "collisionCount"]) {
        wrong.at_least(&format!("status.{field}"), &status[field], 0);
    }
    let count = |field: &str| status[field].as_i64().unwrap_or_default();
    let mut part = |field: &str, whole: &str, name: &str| {
        if count(field) > count(whole) {
            wrong.invalid(&format!("status.{field}"), count(field), &format!("cannot be greater than {name}"));
        }
    };
    for field in [own, "readyReplicas", "availableReplicas"] {
        part(field, "replicas", "status.replicas");
    }
    part("availableReplicas", "readyReplicas", "readyReplicas");
}

/// Replicas, selector, template.
fn replicated(spec: &Value, wrong: &mut Causes) {
    wrong.at_least("spec.replicas", &spec["replicas"], 0);
    let selector = &spec["selector"];
    if selector.is_null() {
        wrong.required("spec.selector", "");
    } else {
        label_selector("spec.selector", selector, wrong);
    }
    let template = &spec["template"];
    let labels = &template["metadata"]["labels"];
    // Otherwise it would make pods for ever, and never find them.
    if !selects(selector, labels) {
        wrong.invalid("spec.template.metadata.labels", labels.clone(), "`selector` does not match template `labels`");
    }
    meta::labels("spec.template.labels", labels, wrong);
    let pod = &template["spec"];
    pod::spec(pod, "spec.template.spec", wrong);
    if let "OnFailure" | "Never" = text(&pod["restartPolicy"]) {
        wrong.one_of("spec.template.spec.restartPolicy", pod["restartPolicy"].clone(), &["Always"]);
    }
    if pod.get("activeDeadlineSeconds").is_some() {
        let why = "activeDeadlineSeconds in ReplicaSet is not Supported";
        wrong.forbidden("spec.template.spec.activeDeadlineSeconds", why);
    }
}

fn strategy(strategy: &Value, wrong: &mut Causes) {
    match text(&strategy["type"]) {
        "Recreate" => {
            if strategy.get("rollingUpdate").is_some() {
                let why = "may not be specified when strategy `type` is 'Recreate'";
                wrong.forbidden("spec.strategy.rollingUpdate", why);
            }
        }
        "RollingUpdate" => {
            let rolling = &strategy["rollingUpdate"];
            let mut amount = |field: &str| {
                amount(&format!("spec.strategy.rollingUpdate.{field}"), &rolling[field], wrong).unwrap_or(1)
            };
            let (unavailable, surge) = (amount("maxUnavailable"), amount("maxSurge"));
            let field = "spec.strategy.rollingUpdate.maxUnavailable";
            if unavailable == 0 && surge == 0 {
                wrong.invalid(field, rolling["maxUnavailable"].clone(), "may not be 0 when `maxSurge` is 0");
            }
            if rolling["maxUnavailable"].is_string() && unavailable > 100 {
                wrong.invalid(field, rolling["maxUnavailable"].clone(), "must not be greater than 100%");
            }
        }
        _ => wrong.one_of("spec.strategy", strategy.clone(), &["Recreate", "RollingUpdate"]),
    }
}

/// A number, or a percentage.
fn amount(field: &str, value: &Value, wrong: &mut Causes) -> Option<i64> {
    let Some(text) = value.as_str() else {
        wrong.at_least(field, value, 0);
        return value.as_i64();
    };
    let number = text.strip_suffix('%').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let number = number.and_then(|digits| digits.parse().ok());
    if number.is_none() {
        let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                   regex used for validation is '[0-9]+%')";
        wrong.invalid(field, text, why);
    }
    number
}

fn label_selector(field: &str, selector: &Value, wrong: &mut Causes) {
    meta::labels(&format!("{field}.matchLabels"), &selector["matchLabels"], wrong);
    for (i, one) in items(&selector["matchExpressions"]).iter().enumerate() {
        let at = |name: &str| format!("{field}.matchExpressions[{i}].{name}");
        let has_values = !items(&one["values"]).is_empty();
        match text(&one["operator"]) {
            "In" | "NotIn" if !has_values => {
                wrong.required(&at("values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if has_values => {
                wrong.forbidden(&at("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => wrong.invalid(&at("operator"), other, "not a valid selector operator"),
        }
        let key = text(&one["key"]);
        wrong.texts(&at("key"), key, names::label_key(key));
    }
}

/// Whether a selector (`matchLabels`, `matchExpressions`) selects what has these labels. An empty one does.
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
    // The real one says so of no selector at all, too.
    !selector.is_null()
        && wanted.all(|(key, value)| labels.get(key) == Some(value))
        && items(&selector["matchExpressions"]).iter().all(has)
}
