//! Bookmarks: the version that a quiet watch has reached.

use serde_json::json;

use crate::{
    objects::{ObjectExt, configmap},
    test_env::TestEnv,
};

/// The object of a bookmark has only a version.
pub fn bookmark_is_sent_before_a_watch_ends(env: &TestEnv) {
    let created = env.post("configmaps", &configmap("a")).expect(201);
    let from = created.resource_version();
    let mut watch = env.watch(&format!("configmaps?resourceVersion={from}&allowWatchBookmarks=true&timeoutSeconds=4"));
    let bookmark = watch.expect("BOOKMARK");
    assert_eq!((&bookmark["kind"], &bookmark["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    assert_eq!((bookmark.name(), bookmark.uid()), ("", ""));
    assert_eq!(bookmark["metadata"]["annotations"], json!(null));
    assert!(bookmark.revision() >= created.revision());
    assert!(watch.rest().iter().all(|event| event == "BOOKMARK"));
}

pub fn bookmark_is_never_ahead_of_an_event(env: &TestEnv) {
    let from = env.resource_version();
    let mut watch = env.watch(&format!("configmaps?resourceVersion={from}&allowWatchBookmarks=true&timeoutSeconds=3"));
    for name in ["a", "b", "c"] {
        env.post("configmaps", &configmap(name)).expect(201);
    }
    let (mut last, mut added) = (0, 0);
    while let Some(event) = watch.next() {
        let revision = event["object"].revision();
        assert!(revision >= last, "{event} after {last}");
        (last, added) = (revision, added + u32::from(event["type"] == "ADDED"));
    }
    assert_eq!(added, 3);
}
