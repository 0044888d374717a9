//! Bookmarks: how far a quiet watch has come.

use serde_json::json;

use crate::{
    objects::{Is, configmap},
    world::World,
};

/// Before its time is up a watch is told how far it has come, in an object that is nothing but a version.
pub fn a_watch_that_asks_for_bookmarks_gets_one_before_it_ends(w: &World) {
    let created = w.post("configmaps", &configmap("a")).is(201);
    let from = created.version();
    let mut watch = w.watch(&format!("configmaps?resourceVersion={from}&allowWatchBookmarks=true&timeoutSeconds=4"));
    let bookmark = watch.expect("BOOKMARK");
    assert_eq!((&bookmark["kind"], &bookmark["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    assert_eq!((bookmark.name(), bookmark.uid()), ("", ""));
    assert_eq!(bookmark["metadata"]["annotations"], json!(null));
    assert!(bookmark.revision() >= created.revision());
    assert!(watch.rest().iter().all(|event| event == "BOOKMARK"));
}

/// Never a version beyond an event that is still to come.
pub fn a_bookmark_is_never_ahead_of_an_event(w: &World) {
    let from = w.version();
    let mut watch = w.watch(&format!("configmaps?resourceVersion={from}&allowWatchBookmarks=true&timeoutSeconds=3"));
    for name in ["a", "b", "c"] {
        w.post("configmaps", &configmap(name)).is(201);
    }
    let (mut last, mut added) = (0, 0);
    while let Some(event) = watch.next() {
        let revision = event["object"].revision();
        assert!(revision >= last, "{event} after {last}");
        (last, added) = (revision, added + u32::from(event["type"] == "ADDED"));
    }
    assert_eq!(added, 3);
}
