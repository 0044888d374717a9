use serde_json::{Value, json};

use super::*;

fn pod(mut wire: Value) -> Pod {
    for (field, value) in [("name", "web-1"), ("namespace", "app1"), ("uid", "u1"), ("resourceVersion", "7")] {
        if wire["metadata"][field].is_null() {
            wire["metadata"][field] = value.into();
        }
    }
    serde_json::from_str(&wire.to_string()).unwrap()
}

#[test]
fn it_keeps_what_is_used_and_skips_the_rest() {
    let pod = pod(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "labels": { "app": "web" }, "managedFields": [{ "manager": "x" }] },
        "spec": { "nodeName": "node-1", "schedulerName": "s", "containers": [{ "name": "c", "image": "i" }] },
        "status": { "phase": "Running", "podIP": "10.0.0.1",
                    "initContainerStatuses": [{ "name": "i", "restartCount": 1 }],
                    "containerStatuses": [{ "name": "c", "restartCount": 2 }, { "name": "d", "restartCount": 3 }] }
    }));
    assert_eq!(pod.key().as_str(), "app1/web-1");
    assert_eq!((pod.uid(), pod.resource_version(), pod.node.as_deref()), ("u1", "7", Some("node-1")));
    assert_eq!((pod.state, pod.restarts), (State::Running, 6));
    assert!(pod.secrets.is_empty());
}

#[test]
fn its_state_is_one_word() {
    let state = |status: Value| pod(json!({ "status": status })).state;
    assert_eq!(pod(json!({})).state, State::Pending, "no status yet");
    assert_eq!(state(json!({ "phase": "Pending" })), State::Pending);
    assert_eq!(state(json!({ "phase": "Running" })), State::Running);
    let ready =
        |status: &str| json!([{ "type": "Initialized", "status": "True" }, { "type": "Ready", "status": status }]);
    assert_eq!(state(json!({ "phase": "Running", "conditions": ready("True") })), State::Ready);
    assert_eq!(state(json!({ "phase": "Running", "conditions": ready("False") })), State::Running);
    assert_eq!(state(json!({ "phase": "Pending", "conditions": ready("True") })), State::Pending);
    assert_eq!(state(json!({ "phase": "Succeeded" })), State::Succeeded);
    assert_eq!(state(json!({ "phase": "Failed" })), State::Failed);
    assert_eq!(state(json!({ "phase": "Unknown" })), State::Unknown);
    let dying =
        json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" }, "status": { "phase": "Running" } });
    assert_eq!(pod(dying).state, State::Terminating);
}

#[test]
fn a_phase_from_the_future_is_an_error_not_a_guess() {
    let wire =
        json!({ "metadata": { "name": "a", "uid": "u", "resourceVersion": "1" }, "status": { "phase": "Frozen" } });
    let error = serde_json::from_str::<Pod>(&wire.to_string()).unwrap_err();
    assert!(error.to_string().contains("Frozen"), "{error}");
}

#[test]
fn it_is_found_by_every_secret_that_it_cannot_start_without() {
    let pod = pod(json!({ "spec": {
        "volumes": [
            { "name": "a", "secret": { "secretName": "volume" } },
            { "name": "b", "secret": {} },
            { "name": "c", "emptyDir": {} },
            { "name": "d", "projected": { "sources": [
                { "serviceAccountToken": { "path": "t" } }, { "secret": { "name": "projected" } }] } },
        ],
        "initContainers": [{ "env": [{ "name": "E", "valueFrom": { "secretKeyRef": { "name": "init-env", "key": "k" } } }] }],
        "containers": [
            { "env": [{ "name": "E", "value": "plain" },
                      { "name": "F", "valueFrom": { "secretKeyRef": { "name": "env", "key": "k" } } },
                      { "name": "G", "valueFrom": { "fieldRef": { "fieldPath": "p" } } }] },
            { "envFrom": [{ "secretRef": { "name": "env-from" } }, { "configMapRef": { "name": "no" } },
                          { "secretRef": { "name": "volume" } }] },
        ],
    } }));
    let names: Vec<_> = pod.secrets.iter().map(Key::as_str).collect();
    assert_eq!(names, ["app1/env", "app1/env-from", "app1/init-env", "app1/projected", "app1/volume"]);
}

#[test]
fn text_with_escapes_is_read_like_any_other() {
    let text = r#"{"metadata":{"name":"a","namespace":"n\u0073","uid":"\u0075","resourceVersion":"1"},"spec":{"nodeName":"n\"1"}}"#;
    let pod: Pod = serde_json::from_str(text).unwrap();
    assert_eq!((pod.key().as_str(), pod.node.as_deref()), ("ns/a", Some("n\"1")));
}
