use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::events::tests::pod_reference;

fn warning(about: &ObjectReference, message: &str) -> Event {
    new_event("controlplane", about, EventType::Warning, "pki ServiceName error", message, Timestamp::UNIX_EPOCH)
}

#[test]
fn event_name_is_the_same_in_every_release() {
    // An upgraded controller has to find the Events of the previous release.
    let key = event_key(&warning(&pod_reference("app1-pod"), "no such name"));
    assert_eq!(key.as_str(), "app1/app1-pod.0d0b181efbe5f327");
}

#[test]
fn event_name_differs_if_any_identifying_part_differs() {
    let about = pod_reference("pod");
    let other = ObjectReference { uid: Some("other".into()), ..about.clone() };
    let names = [
        event_name("a", &about, EventType::Normal, "b", "c"),
        event_name("other", &about, EventType::Normal, "b", "c"),
        event_name("a", &other, EventType::Normal, "b", "c"),
        event_name("a", &about, EventType::Warning, "b", "c"),
        event_name("a", &about, EventType::Normal, "other", "c"),
        event_name("a", &about, EventType::Normal, "b", "other"),
        event_name("a", &about, EventType::Normal, "bc", ""),
    ];
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    let later = ObjectReference { resource_version: Some("8".into()), ..about };
    assert_eq!(
        event_name("a", &later, EventType::Normal, "b", "c"),
        names[0],
        "the version does not identify the event"
    );
}

#[test]
fn event_name_is_valid_for_any_object_name() {
    let dots = format!("{}.tail-that-is-cut-off", "a".repeat(234));
    let cut = format!("{}-.b", "a".repeat(234));
    let name = |object: &str| event_name("controlplane", &pod_reference(object), EventType::Warning, "reason", "text");
    for object in ["pod", &"a".repeat(253), &dots, &cut, "system:node", "", "Ünicode", "..."] {
        let name = name(object);
        assert!(name.len() <= NAME_LIMIT && daemon::names::is_subdomain(&name), "{name}");
    }
    assert!(name(&cut).starts_with("aaa"), "the name starts like the object");
    assert_eq!(name(&"a".repeat(253)).len(), 253, "the name is as long as possible");
}

#[test]
fn long_message_is_cut_at_a_character() {
    // `é` is two bytes long, so the limit is in the middle of a character.
    let long = format!("a{}", "é".repeat(MESSAGE_LIMIT));
    let message = warning(&pod_reference("pod"), &long).message.unwrap();
    assert_eq!(message.len(), MESSAGE_LIMIT - 1);
    assert!(long.starts_with(&message));
    let exact = "a".repeat(MESSAGE_LIMIT);
    assert_eq!(warning(&pod_reference("pod"), &exact).message, Some(exact));
}

#[test]
fn event_has_the_fields_that_kubectl_describe_needs() {
    let event = warning(&pod_reference("app1-pod"), "no such name");
    assert_eq!(
        serde_json::to_value(event).unwrap(),
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "app1-pod.0d0b181efbe5f327", "namespace": "app1"},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "namespace": "app1", "name": "app1-pod",
                "uid": "uid of app1-pod", "resourceVersion": "7",
            },
            "type": "Warning",
            "reason": "pki ServiceName error",
            "message": "no such name",
            "count": 1,
            "firstTimestamp": "1970-01-01T00:00:00Z",
            "lastTimestamp": "1970-01-01T00:00:00Z",
            "source": {"component": "controlplane"},
            "reportingComponent": "controlplane",
        })
    );
}

#[test]
fn event_about_a_cluster_scoped_object_is_in_default() {
    let event = warning(&ObjectReference { namespace: None, ..pod_reference("node-1") }, "text");
    assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
    assert_eq!(event.involved_object.namespace, None);
}
