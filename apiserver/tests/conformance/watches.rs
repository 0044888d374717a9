//! Watches: every event after a version, in order, once.

use serde_json::json;

use crate::{
    objects::{ObjectExt, configmap, deployment, with_finalizer},
    test_env::{MERGE, PerServer, TestEnv},
};

pub fn watch_from_a_version_sends_every_later_event(env: &TestEnv) {
    let from = env.resource_version();
    let created = env.post("configmaps", &configmap("a")).expect(201);
    let mut watch = env.watch(&format!("configmaps?resourceVersion={from}"));
    assert_eq!((watch.code, watch.content_type.as_str()), (200, "application/json"));
    assert_eq!(watch.expect("ADDED"), created);
    let changed = env.patch("configmaps/a", MERGE, &json!({ "data": { "a": "2" } })).expect(200);
    assert_eq!(watch.expect("MODIFIED"), changed);
    env.delete("configmaps/a").expect(200);
    let last = watch.expect("DELETED");
    // The last state, at the version of the deletion: a watch from there neither misses nor repeats an event.
    assert_eq!(last["data"], json!({ "a": "2" }));
    assert!(last.revision() > changed.revision());
    let mut after = env.watch(&format!("configmaps?resourceVersion={}", last.resource_version()));
    env.post("configmaps", &configmap("b")).expect(201);
    assert_eq!(after.expect("ADDED").name(), "b");
    // A watch from the version of an event does not repeat that event.
    let mut after = env.watch(&format!("configmaps?resourceVersion={}", created.resource_version()));
    assert_eq!(after.names(3), ["MODIFIED a", "DELETED a", "ADDED b"]);
}

/// A watch from version 0 starts with all objects, too.
pub fn watch_without_a_version_starts_with_all_objects(env: &TestEnv) {
    env.post("configmaps", &configmap("b")).expect(201);
    env.post("configmaps", &configmap("a")).expect(201);
    for query in ["", "?resourceVersion=0"] {
        let mut watch = env.watch(&format!("configmaps{query}"));
        assert_eq!(watch.names(2), ["ADDED a", "ADDED b"]);
        let name = format!("c{}", query.len());
        env.post("configmaps", &configmap(&name)).expect(201);
        assert_eq!(watch.expect("ADDED").name(), name);
        env.delete(&format!("configmaps/{name}")).expect(200);
        watch.expect("DELETED");
    }
}

pub fn watch_ends_after_its_timeout(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    let mut watch = env.watch("configmaps?timeoutSeconds=1");
    assert_eq!(watch.expect("ADDED").name(), "a");
    watch.expect_end();
}

pub fn watch_sends_events_of_its_collection_only(env: &TestEnv) {
    let from = env.resource_version();
    let mut here = env.watch(&format!("configmaps?resourceVersion={from}"));
    let mut all = env.watch(&format!("/api/v1/configmaps?resourceVersion={from}&labelSelector=of%3D{}", env.namespace));
    let other = format!("{}-other", env.namespace);
    env.post("/api/v1/namespaces", &json!({ "metadata": { "name": other } })).expect(201);
    let labels = json!({ "of": env.namespace });
    let body = |name: &str| json!({ "metadata": { "name": name, "labels": labels } });
    env.post(&format!("/api/v1/namespaces/{other}/configmaps"), &body("elsewhere")).expect(201);
    env.post("secrets", &body("another-kind")).expect(201);
    env.post("configmaps", &body("here")).expect(201);
    assert_eq!(here.expect("ADDED").name(), "here");
    assert_eq!(all.names(2), ["ADDED elsewhere", "ADDED here"]);
}

pub fn status_change_is_sent_with_the_whole_object(env: &TestEnv) {
    let created = env.post("apps/v1:deployments", &deployment("a")).expect(201);
    let mut watch = env.watch(&format!("apps/v1:deployments?resourceVersion={}", created.resource_version()));
    let patch = json!({ "status": { "replicas": 1 } });
    let changed = env.patch("apps/v1:deployments/a/status", MERGE, &patch).expect(200);
    let event = watch.expect("MODIFIED");
    assert_eq!(event, changed);
    assert_eq!((&event["kind"], &event["apiVersion"]), (&json!("Deployment"), &json!("apps/v1")));
}

pub fn delayed_deletion_is_sent_as_modified_then_deleted(env: &TestEnv) {
    let created = env.post("configmaps", &with_finalizer(configmap("a"))).expect(201);
    let mut watch = env.watch(&format!("configmaps?resourceVersion={}", created.resource_version()));
    env.delete("configmaps/a").expect(200);
    assert!(!watch.expect("MODIFIED").meta("deletionTimestamp").is_empty());
    env.patch("configmaps/a", MERGE, &json!({ "metadata": { "finalizers": null } })).expect(200);
    let last = watch.expect("DELETED");
    assert!(!last.meta("deletionTimestamp").is_empty());
}

pub fn invalid_watch_is_rejected_before_it_opens(env: &TestEnv) {
    let response = env.get("configmaps?watch=true&resourceVersion=abc");
    let message = "resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax";
    assert_eq!((response.code, &response.body["message"]), (500, &json!(message)), "{}", response.text);
    let message = "strconv.ParseInt: parsing \"abc\": invalid syntax";
    env.get("configmaps?watch=true&timeoutSeconds=abc").expect_error(400, "BadRequest", message);
    let response = env.get("configmaps?watch=true&resourceVersion=1&resourceVersionMatch=NotOlderThan");
    let message = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
    response.expect_invalid(json!([["FieldValueForbidden", "resourceVersionMatch", message]]));
    let message = "the server could not find the requested resource";
    env.get("nothings?watch=true").expect_error(404, "NotFound", message);
}

pub fn watch_from_a_future_version_sends_nothing(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    let query = "resourceVersion=99999999&allowWatchBookmarks=true&timeoutSeconds=3";
    let mut watch = env.watch(&format!("configmaps?{query}"));
    env.post("configmaps", &configmap("b")).expect(201);
    watch.expect_end();
}

/// `/api/v1/watch/…` is the older form of `?watch=true`.
pub fn deprecated_watch_path_is_not_served(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    let path = format!("/api/v1/watch/namespaces/{}/configmaps?timeoutSeconds=1", env.namespace);
    let response = env.get(&path);
    let seen = response.code == 200 && response.text.starts_with("{\"type\":\"ADDED\"");
    env.assert_difference("no-watch-paths", seen, PerServer { embedded: false, real: true });
}

/// Serial, without a watch cache. The response is 200, and its only event has the code 410.
pub fn watch_from_a_compacted_version_sends_an_error_event(env: &TestEnv) {
    let then = env.post("configmaps", &configmap("a")).expect(201);
    env.post("configmaps", &configmap("b")).expect(201);
    env.post("configmaps", &configmap("c")).expect(201);
    env.compact();
    let mut watch = env.watch(&format!("configmaps?resourceVersion={}", then.resource_version()));
    assert_eq!(watch.code, 200);
    let status = watch.expect("ERROR");
    assert_eq!(
        (&status["kind"], &status["code"], &status["reason"]),
        (&json!("Status"), &json!(410), &json!("Expired"))
    );
    let message = status["message"].as_str().unwrap_or_default();
    assert_eq!(message, "The resourceVersion for the provided watch is too old.");
    watch.expect_end();
}

/// Serial, without a watch cache.
pub fn compaction_does_not_affect_current_watches(env: &TestEnv) {
    let created = env.post("configmaps", &configmap("a")).expect(201);
    let mut open = env.watch(&format!("configmaps?resourceVersion={}", created.resource_version()));
    // The real server responds before its watch of etcd is open. Its first event shows that it is.
    env.post("configmaps", &configmap("b")).expect(201);
    assert_eq!(open.expect("ADDED").name(), "b");
    env.compact();
    let mut opened = env.watch(&format!("configmaps?resourceVersion={}", env.resource_version()));
    env.post("configmaps", &configmap("c")).expect(201);
    assert_eq!(open.expect("ADDED").name(), "c");
    assert_eq!(opened.expect("ADDED").name(), "c");
}
