//! sendInitialEvents: the list as a watch, closed by a bookmark that says so.

use serde_json::{Value, json};

use crate::{
    objects::{Is, configmap},
    world::World,
};

const QUERY: &str = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

/// The annotation that makes a bookmark the end of the list.
fn closes(bookmark: &Value) -> bool {
    bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"
}

/// What there is, the bookmark, then what happens.
pub fn the_list_comes_as_events_and_a_bookmark_closes_it(w: &World) {
    for name in ["b", "a"] {
        w.post("configmaps", &configmap(name)).is(201);
    }
    let newest = w.get("configmaps").is(200);
    let mut watch = w.watch(&format!("configmaps?{QUERY}"));
    assert_eq!(watch.names(2), ["ADDED a", "ADDED b"]);
    let bookmark = watch.expect("BOOKMARK");
    assert!(closes(&bookmark), "{bookmark}");
    assert_eq!((&bookmark["kind"], &bookmark["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    // As new as a list would have been.
    assert!(bookmark.revision() >= newest["items"][1].revision());
    w.post("configmaps", &configmap("c")).is(201);
    assert_eq!(watch.expect_past_bookmarks("ADDED").name(), "c");
}

/// A list of nothing is closed, too.
pub fn of_nothing_there_is_the_bookmark_alone(w: &World) {
    let mut watch = w.watch(&format!("configmaps?{QUERY}"));
    assert!(closes(&watch.expect("BOOKMARK")));
}

/// From the version of its bookmark a watch goes on without a gap.
pub fn a_watch_goes_on_from_the_closing_bookmark(w: &World) {
    w.post("configmaps", &configmap("a")).is(201);
    let mut watch = w.watch(&format!("configmaps?{QUERY}"));
    watch.expect("ADDED");
    let bookmark = watch.expect("BOOKMARK");
    drop(watch);
    w.post("configmaps", &configmap("b")).is(201);
    let mut watch = w.watch(&format!("configmaps?resourceVersion={}", bookmark.version()));
    assert_eq!(watch.expect("ADDED").name(), "b");
}

/// At least as new as a version that the client has seen.
pub fn the_list_may_be_asked_for_at_least_a_version(w: &World) {
    let created = w.post("configmaps", &configmap("a")).is(201);
    let mut watch = w.watch(&format!("configmaps?{QUERY}&resourceVersion={}", created.version()));
    assert_eq!(watch.expect("ADDED"), created);
    assert!(watch.expect("BOOKMARK").revision() >= created.revision());
    let mut watch = w.watch(&format!("configmaps?{QUERY}&resourceVersion=99999999"));
    assert_eq!(watch.code, 200);
    let status = watch.expect("ERROR");
    assert_eq!((&status["code"], &status["reason"]), (&json!(504), &json!("Timeout")));
    let message = status["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("Timeout: Too large resource version: 99999999, current: "), "{message}");
}

/// `false` is an answer, too: no list, though there is no version to begin from.
pub fn the_list_can_be_declined(w: &World) {
    w.post("configmaps", &configmap("a")).is(201);
    let mut watch = w.watch("configmaps?sendInitialEvents=false&resourceVersionMatch=NotOlderThan");
    w.post("configmaps", &configmap("b")).is(201);
    assert_eq!(watch.expect("ADDED").name(), "b");
}

/// It has to be said how old the list may be.
pub fn the_list_has_to_be_not_older_than_something(w: &World) {
    let field = "resourceVersionMatch";
    let needed = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    w.get("configmaps?watch=true&sendInitialEvents=true").invalid(json!([["FieldValueForbidden", field, needed]]));
    let unknown = "Unsupported value: \"Exact\": supported values: \"NotOlderThan\"";
    let answer = w.get("configmaps?watch=true&sendInitialEvents=true&resourceVersionMatch=Exact");
    answer.invalid(json!([["FieldValueForbidden", field, needed], ["FieldValueNotSupported", field, unknown]]));
}
