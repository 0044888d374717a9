//! `sendInitialEvents`: the list as events, ended by an annotated bookmark.

use serde_json::{Value, json};

use crate::{
    objects::{ObjectExt, configmap},
    test_env::TestEnv,
};

const QUERY: &str = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

fn ends_initial_events(bookmark: &Value) -> bool {
    bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"
}

pub fn initial_events_end_with_a_bookmark(env: &TestEnv) {
    for name in ["b", "a"] {
        env.post("configmaps", &configmap(name)).expect(201);
    }
    let newest = env.get("configmaps").expect(200);
    let mut watch = env.watch(&format!("configmaps?{QUERY}"));
    assert_eq!(watch.names(2), ["ADDED a", "ADDED b"]);
    let bookmark = watch.expect("BOOKMARK");
    assert!(ends_initial_events(&bookmark), "{bookmark}");
    assert_eq!((&bookmark["kind"], &bookmark["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    // The bookmark is as new as a list.
    assert!(bookmark.revision() >= newest["items"][1].revision());
    env.post("configmaps", &configmap("c")).expect(201);
    assert_eq!(watch.expect_after_bookmarks("ADDED").name(), "c");
}

pub fn empty_collection_sends_only_the_bookmark(env: &TestEnv) {
    let mut watch = env.watch(&format!("configmaps?{QUERY}"));
    assert!(ends_initial_events(&watch.expect("BOOKMARK")));
}

pub fn watch_continues_from_the_initial_bookmark(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    let mut watch = env.watch(&format!("configmaps?{QUERY}"));
    watch.expect("ADDED");
    let bookmark = watch.expect("BOOKMARK");
    drop(watch);
    env.post("configmaps", &configmap("b")).expect(201);
    let mut watch = env.watch(&format!("configmaps?resourceVersion={}", bookmark.resource_version()));
    assert_eq!(watch.expect("ADDED").name(), "b");
}

pub fn initial_events_are_not_older_than_the_version(env: &TestEnv) {
    let created = env.post("configmaps", &configmap("a")).expect(201);
    let mut watch = env.watch(&format!("configmaps?{QUERY}&resourceVersion={}", created.resource_version()));
    assert_eq!(watch.expect("ADDED"), created);
    assert!(watch.expect("BOOKMARK").revision() >= created.revision());
    let mut watch = env.watch(&format!("configmaps?{QUERY}&resourceVersion=99999999"));
    assert_eq!(watch.code, 200);
    let status = watch.expect("ERROR");
    assert_eq!((&status["code"], &status["reason"]), (&json!(504), &json!("Timeout")));
    let message = status["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("Timeout: Too large resource version: 99999999, current: "), "{message}");
}

/// Without initial events, the watch starts at the latest version.
pub fn initial_events_can_be_disabled(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    let mut watch = env.watch("configmaps?sendInitialEvents=false&resourceVersionMatch=NotOlderThan");
    env.post("configmaps", &configmap("b")).expect(201);
    assert_eq!(watch.expect("ADDED").name(), "b");
}

pub fn initial_events_require_not_older_than(env: &TestEnv) {
    let field = "resourceVersionMatch";
    let needed = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    env.get("configmaps?watch=true&sendInitialEvents=true").expect_invalid(json!([[
        "FieldValueForbidden",
        field,
        needed
    ]]));
    let unknown = "Unsupported value: \"Exact\": supported values: \"NotOlderThan\"";
    let response = env.get("configmaps?watch=true&sendInitialEvents=true&resourceVersionMatch=Exact");
    response
        .expect_invalid(json!([["FieldValueForbidden", field, needed], ["FieldValueNotSupported", field, unknown]]));
}
