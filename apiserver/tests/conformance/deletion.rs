//! Delete: at once, gracefully, or not before the last finalizer has gone.

use serde_json::json;

use crate::{
    objects::{Is, configmap, deployment, finalized, pod, running_pod},
    world::{MERGE, World},
};

/// What is gone is answered by a Status that names it.
pub fn a_delete_is_answered_with_what_is_gone(w: &World) {
    let created = w.post("configmaps", &configmap("a")).is(201);
    let status = w.delete("configmaps/a").is(200);
    let details = json!({ "name": "a", "kind": "configmaps", "uid": created.uid() });
    let expected =
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details });
    assert_eq!(status, expected);
    w.delete("configmaps/a").refused(404, "NotFound", "configmaps \"a\" not found");
    let created = w.post("apps/v1:deployments", &deployment("a")).is(201);
    let status = w.delete("apps/v1:deployments/a").is(200);
    let details = json!({ "name": "a", "group": "apps", "kind": "deployments", "uid": created.uid() });
    assert_eq!(status["details"], details);
}

/// The mark, and the wait for whoever has asked to be waited for.
pub fn a_finalizer_keeps_an_object_until_it_is_removed(w: &World) {
    let created = w.post("configmaps", &finalized(configmap("a"))).is(201);
    let marked = w.delete("configmaps/a").is(200);
    assert_eq!((marked["kind"].as_str(), marked.name()), (Some("ConfigMap"), "a"));
    assert!(!marked.meta("deletionTimestamp").is_empty());
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 0);
    assert!(marked.revision() > created.revision());
    // To delete it again changes nothing.
    assert_eq!(w.delete("configmaps/a").is(200).version(), marked.version());
    // It can still be written, its end cannot be taken back.
    let patch = json!({ "metadata": { "deletionTimestamp": null }, "data": { "a": "2" } });
    let written = w.patch("configmaps/a", MERGE, &patch).is(200);
    assert_eq!(written.meta("deletionTimestamp"), marked.meta("deletionTimestamp"));
    let last = w.patch("configmaps/a", MERGE, &json!({ "metadata": { "finalizers": null } })).is(200);
    assert_eq!(last["metadata"]["finalizers"], json!(null));
    w.get("configmaps/a").refused(404, "NotFound", "configmaps \"a\" not found");
}

/// Whoever comes late cannot delay an end that has been decided.
pub fn no_finalizer_can_be_added_to_what_is_being_deleted(w: &World) {
    w.post("configmaps", &finalized(configmap("a"))).is(201);
    w.delete("configmaps/a").is(200);
    let patch = json!({ "metadata": { "finalizers": ["example.com/wait", "example.com/more"] } });
    let message = "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"example.com/more\"}";
    let answer = w.patch("configmaps/a", MERGE, &patch);
    answer.invalid(json!([["FieldValueForbidden", "metadata.finalizers", message]]));
}

/// A name that still stands for something that is ending is taken.
pub fn the_name_is_free_once_the_object_is_gone(w: &World) {
    let first = w.post("configmaps", &finalized(configmap("a"))).is(201);
    w.delete("configmaps/a").is(200);
    let message = w.post("configmaps", &configmap("a")).refusal(409, "AlreadyExists");
    assert_eq!(message, "object is being deleted: configmaps \"a\" already exists");
    w.patch("configmaps/a", MERGE, &json!({ "metadata": { "finalizers": null } })).is(200);
    let second = w.post("configmaps", &configmap("a")).is(201);
    assert_ne!(second.uid(), first.uid());
}

/// Who deletes a collection lists it first: in the same way, and with the same refusals.
pub fn a_collection_is_deleted_as_it_is_listed(w: &World) {
    for name in ["a", "b", "c"] {
        w.post("configmaps", &configmap(name)).is(201);
    }
    let message = "Forbidden: sendInitialEvents is forbidden for list";
    let causes = json!([["FieldValueForbidden", "sendInitialEvents", message]]);
    w.delete("configmaps?sendInitialEvents=true").invalid(causes);
    let message = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided";
    let causes = json!([["FieldValueForbidden", "resourceVersionMatch", message]]);
    w.delete("configmaps?resourceVersionMatch=Exact").invalid(causes);
    assert_eq!(w.get("configmaps").is(200).names(), ["a", "b", "c"]);
    let page = w.delete("configmaps?limit=2").is(200);
    assert_eq!((page.names(), page.meta("continue").is_empty()), (vec!["a", "b"], false));
    assert_eq!((&page["items"][0]["kind"], &page["metadata"]["remainingItemCount"]), (&json!(null), &json!(1)));
    assert_eq!(w.get("configmaps").is(200).names(), ["c"]);
}

/// A pod on a node is told that it has to end, and when; its kubelet deletes it.
pub fn a_pod_on_a_node_is_given_its_grace(w: &World) {
    w.post("pods", &running_pod("a")).is(201);
    let mut watch = w.watch("pods");
    watch.expect("ADDED");
    let marked = w.delete("pods/a").is(200);
    assert_eq!((marked["kind"].as_str(), marked.generation()), (Some("Pod"), Some(2)));
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(watch.expect("MODIFIED"), marked);
    // The end is so many seconds ahead.
    assert!(marked.meta("deletionTimestamp") > marked.meta("creationTimestamp"));
    // Grace can be cut short, not extended.
    let shorter = w.delete_with("pods/a", &json!({ "gracePeriodSeconds": 5 })).is(200);
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    assert!(shorter.meta("deletionTimestamp") < marked.meta("deletionTimestamp"));
    assert_eq!(watch.expect("MODIFIED").version(), shorter.version());
    let longer = w.delete_with("pods/a", &json!({ "gracePeriodSeconds": 50 })).is(200);
    assert_eq!(longer.version(), shorter.version());
    w.delete_with("pods/a", &json!({ "gracePeriodSeconds": 0 })).is(200);
    w.get("pods/a").refused(404, "NotFound", "pods \"a\" not found");
    assert_eq!(watch.names(2), ["MODIFIED a", "DELETED a"]);
}

/// Nobody has to be waited for where no kubelet has seen the pod, or where it has ended.
pub fn a_pod_on_no_node_is_deleted_at_once(w: &World) {
    w.post("pods", &pod("a")).is(201);
    let last = w.delete("pods/a").is(200);
    assert_eq!((last["kind"].as_str(), &last["metadata"]["deletionGracePeriodSeconds"]), (Some("Pod"), &json!(0)));
    w.get("pods/a").is(404);
    w.post("pods", &running_pod("b")).is(201);
    w.patch("pods/b/status", MERGE, &json!({ "status": { "phase": "Succeeded" } })).is(200);
    w.delete("pods/b").is(200);
    w.get("pods/b").is(404);
    // The query says it as well as a body.
    w.post("pods", &running_pod("c")).is(201);
    w.delete("pods/c?gracePeriodSeconds=0").is(200);
    w.get("pods/c").is(404);
}
