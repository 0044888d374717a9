//! Encodes pods, and compares the two decoders.

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::*;

/// Encodes the fields of a pod that are used, as the API server does.
pub fn encode(pod: &Value) -> Bytes {
    let (metadata, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
    let message = PodMessage {
        metadata: Some(Metadata {
            name: text_of(&metadata["name"]),
            namespace: text_of(&metadata["namespace"]),
            uid: text_of(&metadata["uid"]),
            resource_version: text_of(&metadata["resourceVersion"]),
            deletion_timestamp: metadata["deletionTimestamp"].as_str().map(|_| Bytes::from_static(b"\x08\x01")),
        }),
        spec: Some(Spec {
            volumes: all(&spec["volumes"], |volume| {
                let secret = volume.get("secret").map(|secret| SecretVolume {
                    name: text_of(&secret["secretName"]),
                    optional: is_true(&secret["optional"]),
                });
                let projected = volume.get("projected").map(|projected| Projected {
                    sources: all(&projected["sources"], |source| Projection {
                        secret: source.get("secret").map(|secret| SecretProjection {
                            reference: Some(reference(secret)),
                            optional: is_true(&secret["optional"]),
                        }),
                    }),
                });
                Volume { source: Some(VolumeSource { secret, projected }) }
            }),
            containers: all(&spec["containers"], container),
            init_containers: all(&spec["initContainers"], container),
            node_name: spec["nodeName"].as_str().map(|name| Bytes::from(name.to_owned())),
        }),
        status: Some(Status {
            phase: text_of(&status["phase"]),
            reason: text_of(&status["reason"]),
            conditions: all(&status["conditions"], |condition| Condition {
                r#type: text_of(&condition["type"]),
                status: text_of(&condition["status"]),
            }),
            container_statuses: all(&status["containerStatuses"], container_status),
            init_container_statuses: all(&status["initContainerStatuses"], container_status),
        }),
    };
    message.encode_to_vec().into()
}

fn text_of(value: &Value) -> Bytes {
    Bytes::from(value.as_str().unwrap_or_default().to_owned())
}

fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or_default()
}

fn all<T>(list: &Value, convert: impl Fn(&Value) -> T) -> Vec<T> {
    list.as_array().into_iter().flatten().map(convert).collect()
}

fn reference(object: &Value) -> Reference {
    Reference { name: text_of(&object["name"]) }
}

fn container(container: &Value) -> Container {
    Container {
        env: all(&container["env"], |variable| Variable {
            value_from: variable.get("valueFrom").map(|from| ValueFrom {
                secret: from.get("secretKeyRef").map(|secret| SecretKey {
                    reference: Some(reference(secret)),
                    optional: is_true(&secret["optional"]),
                }),
            }),
        }),
        env_from: all(&container["envFrom"], |from| EnvFrom {
            secret: from
                .get("secretRef")
                .map(|secret| SecretEnv { reference: Some(reference(secret)), optional: is_true(&secret["optional"]) }),
        }),
    }
}

fn container_status(status: &Value) -> ContainerStatus {
    let state = |state: &Value| ContainerState {
        waiting: state.get("waiting").map(|details| Waiting { reason: text_of(&details["reason"]) }),
        terminated: state.get("terminated").map(|details| Terminated { reason: text_of(&details["reason"]) }),
    };
    ContainerStatus {
        state: status.get("state").map(state),
        last_state: status.get("lastState").map(state),
        restart_count: status["restartCount"].as_i64().and_then(|n| n.try_into().ok()).unwrap_or_default(),
    }
}

#[test]
fn real_pod_is_the_same_in_both_encodings() {
    let pod = decode_pod(Bytes::from_static(include_bytes!("../../../benches/pod.pb"))).unwrap();
    let json: Pod = serde_json::from_str(include_str!("../../../benches/pod.json")).unwrap();
    assert_eq!(pod, json);
    assert!(pod.secrets.len() > 1 && pod.restarts == json.restarts, "{pod:?}");
}

#[test]
fn damaged_bytes_are_an_error() {
    let whole = include_bytes!("../../../benches/pod.pb");
    for length in 0..whole.len() {
        // No panic. Some beginnings are a pod with fewer fields.
        let _ = decode_pod(Bytes::copy_from_slice(&whole[..length]));
    }
    assert!(decode_pod(Bytes::from_static(b"{\"metadata\":")).is_err());
    let frozen = encode(&json!({ "status": { "phase": "Frozen" } }));
    assert_eq!(decode_pod(frozen), Err("unknown phase \"Frozen\"".to_owned()));
}

fn a_text() -> impl Strategy<Value = Value> {
    prop_oneof!["[a-z]{1,5}", Just("tls".to_owned()), Just("\u{e9}\"\\".to_owned())].prop_map(Value::from)
}

fn a_secret(name: &'static str) -> impl Strategy<Value = Value> {
    (a_text(), any::<Option<bool>>()).prop_map(move |(secret, optional)| match optional {
        Some(optional) => json!({ name: secret, "optional": optional }),
        None => json!({ name: secret }),
    })
}

fn a_container() -> impl Strategy<Value = Value> {
    (vec(a_secret("name"), 0..3), vec(a_secret("name"), 0..3)).prop_map(|(env, from)| {
        let env: Vec<_> =
            env.into_iter().map(|it| json!({ "name": "X", "valueFrom": { "secretKeyRef": it } })).collect();
        let from: Vec<_> = from.into_iter().map(|it| json!({ "secretRef": it })).collect();
        json!({ "name": "c", "env": env, "envFrom": from })
    })
}

fn a_status() -> impl Strategy<Value = Value> {
    let reason = prop_oneof![Just("Completed"), Just("Error"), Just("ErrImagePull"), Just("OOMKilled"), Just("")];
    let state = ("waiting|terminated|running", reason).prop_map(|(kind, reason)| json!({ kind: { "reason": reason } }));
    (0..9_u32, state.clone(), proptest::option::of(state)).prop_map(|(restarts, state, last)| {
        json!({ "name": "c", "restartCount": restarts, "state": state, "lastState": last.unwrap_or(json!({})) })
    })
}

prop_compose! {
    fn a_pod()(
        name in "[a-z]{1,9}", phase in "Pending|Running|Succeeded|Failed|Unknown|Frozen", reason in "|Evicted|NodeLost",
        node in any::<Option<bool>>(), deleting in any::<bool>(), ready in "True|False|Unknown",
        volumes in vec(a_secret("secretName"), 0..3), projected in vec(a_secret("name"), 0..3),
        containers in vec(a_container(), 0..3), init in vec(a_container(), 0..2),
        statuses in vec(a_status(), 0..3), init_statuses in vec(a_status(), 0..2),
    ) -> Value {
        let mut volumes: Vec<_> = volumes.into_iter().map(|it| json!({ "name": "v", "secret": it })).collect();
        let sources: Vec<_> = projected.into_iter().map(|it| json!({ "secret": it })).collect();
        volumes.push(json!({ "name": "p", "projected": { "sources": sources } }));
        let mut pod = json!({
            "metadata": { "name": name, "namespace": "ns", "uid": "u", "resourceVersion": "7" },
            "spec": { "volumes": volumes, "containers": containers, "initContainers": init },
            "status": { "phase": phase, "reason": reason, "conditions": [{ "type": "Ready", "status": ready }],
                        "containerStatuses": statuses, "initContainerStatuses": init_statuses },
        });
        if let Some(number) = node {
            pod["spec"]["nodeName"] = format!("node-{number}").into();
        }
        if deleting {
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        pod
    }
}

proptest! {
    #[test]
    fn any_pod_is_the_same_in_both_encodings(pod in a_pod()) {
        let json = serde_json::from_str::<Pod>(&pod.to_string());
        prop_assert_eq!(decode_pod(encode(&pod)).ok(), json.ok());
    }
}
