use serde_json::json;

use super::*;

fn decode(wire: &Value) -> Result<Pki, serde_json::Error> {
    serde_json::from_str(&wire.to_string())
}

fn wire(spec: Value, status: Value) -> Value {
    json!({
        "apiVersion": "box.com/v1", "kind": "Pki",
        "metadata": { "name": "app1-pki", "namespace": "app1", "uid": "u1", "resourceVersion": "7", "generation": 3,
                      "managedFields": [{ "manager": "kubectl" }], "labels": { "a": "b" } },
        "spec": spec, "status": status,
    })
}

#[test]
fn what_is_used_is_kept() {
    let pki = decode(&wire(json!({ "serviceName": "app1" }), json!({ "observedGeneration": 2 }))).unwrap();
    assert_eq!((pki.key().as_str(), pki.uid(), pki.resource_version()), ("app1/app1-pki", "u1", "7"));
    assert_eq!((pki.generation, pki.deleting), (3, false));
    assert_eq!((&pki.spec["serviceName"], &pki.status["observedGeneration"]), (&json!("app1"), &json!(2)));
}

#[test]
fn no_spec_and_no_status_can_make_the_decoding_fail() {
    for nonsense in [json!(null), json!(7), json!("text"), json!([1]), json!({ "serviceName": { "a": 1 } })] {
        assert_eq!(decode(&wire(nonsense.clone(), json!({}))).unwrap().spec, nonsense);
        assert_eq!(decode(&wire(json!({}), nonsense.clone())).unwrap().status, nonsense);
    }
    let bare = decode(&json!({ "metadata": { "name": "n", "uid": "u" } })).unwrap();
    assert_eq!((bare.key().as_str(), &bare.spec, &bare.status), ("n", &Value::Null, &Value::Null));
}

#[test]
fn an_object_that_cannot_be_named_is_refused() {
    for metadata in [
        json!({}),
        json!({ "name": "n" }),
        json!({ "uid": "u" }),
        json!({ "name": "", "uid": "u" }),
        json!({ "name": "n", "uid": "" }),
    ] {
        assert!(decode(&json!({ "metadata": metadata, "spec": {} })).is_err(), "{metadata}");
    }
}

#[test]
fn an_object_with_a_deletion_timestamp_is_on_its_way_out() {
    let mut wire = wire(json!({}), json!({}));
    wire["metadata"]["deletionTimestamp"] = json!("2024-01-01T00:00:00Z");
    assert!(decode(&wire).unwrap().deleting);
}
