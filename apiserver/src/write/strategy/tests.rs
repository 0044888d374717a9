use serde_json::json;

use super::*;

#[test]
fn absent_null_and_empty_are_the_same_and_nothing_else_is() {
    let empty = [json!({}), json!({ "a": null }), json!({ "a": [] }), json!({ "a": {} })];
    for (a, b) in empty.iter().flat_map(|a| empty.iter().map(move |b| (a, b))) {
        assert!(same(a, b), "{a} {b}");
    }
    for other in [json!({ "a": 0 }), json!({ "a": "" }), json!({ "a": false }), json!({ "a": [null] })] {
        assert!(!same(&other, &json!({})) && !same(&json!({}), &other), "{other}");
    }
}

#[test]
fn the_quality_of_service_follows_from_requests_and_limits() {
    let class = |resources: Value| qos_class(&json!({ "spec": { "containers": [{ "resources": resources }] } }));
    assert_eq!(class(json!({})), "BestEffort");
    assert_eq!(class(json!({ "requests": { "cpu": "0" } })), "BestEffort");
    assert_eq!(class(json!({ "requests": { "cpu": "1" } })), "Burstable");
    let full = json!({ "cpu": "1", "memory": "1Gi" });
    assert_eq!(class(json!({ "limits": full })), "Guaranteed");
    assert_eq!(class(json!({ "limits": full, "requests": full })), "Guaranteed");
    assert_eq!(class(json!({ "limits": full, "requests": { "cpu": "500m" } })), "Burstable");
}
