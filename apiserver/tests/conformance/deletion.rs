//! Delete: immediate, graceful, or after the last finalizer.

use serde_json::json;

use crate::{
    objects::{ObjectExt, configmap, deployment, pod, running_pod, with_finalizer},
    test_env::{MERGE, TestEnv},
};

pub fn delete_returns_a_status_with_name_and_uid(env: &TestEnv) {
    let created = env.post("configmaps", &configmap("a")).expect(201);
    let status = env.delete("configmaps/a").expect(200);
    let details = json!({ "name": "a", "kind": "configmaps", "uid": created.uid() });
    let expected =
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details });
    assert_eq!(status, expected);
    env.delete("configmaps/a").expect_error(404, "NotFound", "configmaps \"a\" not found");
    let created = env.post("apps/v1:deployments", &deployment("a")).expect(201);
    let status = env.delete("apps/v1:deployments/a").expect(200);
    let details = json!({ "name": "a", "group": "apps", "kind": "deployments", "uid": created.uid() });
    assert_eq!(status["details"], details);
}

pub fn object_stays_until_its_finalizers_are_removed(env: &TestEnv) {
    let created = env.post("configmaps", &with_finalizer(configmap("a"))).expect(201);
    let marked = env.delete("configmaps/a").expect(200);
    assert_eq!((marked["kind"].as_str(), marked.name()), (Some("ConfigMap"), "a"));
    assert!(!marked.meta("deletionTimestamp").is_empty());
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 0);
    assert!(marked.revision() > created.revision());
    // A second delete changes nothing.
    assert_eq!(env.delete("configmaps/a").expect(200).resource_version(), marked.resource_version());
    // The object can be changed, but its deletionTimestamp cannot be removed.
    let patch = json!({ "metadata": { "deletionTimestamp": null }, "data": { "a": "2" } });
    let written = env.patch("configmaps/a", MERGE, &patch).expect(200);
    assert_eq!(written.meta("deletionTimestamp"), marked.meta("deletionTimestamp"));
    let last = env.patch("configmaps/a", MERGE, &json!({ "metadata": { "finalizers": null } })).expect(200);
    assert_eq!(last["metadata"]["finalizers"], json!(null));
    env.get("configmaps/a").expect_error(404, "NotFound", "configmaps \"a\" not found");
}

pub fn terminating_object_accepts_no_new_finalizer(env: &TestEnv) {
    env.post("configmaps", &with_finalizer(configmap("a"))).expect(201);
    env.delete("configmaps/a").expect(200);
    let patch = json!({ "metadata": { "finalizers": ["example.com/wait", "example.com/more"] } });
    let message = "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"example.com/more\"}";
    let response = env.patch("configmaps/a", MERGE, &patch);
    response.expect_invalid(json!([["FieldValueForbidden", "metadata.finalizers", message]]));
}

pub fn name_is_taken_until_the_object_is_deleted(env: &TestEnv) {
    let first = env.post("configmaps", &with_finalizer(configmap("a"))).expect(201);
    env.delete("configmaps/a").expect(200);
    let message = env.post("configmaps", &configmap("a")).error_message(409, "AlreadyExists");
    assert_eq!(message, "object is being deleted: configmaps \"a\" already exists");
    env.patch("configmaps/a", MERGE, &json!({ "metadata": { "finalizers": null } })).expect(200);
    let second = env.post("configmaps", &configmap("a")).expect(201);
    assert_ne!(second.uid(), first.uid());
}

pub fn delete_collection_takes_the_options_of_a_list(env: &TestEnv) {
    for name in ["a", "b", "c"] {
        env.post("configmaps", &configmap(name)).expect(201);
    }
    let message = "Forbidden: sendInitialEvents is forbidden for list";
    let causes = json!([["FieldValueForbidden", "sendInitialEvents", message]]);
    env.delete("configmaps?sendInitialEvents=true").expect_invalid(causes);
    let message = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided";
    let causes = json!([["FieldValueForbidden", "resourceVersionMatch", message]]);
    env.delete("configmaps?resourceVersionMatch=Exact").expect_invalid(causes);
    assert_eq!(env.get("configmaps").expect(200).names(), ["a", "b", "c"]);
    let page = env.delete("configmaps?limit=2").expect(200);
    assert_eq!((page.names(), page.meta("continue").is_empty()), (vec!["a", "b"], false));
    assert_eq!((&page["items"][0]["kind"], &page["metadata"]["remainingItemCount"]), (&json!(null), &json!(1)));
    assert_eq!(env.get("configmaps").expect(200).names(), ["c"]);
}

/// The kubelet deletes the pod when its containers have stopped.
pub fn pod_on_a_node_gets_a_grace_period(env: &TestEnv) {
    env.post("pods", &running_pod("a")).expect(201);
    let mut watch = env.watch("pods");
    watch.expect("ADDED");
    let marked = env.delete("pods/a").expect(200);
    assert_eq!((marked["kind"].as_str(), marked.generation()), (Some("Pod"), Some(2)));
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(watch.expect("MODIFIED"), marked);
    // The timestamp is the end of the grace period.
    assert!(marked.meta("deletionTimestamp") > marked.meta("creationTimestamp"));
    // The grace period can be shortened, not extended.
    let shorter = env.delete_with_options("pods/a", &json!({ "gracePeriodSeconds": 5 })).expect(200);
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    assert!(shorter.meta("deletionTimestamp") < marked.meta("deletionTimestamp"));
    assert_eq!(watch.expect("MODIFIED").resource_version(), shorter.resource_version());
    let longer = env.delete_with_options("pods/a", &json!({ "gracePeriodSeconds": 50 })).expect(200);
    assert_eq!(longer.resource_version(), shorter.resource_version());
    env.delete_with_options("pods/a", &json!({ "gracePeriodSeconds": 0 })).expect(200);
    env.get("pods/a").expect_error(404, "NotFound", "pods \"a\" not found");
    assert_eq!(watch.names(2), ["MODIFIED a", "DELETED a"]);
}

/// Such a pod has no running containers.
pub fn unbound_or_finished_pod_is_deleted_immediately(env: &TestEnv) {
    env.post("pods", &pod("a")).expect(201);
    let last = env.delete("pods/a").expect(200);
    assert_eq!((last["kind"].as_str(), &last["metadata"]["deletionGracePeriodSeconds"]), (Some("Pod"), &json!(0)));
    env.get("pods/a").expect(404);
    env.post("pods", &running_pod("b")).expect(201);
    env.patch("pods/b/status", MERGE, &json!({ "status": { "phase": "Succeeded" } })).expect(200);
    env.delete("pods/b").expect(200);
    env.get("pods/b").expect(404);
    // The query can contain the options, too.
    env.post("pods", &running_pod("c")).expect(201);
    env.delete("pods/c?gracePeriodSeconds=0").expect(200);
    env.get("pods/c").expect(404);
}
