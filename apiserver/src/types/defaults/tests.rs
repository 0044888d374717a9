//! What is expected is what a real server (v1.36) stores.

use serde_json::{Value, json};

use crate::{catalog::Catalog, decoded::FieldValidation, types::decode};

fn stored(kind: &str, body: Value) -> Value {
    let resource = Catalog::built_in().all().iter().find(|resource| resource.kind == kind).cloned().expect("built in");
    decode(&resource, body, FieldValidation::Strict).expect("can be read").value
}

#[test]
fn an_image_is_always_pulled_if_its_tag_is_latest() {
    for (image, policy) in [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("r.io:5000/a", "Always"),
        ("a:1", "IfNotPresent"),
        ("r.io:5000/a:1", "IfNotPresent"),
        ("a@sha256:0123", "IfNotPresent"),
        ("", "IfNotPresent"),
    ] {
        let pod = stored("Pod", json!({ "spec": { "containers": [{ "name": "a", "image": image }] } }));
        assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], policy, "{image}");
    }
}

#[test]
fn string_data_is_merged_into_data_and_wins() {
    let secret = stored("Secret", json!({ "data": { "a": "eA==", "b": "eQ==" }, "stringData": { "a": "z", "c": "" } }));
    assert_eq!(secret["data"], json!({ "a": "eg==", "b": "eQ==", "c": "" }));
    assert_eq!((&secret["type"], secret.get("stringData")), (&json!("Opaque"), None));
    assert!(stored("Secret", json!({}))["data"].is_null());
}
