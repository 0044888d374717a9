use serde_json::json;

use super::*;

fn merged(original: Value, patch: Value) -> Result<Value> {
    let (Value::Object(mut original), Value::Object(patch)) = (original, patch) else { panic!("two objects") };
    merge(&mut original, patch, Location { kind: "Pod", parent: "" })?;
    Ok(Value::Object(original))
}

fn pod(spec: Value) -> Value {
    json!({ "metadata": { "name": "p", "finalizers": ["a", "b"] }, "spec": spec })
}

/// Patches the spec of a pod.
fn patched_spec(spec: Value, patch: Value) -> Value {
    merged(pod(spec), json!({ "spec": patch })).expect("is valid")["spec"].clone()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|element| element["name"].as_str().expect("a name")).collect()
}

fn abc() -> Value {
    json!({ "containers": [{ "name": "a", "image": "1" }, { "name": "b", "image": "2" }, { "name": "c" }] })
}

#[test]
fn directives_delete_and_replace() {
    let patched = patched_spec(abc(), json!({ "containers": [{ "name": "b", "$patch": "delete" }] }));
    assert_eq!(names(&patched["containers"]), ["a", "c"]);
    let patched = patched_spec(abc(), json!({ "containers": [{ "$patch": "replace" }, { "name": "z" }] }));
    assert_eq!(names(&patched["containers"]), ["z"]);
    let patched =
        patched_spec(json!({ "securityContext": { "a": 1 } }), json!({ "securityContext": { "$patch": "delete" } }));
    assert_eq!(patched, json!({ "securityContext": {} }));
    let patch = json!({ "securityContext": { "$patch": "replace", "b": 1 } });
    assert_eq!(patched_spec(json!({ "securityContext": { "a": 1 } }), patch), json!({ "securityContext": { "b": 1 } }));
    // Deleting a missing element, or $retainKeys for a new field, is not an error.
    let patch = json!({ "containers": [{ "name": "x", "$patch": "delete" }], "strategy": { "$retainKeys": ["type"], "type": 1 } });
    assert_eq!(patched_spec(json!({}), patch), json!({ "containers": [], "strategy": { "type": 1 } }));
}

#[test]
fn element_order_keeps_unlisted_elements_in_place() {
    let order = json!({ "$setElementOrder/containers": [{ "name": "c" }, { "name": "a" }] });
    assert_eq!(names(&patched_spec(abc(), order)["containers"]), ["b", "c", "a"]);
    let with_new = json!({
        "$setElementOrder/containers": [{ "name": "n" }, { "name": "a" }, { "name": "c" }],
        "containers": [{ "name": "n" }],
    });
    assert_eq!(names(&patched_spec(abc(), with_new)["containers"]), ["n", "a", "b", "c"]);
}

#[test]
fn list_merge_depends_on_the_kind() {
    let with = |kind: &str, original: Value, patch: Value| {
        let (Value::Object(mut original), Value::Object(patch)) = (original, patch) else { panic!("two objects") };
        merge(&mut original, patch, Location { kind, parent: "" }).expect("is valid");
        Value::Object(original)
    };
    let secrets = |list: Value| json!({ "imagePullSecrets": list });
    let (a, b) = (json!([{ "name": "a" }]), json!([{ "name": "b" }]));
    assert_eq!(with("ServiceAccount", secrets(a.clone()), secrets(b.clone())), secrets(b.clone()));
    assert_eq!(with("Pod", secrets(a), secrets(b)), secrets(json!([{ "name": "b" }, { "name": "a" }])));
    let namespace = |list: Value| json!({ "spec": { "finalizers": list } });
    let replaced = with("Namespace", namespace(json!(["kubernetes"])), namespace(json!(["x"])));
    assert_eq!(replaced, namespace(json!(["x"])));
    let budget = |labels: Value| json!({ "spec": { "selector": { "matchLabels": labels } } });
    let replaced = with("PodDisruptionBudget", budget(json!({ "a": "1" })), budget(json!({ "b": "2" })));
    assert_eq!(replaced, budget(json!({ "b": "2" })));
}
