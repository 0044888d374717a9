use serde_json::{Value, json};

use super::*;
use crate::catalog::Catalog;

fn resource(kind: &str) -> std::sync::Arc<Resource> {
    Catalog::built_in().all().iter().find(|resource| resource.kind == kind).cloned().expect("built in")
}

fn read(kind: &str, body: Value, validation: FieldValidation) -> Result<Decoded> {
    decode(&resource(kind), body, validation)
}

fn understood(kind: &str, body: Value) -> Value {
    read(kind, body, FieldValidation::Warn).expect("is right").value
}

fn refused(kind: &str, body: Value) -> String {
    let status = read(kind, body, FieldValidation::Strict).expect_err("is wrong");
    assert_eq!((status.code, status.reason), (400, "BadRequest"));
    status.message
}

#[test]
fn every_built_in_resource_has_a_type() {
    for resource in Catalog::built_in().all() {
        let body = json!({ "metadata": { "name": "a" } });
        let decoded = decode(resource, body, FieldValidation::Strict).expect("an empty one is understood");
        assert_eq!(decoded.value["kind"], resource.kind);
        assert_eq!(decoded.value["apiVersion"], resource.api_version());
    }
}

#[test]
fn unknown_fields_are_named_with_their_paths_and_dropped() {
    let body = json!({
        "metadata": { "name": "a" },
        "foo": 1,
        "spec": { "containers": [{ "name": "a", "xx": 1, "env": [{ "name": "b", "valu": 1 }] }], "xyz": { "a": [] } },
    });
    let decoded = read("Pod", body.clone(), FieldValidation::Warn).expect("is right");
    let mut warnings = decoded.warnings;
    warnings.sort();
    let expected = [
        r#"unknown field "foo""#,
        r#"unknown field "spec.containers[0].env[0].valu""#,
        r#"unknown field "spec.containers[0].xx""#,
        r#"unknown field "spec.xyz""#,
    ];
    assert_eq!(warnings, expected);
    assert_eq!(decoded.value["spec"]["containers"][0]["env"], json!([{ "name": "b" }]));
    assert!(decoded.value.get("foo").is_none() && decoded.value["spec"].get("xyz").is_none());

    let message = refused("Pod", body.clone());
    assert!(message.starts_with(r#"Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown"#));
    assert!(message.contains(r#"unknown field "spec.containers[0].xx", "#));
    assert!(read("Pod", body, FieldValidation::Ignore).expect("is right").warnings.is_empty());
}

#[test]
fn quantities_times_and_int_or_string_survive() {
    let deployment = understood(
        "Deployment",
        json!({
            "metadata": { "name": "a", "creationTimestamp": null, "managedFields": [{ "manager": "x" }] },
            "spec": {
                "replicas": 0,
                "strategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": "10%" } },
                "template": { "metadata": { "creationTimestamp": null }, "spec": { "containers": [{
                    "name": "a", "resources": { "limits": { "cpu": 2, "memory": "1Gi" } },
                    "livenessProbe": { "httpGet": { "port": "web" } },
                }] } },
            },
        }),
    );
    let spec = &deployment["spec"];
    assert_eq!(spec["replicas"], 0);
    let rolling = json!({ "maxSurge": 1, "maxUnavailable": "10%" });
    assert_eq!(spec["strategy"], json!({ "type": "RollingUpdate", "rollingUpdate": rolling }));
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(container["resources"], json!({ "limits": { "cpu": "2", "memory": "1Gi" } }));
    assert_eq!(container["livenessProbe"]["httpGet"]["port"], "web");
    assert_eq!(deployment["metadata"], json!({ "name": "a" }));
    assert_eq!(spec["template"]["metadata"], json!({}));

    let lease = understood("Lease", json!({ "spec": { "renewTime": "2026-01-02T03:04:05.123456Z" } }));
    assert_eq!(lease["spec"]["renewTime"], "2026-01-02T03:04:05.123456Z");
    let event = understood("Event", json!({ "firstTimestamp": "2026-01-02T03:04:05Z", "count": 3 }));
    assert_eq!((&event["firstTimestamp"], &event["count"]), (&json!("2026-01-02T03:04:05Z"), &json!(3)));
}

#[test]
fn decoding_what_was_decoded_changes_nothing() {
    for resource in Catalog::built_in().all() {
        let once = decode(resource, json!({ "metadata": { "name": "a" } }), FieldValidation::Strict).expect("is right");
        let twice = decode(resource, once.value.clone(), FieldValidation::Strict).expect("is still right");
        assert_eq!(once.value, twice.value);
    }
}
