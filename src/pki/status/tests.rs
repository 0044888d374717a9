use super::*;

fn pki(status: &Value) -> Pki {
    let metadata =
        json!({ "name": "app1-pki", "namespace": "app1", "uid": "u1", "resourceVersion": "7", "generation": 3 });
    serde_json::from_value(json!({ "metadata": metadata, "status": status })).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn certificate() -> Certificate {
    Certificate {
        serial: "0a".into(),
        not_before: at(-300),
        not_after: at(3600),
        renewal: at(2400),
        ..Certificate::default()
    }
}

/// The status that the server has after the patch.
fn merged(status: &Value, patch: &Value) -> Value {
    let mut status = status.clone();
    for (name, value) in patch["status"].as_object().unwrap() {
        status[name] = value.clone();
    }
    status
}

#[test]
fn patch_has_the_version_the_condition_and_the_dates() {
    let patch = patch(&pki(&Value::Null), ISSUED, "fine", Some(&certificate()), at(0)).unwrap();
    assert_eq!(patch["metadata"], json!({ "resourceVersion": "7" }));
    let condition = json!({ "type": "Ready", "status": "True", "reason": "Issued", "message": "fine",
                            "lastTransitionTime": "2023-11-14T22:13:20Z", "observedGeneration": 3 });
    assert_eq!(
        patch["status"],
        json!({ "observedGeneration": 3, "serialNumber": "0a", "notBefore": "2023-11-14T22:08:20Z",
                "notAfter": "2023-11-14T23:13:20Z", "renewalTime": "2023-11-14T22:53:20Z", "conditions": [condition] })
    );
}

#[test]
fn unchanged_status_is_not_written_again() {
    for (reason, valid) in [(ISSUED, Some(certificate())), (NAME_NOT_ALLOWED, None)] {
        let first = patch(&pki(&json!({})), reason, "m", valid.as_ref(), at(0)).unwrap();
        let mut written = pki(&merged(&json!({}), &first));
        assert_eq!(patch(&written, reason, "m", valid.as_ref(), at(999)), None, "{reason}");
        written.generation = 4;
        let patch = patch(&written, reason, "m", valid.as_ref(), at(999)).unwrap();
        assert_eq!(patch["status"]["observedGeneration"], 4, "a new generation is written");
    }
}

#[test]
fn transition_time_changes_only_with_the_condition() {
    let first = patch(&pki(&json!({})), NAME_NOT_ALLOWED, "a", None, at(0)).unwrap();
    let status = merged(&json!({}), &first);
    let since = |patch: Value| patch["status"]["conditions"][0]["lastTransitionTime"].clone();
    assert_eq!(since(patch(&pki(&status), INVALID_SPEC, "b", None, at(60)).unwrap()), "2023-11-14T22:13:20Z");
    assert_eq!(since(patch(&pki(&status), ISSUED, "c", Some(&certificate()), at(60)).unwrap()), "2023-11-14T22:14:20Z");
}

#[test]
fn other_conditions_and_last_certificate_are_kept() {
    let other = json!({ "type": "Audited", "status": "True" });
    let status = json!({ "conditions": [other], "serialNumber": "0a" });
    let patch = patch(&pki(&status), NAME_NOT_ALLOWED, "no", None, at(0)).unwrap();
    assert_eq!(patch["status"]["conditions"][0], other);
    assert_eq!(patch["status"]["conditions"][1]["reason"], "NameNotAllowed");
    assert!(patch["status"].get("serialNumber").is_none());
}

#[test]
fn malformed_status_is_replaced() {
    for status in [json!("text"), json!(7), json!([]), json!({ "conditions": "none" })] {
        assert!(patch(&pki(&status), ISSUED, "m", Some(&certificate()), at(0)).is_some(), "{status}");
    }
}
