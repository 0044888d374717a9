use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::catalog::Catalog;

fn resource(kind: &str) -> std::sync::Arc<Resource> {
    Catalog::built_in().all().iter().find(|resource| resource.kind == kind).cloned().expect("built in")
}

fn pod() -> Value {
    let spec = json!({ "containers": [{ "name": "a", "image": "b" }, { "name": "c", "image": "d" }] });
    let body = json!({ "metadata": { "name": "p", "labels": { "a": "b" } }, "spec": spec });
    types::decode(&resource("Pod"), body, FieldValidation::Strict).expect("is right").value
}

fn patched(content_type: &str, patch: Value) -> Result<Decoded> {
    apply(&resource("Pod"), content_type, &pod(), patch.to_string().as_bytes(), FieldValidation::Strict)
}

#[test]
fn each_content_type_has_its_own_patch() {
    let image = json!({ "spec": { "containers": [{ "name": "c", "image": "e" }] } });
    let merged = patched("application/merge-patch+json; charset=utf-8", image.clone()).expect("is right").value;
    assert_eq!(merged["spec"]["containers"].as_array().map(Vec::len), Some(1));
    let merged = patched("application/strategic-merge-patch+json", image).expect("is right").value;
    assert_eq!(merged["spec"]["containers"].as_array().map(Vec::len), Some(2));
    assert_eq!(merged["spec"]["containers"][1]["image"], "e");
    let replaced = json!([{ "op": "replace", "path": "/spec/containers/1/image", "value": "e" }]);
    assert_eq!(patched("application/json-patch+json", replaced).expect("is right").value, merged);
}

#[test]
fn server_side_apply_is_415_and_says_so() {
    let status = patched("application/apply-patch+yaml", json!({})).expect_err("is refused");
    assert_eq!((status.code, status.reason), (415, "UnsupportedMediaType"));
    assert!(status.message.starts_with("server-side apply is not implemented"));
    let status = patched("application/json", json!({})).expect_err("is refused");
    assert_eq!((status.code, status.message.as_str()), (415, "415: Unsupported Media Type"));
}

#[test]
fn what_is_no_patch_is_400() {
    for (content_type, patch, message) in [
        (
            MERGE,
            json!([]),
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (MERGE, json!(null), "Invalid JSON Patch"),
        (STRATEGIC, json!("x"), "json: cannot unmarshal string into Go value of type map[string]interface {}"),
        (
            JSON,
            json!({}),
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
    ] {
        let status = patched(content_type, patch).expect_err("is refused");
        assert_eq!((status.code, status.message.as_str()), (400, message));
    }
    assert!(patched(STRATEGIC, json!(null)).is_ok());
}

#[test]
fn a_patch_that_makes_nonsense_is_422_with_the_patch_as_the_cause() {
    let status = patched(STRATEGIC, json!({ "spec": { "foo": 1 } })).expect_err("is refused");
    let why = r#""{\"spec\":{\"foo\":1}}": strict decoding error: unknown field "spec.foo""#;
    assert_eq!((status.code, status.reason), (422, "Invalid"));
    assert_eq!(status.message, format!(r#" "" is invalid: patch: Invalid value: {why}"#));
    assert_eq!(status.details["causes"][0]["field"], "patch");
    assert_eq!(patched(MERGE, json!({ "kind": "Secret" })).expect_err("is refused").code, 422);
    assert_eq!(patched(MERGE, json!({ "spec": { "nodeName": 1 } })).expect_err("is refused").code, 422);
    // A struct has its type; the patch cannot change it.
    assert_eq!(patched(STRATEGIC, json!({ "kind": "Secret" })).expect("is right").value["kind"], "Pod");
}

/// The merge patch that leads from one object to another.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let gone = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed = to.iter().filter(|(key, value)| from.get(*key) != Some(value));
    let changed = changed.map(|(key, value)| (key.clone(), difference(from.get(key).unwrap_or(&Value::Null), value)));
    gone.chain(changed).collect()
}

fn any_fields() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![any::<bool>().prop_map(Value::from), (0..4).prop_map(Value::from)];
    let tree = leaf.prop_recursive(4, 32, 4, |inner| {
        proptest::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| map.into_iter().collect())
    });
    proptest::collection::btree_map("[a-c]", tree, 0..4).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn the_merge_patch_of_a_difference_leads_there(from in any_fields(), to in any_fields()) {
        let patch = difference(&from, &to);
        let mut merged = from;
        json_patch::merge(&mut merged, &patch);
        prop_assert_eq!(merged, to);
    }
}
