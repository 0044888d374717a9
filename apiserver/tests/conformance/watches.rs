//! What a watch tells: everything after a version, in order, once.

use serde_json::json;

use crate::{
    objects::{Is, configmap, deployment, finalized},
    world::{MERGE, World},
};

/// The cursor in the log: from the version on, what happened, in order, each under its own version.
pub fn a_watch_from_a_version_tells_everything_since(w: &World) {
    let from = w.version();
    let created = w.post("configmaps", &configmap("a")).is(201);
    let mut watch = w.watch(&format!("configmaps?resourceVersion={from}"));
    assert_eq!((watch.code, watch.content_type.as_str()), (200, "application/json"));
    assert_eq!(watch.expect("ADDED"), created);
    let changed = w.patch("configmaps/a", MERGE, &json!({ "data": { "a": "2" } })).is(200);
    assert_eq!(watch.expect("MODIFIED"), changed);
    w.delete("configmaps/a").is(200);
    let last = watch.expect("DELETED");
    // The last state, under the deletion's own version: who goes on from there misses nothing and hears nothing twice.
    assert_eq!(last["data"], json!({ "a": "2" }));
    assert!(last.revision() > changed.revision());
    let mut after = w.watch(&format!("configmaps?resourceVersion={}", last.version()));
    w.post("configmaps", &configmap("b")).is(201);
    assert_eq!(after.expect("ADDED").name(), "b");
    // From the version of a change, that change is not told again.
    let mut after = w.watch(&format!("configmaps?resourceVersion={}", created.version()));
    assert_eq!(after.names(3), ["MODIFIED a", "DELETED a", "ADDED b"]);
}

/// Without a version, and with 0, a watch begins with what there is, as if it had just been added.
pub fn a_watch_from_nowhere_begins_with_what_there_is(w: &World) {
    w.post("configmaps", &configmap("b")).is(201);
    w.post("configmaps", &configmap("a")).is(201);
    for query in ["", "?resourceVersion=0"] {
        let mut watch = w.watch(&format!("configmaps{query}"));
        assert_eq!(watch.names(2), ["ADDED a", "ADDED b"]);
        let name = format!("c{}", query.len());
        w.post("configmaps", &configmap(&name)).is(201);
        assert_eq!(watch.expect("ADDED").name(), name);
        w.delete(&format!("configmaps/{name}")).is(200);
        watch.expect("DELETED");
    }
}

/// The timer: a watch ends in good order when its time is up.
pub fn a_watch_ends_when_its_time_is_up(w: &World) {
    w.post("configmaps", &configmap("a")).is(201);
    let mut watch = w.watch("configmaps?timeoutSeconds=1");
    assert_eq!(watch.expect("ADDED").name(), "a");
    watch.ends();
}

/// A watch is of one kind and one namespace, or of all namespaces.
pub fn a_watch_hears_of_its_own_collection_alone(w: &World) {
    let from = w.version();
    let mut here = w.watch(&format!("configmaps?resourceVersion={from}"));
    let mut all = w.watch(&format!("/api/v1/configmaps?resourceVersion={from}&labelSelector=of%3D{}", w.namespace));
    let other = format!("{}-other", w.namespace);
    w.post("/api/v1/namespaces", &json!({ "metadata": { "name": other } })).is(201);
    let labels = json!({ "of": w.namespace });
    let body = |name: &str| json!({ "metadata": { "name": name, "labels": labels } });
    w.post(&format!("/api/v1/namespaces/{other}/configmaps"), &body("elsewhere")).is(201);
    w.post("secrets", &body("another-kind")).is(201);
    w.post("configmaps", &body("here")).is(201);
    assert_eq!(here.expect("ADDED").name(), "here");
    assert_eq!(all.names(2), ["ADDED elsewhere", "ADDED here"]);
}

/// A status is a change like any other, and the events' objects are whole.
pub fn a_watch_tells_changes_of_the_status(w: &World) {
    let created = w.post("apps/v1:deployments", &deployment("a")).is(201);
    let mut watch = w.watch(&format!("apps/v1:deployments?resourceVersion={}", created.version()));
    let patch = json!({ "status": { "replicas": 1 } });
    let changed = w.patch("apps/v1:deployments/a/status", MERGE, &patch).is(200);
    let told = watch.expect("MODIFIED");
    assert_eq!(told, changed);
    assert_eq!((&told["kind"], &told["apiVersion"]), (&json!("Deployment"), &json!("apps/v1")));
}

/// A deletion that waits is a change first and an end later.
pub fn a_watch_tells_the_mark_before_the_end(w: &World) {
    let created = w.post("configmaps", &finalized(configmap("a"))).is(201);
    let mut watch = w.watch(&format!("configmaps?resourceVersion={}", created.version()));
    w.delete("configmaps/a").is(200);
    assert!(!watch.expect("MODIFIED").meta("deletionTimestamp").is_empty());
    w.patch("configmaps/a", MERGE, &json!({ "metadata": { "finalizers": null } })).is(200);
    let last = watch.expect("DELETED");
    assert!(!last.meta("deletionTimestamp").is_empty());
}

/// A version that is no number, options that are not for watches, and a kind that is none.
pub fn a_watch_that_makes_no_sense_is_refused_before_it_begins(w: &World) {
    let answer = w.get("configmaps?watch=true&resourceVersion=abc");
    let message = "resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax";
    assert_eq!((answer.code, &answer.body["message"]), (500, &json!(message)), "{}", answer.text);
    let message = "strconv.ParseInt: parsing \"abc\": invalid syntax";
    w.get("configmaps?watch=true&timeoutSeconds=abc").refused(400, "BadRequest", message);
    let answer = w.get("configmaps?watch=true&resourceVersion=1&resourceVersionMatch=NotOlderThan");
    let message = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
    answer.invalid(json!([["FieldValueForbidden", "resourceVersionMatch", message]]));
    let message = "the server could not find the requested resource";
    w.get("nothings?watch=true").refused(404, "NotFound", message);
}

/// From the future, a watch is silent: nothing is later than that yet.
pub fn a_watch_from_the_future_is_silent(w: &World) {
    w.post("configmaps", &configmap("a")).is(201);
    let query = "resourceVersion=99999999&allowWatchBookmarks=true&timeoutSeconds=3";
    let mut watch = w.watch(&format!("configmaps?{query}"));
    w.post("configmaps", &configmap("b")).is(201);
    watch.ends();
}

/// The older way to ask for a watch, by a path of its own.
pub fn the_path_of_old_watches_is_still_served(w: &World) {
    w.post("configmaps", &configmap("a")).is(201);
    let path = format!("/api/v1/watch/namespaces/{}/configmaps?timeoutSeconds=1", w.namespace);
    let answer = w.get(&path);
    let seen = answer.code == 200 && answer.text.starts_with("{\"type\":\"ADDED\"");
    w.differs("no-watch-paths", seen, crate::world::Differs { embedded: false, real: true });
}

/// Alone, without a cache: the log no longer reaches back so far. The watch is opened all the same, and says so in one
/// event: 410 within the stream, not as the answer's code.
pub fn a_watch_from_a_forgotten_version_is_told_so_in_an_event(w: &World) {
    let then = w.post("configmaps", &configmap("a")).is(201);
    w.post("configmaps", &configmap("b")).is(201);
    w.post("configmaps", &configmap("c")).is(201);
    w.compact();
    let mut watch = w.watch(&format!("configmaps?resourceVersion={}", then.version()));
    assert_eq!(watch.code, 200);
    let status = watch.expect("ERROR");
    assert_eq!(
        (&status["kind"], &status["code"], &status["reason"]),
        (&json!("Status"), &json!(410), &json!("Expired"))
    );
    let message = status["message"].as_str().unwrap_or_default();
    assert_eq!(message, "The resourceVersion for the provided watch is too old.");
    watch.ends();
}

/// Alone: a compaction is no news for whoever is up to date, and none for a watch that is open.
pub fn a_compaction_disturbs_no_watch_that_is_up_to_date(w: &World) {
    let created = w.post("configmaps", &configmap("a")).is(201);
    let mut open = w.watch(&format!("configmaps?resourceVersion={}", created.version()));
    // The real server answers before its own watch of etcd is there. Until it is, this one is behind whatever others write.
    w.post("configmaps", &configmap("b")).is(201);
    assert_eq!(open.expect("ADDED").name(), "b");
    w.compact();
    let mut opened = w.watch(&format!("configmaps?resourceVersion={}", w.version()));
    w.post("configmaps", &configmap("c")).is(201);
    assert_eq!(open.expect("ADDED").name(), "c");
    assert_eq!(opened.expect("ADDED").name(), "c");
}
