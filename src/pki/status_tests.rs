use super::*;

fn pki(status: Value) -> Pki {
    let wire = json!({
        "metadata": { "name": "app1-pki", "namespace": "app1", "uid": "u1", "resourceVersion": "7", "generation": 3 },
        "spec": { "serviceName": "app1" },
        "status": status,
    });
    serde_json::from_str(&wire.to_string()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn certificate() -> Certificate {
    Certificate { serial: "0a".into(), not_before: at(-300), not_after: at(3600), renewal: at(2400) }
}

/// The status after the patch, as the server merges it.
fn merged(mut status: Value, patch: &Value) -> Value {
    for (name, value) in patch["status"].as_object().unwrap() {
        status[name] = value.clone();
    }
    status
}

#[test]
fn it_says_what_there_is_and_carries_the_version_that_was_judged() {
    let patch = patch(&pki(Value::Null), Reason::Issued, "fine", Some(&certificate()), at(0)).unwrap();
    assert_eq!(patch["metadata"]["resourceVersion"], "7");
    assert_eq!(
        patch["status"],
        json!({
            "observedGeneration": 3,
            "serialNumber": "0a",
            "notBefore": "2023-11-14T22:08:20Z",
            "notAfter": "2023-11-14T23:13:20Z",
            "renewalTime": "2023-11-14T22:53:20Z",
            "conditions": [{ "type": "Ready", "status": "True", "reason": "Issued", "message": "fine",
                             "lastTransitionTime": "2023-11-14T22:13:20Z", "observedGeneration": 3 }],
        })
    );
}

#[test]
fn a_status_that_says_so_already_is_not_written_however_late_it_is() {
    for (reason, issued) in [(Reason::Issued, Some(certificate())), (Reason::NameNotAllowed, None)] {
        let first = patch(&pki(json!({})), reason, "words", issued.as_ref(), at(0)).unwrap();
        let written = pki(merged(json!({}), &first));
        assert_eq!(patch(&written, reason, "words", issued.as_ref(), at(999)), None, "{reason:?}");
    }
}

#[test]
fn the_transition_time_moves_only_when_the_condition_flips() {
    let first = patch(&pki(json!({})), Reason::NameNotAllowed, "a", None, at(0)).unwrap();
    let status = merged(json!({}), &first);
    let since = |patch: &Value| patch["status"]["conditions"][0]["lastTransitionTime"].clone();
    let other = patch(&pki(status.clone()), Reason::InvalidSpec, "b", None, at(60)).unwrap();
    assert_eq!(since(&other), since(&first), "another reason, still False");
    let flipped = patch(&pki(status), Reason::Issued, "c", Some(&certificate()), at(60)).unwrap();
    assert_eq!(since(&flipped), "2023-11-14T22:14:20Z");
}

#[test]
fn a_new_generation_is_written_even_if_nothing_else_is_new() {
    let first = patch(&pki(json!({})), Reason::Issued, "m", Some(&certificate()), at(0)).unwrap();
    let mut written = pki(merged(json!({}), &first));
    written.generation = 4;
    let patch = patch(&written, Reason::Issued, "m", Some(&certificate()), at(1)).unwrap();
    assert_eq!(patch["status"]["observedGeneration"], 4);
}

#[test]
fn conditions_of_others_and_the_dates_of_an_existing_certificate_stay() {
    let theirs = json!({ "type": "Audited", "status": "True" });
    let status = json!({ "conditions": [theirs], "serialNumber": "0a" });
    let patch = patch(&pki(status), Reason::NameNotAllowed, "no", None, at(0)).unwrap();
    assert_eq!(patch["status"]["conditions"][0], theirs);
    assert_eq!(patch["status"]["conditions"][1]["reason"], "NameNotAllowed");
    assert!(patch["status"].get("serialNumber").is_none(), "left alone");
}

#[test]
fn a_status_of_any_shape_is_put_right() {
    for nonsense in [json!("text"), json!(7), json!([]), json!({ "conditions": "none" })] {
        assert!(
            patch(&pki(nonsense.clone()), Reason::Issued, "m", Some(&certificate()), at(0)).is_some(),
            "{nonsense}"
        );
    }
}
