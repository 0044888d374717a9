//! The expected texts are what a real server (v1.36) says of the same objects.

use serde_json::{Value, json};

use super::*;
use crate::{
    catalog::Catalog,
    decoded::FieldValidation,
    object::{items, text},
    types::decode,
};

fn resource(kind: &str) -> std::sync::Arc<Resource> {
    Catalog::built_in().all().iter().find(|resource| resource.kind == kind).cloned().expect("built in")
}

/// As it is stored; with a name and namespace, if it has none.
fn stored(kind: &str, mut body: Value) -> Value {
    let resource = resource(kind);
    for (field, value) in [("name", "a"), ("namespace", "default")] {
        if body["metadata"][field].is_null() && (field == "name" || resource.namespaced) {
            body["metadata"][field] = value.into();
        }
    }
    decode(&resource, body, FieldValidation::Strict).expect("can be read").value
}

fn causes(result: Result<()>) -> Vec<String> {
    let Err(status) = result else { return vec![] };
    assert_eq!((status.code, status.reason), (422, "Invalid"));
    let causes = items(&status.details["causes"]).to_vec();
    causes.iter().map(|cause| format!("{}: {}", text(&cause["field"]), text(&cause["message"]))).collect()
}

/// What is wrong with a new object.
fn wrong(kind: &str, body: Value) -> Vec<String> {
    causes(validate(&resource(kind), &stored(kind, body), None))
}

/// What is wrong with changing one object into another.
fn change(kind: &str, old: Value, new: Value) -> Vec<String> {
    causes(validate(&resource(kind), &stored(kind, new), Some(&stored(kind, old))))
}

fn deployment(spec: Value) -> Value {
    let mut whole = json!({
        "selector": { "matchLabels": { "a": "b" } },
        "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "a", "image": "b" }] } },
    });
    json_patch::merge(&mut whole, &spec);
    json!({ "spec": whole })
}

#[test]
fn names_follow_the_rule_of_their_kind() {
    let named = |kind: &str, name: &str| wrong(kind, json!({ "metadata": { "name": name } }));
    assert_eq!(named("Namespace", "a.b"), [r#"metadata.name: Invalid value: "a.b": must not contain dots"#]);
    assert_eq!(named("ConfigMap", "a.b"), [""; 0]);
    assert!(
        named("ConfigMap", "A_b")[0].starts_with(r#"metadata.name: Invalid value: "A_b": a lowercase RFC 1123 sub"#)
    );
    assert_eq!(named("ClusterRole", "system:A_b"), [""; 0]);
    assert_eq!(named("ClusterRole", "a%b"), [r#"metadata.name: Invalid value: "a%b": may not contain '%'"#]);
    assert_eq!(wrong("ConfigMap", json!({ "metadata": { "generateName": "a-" } })), [""; 0]);
}

#[test]
fn what_others_rely_on_is_immutable() {
    let labels = json!({ "a": "x" });
    let other =
        deployment(json!({ "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels } } }));
    let expected = r#"spec.selector: Invalid value: {"matchLabels":{"a":"x"}}: field is immutable"#;
    assert_eq!(change("Deployment", deployment(json!({})), other), [expected]);

    let secret = json!({ "data": { "a": "" }, "immutable": true });
    let expected = [r#"type: Invalid value: "x": field is immutable"#];
    assert_eq!(change("Secret", json!({}), json!({ "type": "x" })), expected);
    let why = "Forbidden: field is immutable when `immutable` is set";
    let expected = [format!("immutable: {why}"), format!("data: {why}")];
    assert_eq!(change("Secret", secret.clone(), json!({ "data": { "a": "eA==" } })), expected);
    assert_eq!(change("Secret", secret.clone(), secret), [""; 0]);
    let map = json!({ "data": { "a": "" }, "immutable": true });
    let expected = [format!("data: {why}"), format!("binaryData: {why}")];
    assert_eq!(change("ConfigMap", map, json!({ "binaryData": { "b": "" }, "immutable": true })), expected);

    let binding = |name: &str| json!({ "roleRef": { "kind": "Role", "name": name } });
    let found = change("RoleBinding", binding("x"), binding("y"));
    assert!(found[0].starts_with("roleRef: Invalid value: {") && found[0].ends_with("}: cannot change roleRef"));
}
