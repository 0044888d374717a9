use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn pod(name: &str) -> ObjectRef {
    ObjectRef {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: "app1".into(),
        name: name.into(),
        uid: format!("uid of {name}"),
        resource_version: Some("7".into()),
    }
}

fn event(about: &ObjectRef, message: &str) -> Event {
    new("controlplane", about, Kind::Warning, "pki ServiceName error", message, Timestamp::UNIX_EPOCH)
}

#[test]
fn event_name_is_the_same_in_every_release() {
    // Calculated once: an upgraded controller has to find the Events of the release before.
    let key = key(&event(&pod("app1-pod"), "no such name"));
    assert_eq!(key.as_str(), "app1/app1-pod.0d0b181efbe5f327");
}

#[test]
fn event_name_differs_if_any_identifying_part_differs() {
    let about = pod("pod");
    let other = ObjectRef { uid: "other".into(), ..about.clone() };
    let names = [
        name("a", &about, Kind::Normal, "b", "c"),
        name("other", &about, Kind::Normal, "b", "c"),
        name("a", &other, Kind::Normal, "b", "c"),
        name("a", &about, Kind::Warning, "b", "c"),
        name("a", &about, Kind::Normal, "other", "c"),
        name("a", &about, Kind::Normal, "b", "other"),
        name("a", &about, Kind::Normal, "bc", ""),
    ];
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    let later = ObjectRef { resource_version: Some("8".into()), ..about };
    assert_eq!(name("a", &later, Kind::Normal, "b", "c"), names[0], "the version does not identify the event");
}

#[test]
fn event_name_is_valid_for_any_object_name() {
    let dots = format!("{}.tail-that-is-cut-off", "a".repeat(234));
    let cut = format!("{}-.b", "a".repeat(234));
    let name = |object: &str| name("controlplane", &pod(object), Kind::Warning, "reason", "text");
    for object in ["pod", &"a".repeat(253), &dots, &cut, "system:node", "", "Ünicode", "..."] {
        let name = name(object);
        assert!(name.len() <= NAME_LIMIT && daemon::names::is_subdomain(&name), "{name}");
    }
    assert!(name(&cut).starts_with("aaa"), "the part that fits is still readable");
    assert_eq!(name(&"a".repeat(253)).len(), 253, "no more is cut than necessary");
}

#[test]
fn long_message_is_cut_at_a_character() {
    // Two bytes each, after one of a single byte: the limit is in the middle of a character.
    let long = format!("a{}", "é".repeat(MESSAGE_LIMIT));
    let message = event(&pod("pod"), &long).message.unwrap();
    assert_eq!(message.len(), MESSAGE_LIMIT - 1);
    assert!(long.starts_with(&message));
    let exact = "a".repeat(MESSAGE_LIMIT);
    assert_eq!(event(&pod("pod"), &exact).message, Some(exact));
}

#[test]
fn event_has_the_fields_that_kubectl_describe_needs() {
    let event = event(&pod("app1-pod"), "no such name");
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
fn event_about_a_cluster_scoped_object_lives_in_default() {
    let event = event(&ObjectRef { namespace: String::new(), ..pod("node-1") }, "text");
    assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
    assert_eq!(event.involved_object.namespace, None);
}
