use serde_json::{Value, json};

use super::*;
use crate::informer::Store;
use crate::pods::protobuf::{decode_pod, tests::encode};

fn decode(mut wire: Value) -> Pod {
    for (field, value) in [("name", "web-1"), ("namespace", "app1"), ("uid", "u1"), ("resourceVersion", "7")] {
        wire["metadata"][field] = value.into();
    }
    let pod: Pod = serde_json::from_str(&wire.to_string()).unwrap();
    assert_eq!(decode_pod(encode(&wire)).as_ref(), Ok(&pod), "both encodings");
    pod
}

#[test]
fn pod_has_only_the_used_fields() {
    let pod = decode(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "labels": { "app": "web" }, "managedFields": [{ "manager": "x" }] },
        "spec": { "nodeName": "node\"1", "schedulerName": "s", "containers": [{ "name": "c", "image": "i" }] },
        "status": { "phase": "Running", "podIP": "10.0.0.1",
                    "initContainerStatuses": [{ "name": "i", "restartCount": 1 }],
                    "containerStatuses": [{ "name": "c", "restartCount": 2 }, { "name": "d", "restartCount": 3 }] }
    }));
    assert_eq!(pod.key().as_str(), "app1/web-1");
    assert_eq!((pod.uid(), pod.resource_version(), pod.node.as_deref()), ("u1", "7", Some("node\"1")));
    assert_eq!((pod.state, pod.restarts), (PodState::Running, 6));
    assert!(pod.secrets.is_empty());
}

#[test]
fn state_is_phase_refined_by_readiness_and_deletion() {
    let state = |status: Value| decode(json!({ "status": status })).state;
    let ready =
        |status: &str| json!([{ "type": "Initialized", "status": "True" }, { "type": "Ready", "status": status }]);
    assert_eq!(decode(json!({})).state, PodState::Pending, "no status yet");
    for phase in [PodState::Pending, PodState::Running, PodState::Succeeded, PodState::Failed, PodState::Unknown] {
        assert_eq!(state(json!({ "phase": phase.as_str(), "conditions": ready("False") })), phase);
    }
    assert_eq!(state(json!({ "phase": "Running", "conditions": ready("True") })), PodState::Ready);
    assert_eq!(state(json!({ "phase": "Pending", "conditions": ready("True") })), PodState::Pending);
    let deleted =
        json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" }, "status": { "phase": "Running" } });
    assert_eq!(decode(deleted).state, PodState::Terminating);
    let metadata = json!({ "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1" });
    let unknown = json!({ "metadata": metadata, "status": { "phase": "Frozen" } });
    let error = serde_json::from_str::<Pod>(&unknown.to_string()).unwrap_err();
    assert!(error.to_string().contains("Frozen"), "an unknown phase is an error: {error}");
}

#[test]
fn reason_is_that_of_the_pod_or_its_first_failing_container() {
    let reason = |status: Value| decode(json!({ "status": status })).reason;
    let waiting = |reason: &str| json!({ "restartCount": 0, "state": { "waiting": { "reason": reason } } });
    let normal = [
        waiting("ContainerCreating"),
        json!({ "restartCount": 0, "state": { "running": {} } }),
        json!({ "restartCount": 0, "state": { "terminated": { "reason": "Completed" } }, "lastState": { "terminated": {} } }),
    ];
    assert_eq!(reason(json!({ "containerStatuses": normal })), None);
    let pulling = json!({ "initContainerStatuses": normal, "containerStatuses": [waiting("ImagePullBackOff")] });
    assert_eq!(reason(pulling.clone()).as_deref(), Some("ImagePullBackOff"));
    assert_eq!(reason(json!({ "containerStatuses": [waiting("ErrImagePull")] })).as_deref(), Some("ImagePullBackOff"));
    let killed = json!([{ "restartCount": 1, "state": { "running": {} }, "lastState": { "terminated": { "reason": "OOMKilled" } } }]);
    assert_eq!(reason(json!({ "containerStatuses": killed })).as_deref(), Some("OOMKilled"));
    let mut evicted = pulling;
    evicted["reason"] = "Evicted".into();
    assert_eq!(reason(evicted).as_deref(), Some("Evicted"));
}

#[test]
fn pod_is_indexed_by_every_secret_that_it_needs() {
    let pod = decode(json!({ "spec": {
        "volumes": [
            { "name": "a", "secret": { "secretName": "volume" } },
            { "name": "b", "secret": {} },
            { "name": "e", "secret": { "secretName": "optional", "optional": true } },
            { "name": "c", "emptyDir": {} },
            { "name": "d", "projected": { "sources": [
                { "serviceAccountToken": { "path": "t" } }, { "secret": { "name": "projected" } },
                { "secret": { "name": "optional", "optional": true } }] } },
        ],
        "initContainers": [{ "env": [{ "name": "E", "valueFrom": { "secretKeyRef": { "name": "init-env", "key": "k" } } }] }],
        "containers": [
            { "env": [{ "name": "E", "value": "plain" },
                      { "name": "F", "valueFrom": { "secretKeyRef": { "name": "env", "key": "k" } } },
                      { "name": "G", "valueFrom": { "fieldRef": { "fieldPath": "p" } } }] },
            { "env": [{ "name": "H", "valueFrom": { "secretKeyRef": { "name": "optional", "key": "k", "optional": true } } }],
              "envFrom": [{ "secretRef": { "name": "optional", "optional": true } }] },
            { "envFrom": [{ "secretRef": { "name": "env-from" } }, { "configMapRef": { "name": "no" } },
                          { "secretRef": { "name": "volume" } }] },
        ],
    } }));
    let names: Vec<_> = pod.indexed_values().iter().map(Key::as_str).collect();
    assert_eq!(names, ["app1/env", "app1/env-from", "app1/init-env", "app1/projected", "app1/volume"]);
}

#[test]
fn change_in_unused_fields_is_no_change_of_the_store() {
    let pod = |version: &str, phase: &str| -> Pod {
        let metadata = json!({ "name": "web", "namespace": "app1", "uid": "u", "resourceVersion": version });
        serde_json::from_value(json!({ "metadata": metadata, "status": { "phase": phase } })).unwrap()
    };
    let store = Store::new();
    assert!(store.apply(pod("1", "Pending")).is_some());
    assert!(store.apply(pod("2", "Pending")).is_none());
    assert!(store.replace(vec![pod("3", "Pending")], &[]).is_empty());
    assert_eq!(store.get(&Key::new("app1", "web")).unwrap().resource_version(), "1");
    assert!(store.apply(pod("4", "Running")).is_some());
}
