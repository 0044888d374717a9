//! Two who write the same object: who is told to look again.

use serde_json::json;

use crate::{
    objects::{Is, configmap},
    world::{MERGE, World},
};

const MODIFIED: &str = "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again";

/// The comparison of the version that was read with the one that is there.
pub fn a_replace_with_an_old_version_is_a_conflict(w: &World) {
    let mut first = w.post("configmaps", &configmap("a")).is(201);
    first["data"]["a"] = json!("2");
    let second = w.put("configmaps/a", &first).is(200);
    first["data"]["a"] = json!("3");
    let details = w.put("configmaps/a", &first).refused(409, "Conflict", MODIFIED);
    assert_eq!(details, json!({ "name": "a", "kind": "configmaps" }));
    assert_eq!(w.get("configmaps/a").is(200), second);
}

/// Without a version there is nothing to compare.
pub fn a_replace_without_a_version_overwrites(w: &World) {
    let first = w.post("configmaps", &configmap("a")).is(201);
    let body = json!({ "metadata": { "name": "a" }, "data": { "a": "2" } });
    assert!(w.put("configmaps/a", &body).is(200).revision() > first.revision());
}

/// A version in a patch is a precondition, too.
pub fn a_patch_with_an_old_version_is_a_conflict(w: &World) {
    let first = w.post("configmaps", &configmap("a")).is(201);
    let patch = json!({ "metadata": { "resourceVersion": first.version() }, "data": { "a": "2" } });
    w.patch("configmaps/a", MERGE, &patch).is(200);
    let patch = json!({ "metadata": { "resourceVersion": first.version() }, "data": { "a": "3" } });
    w.patch("configmaps/a", MERGE, &patch).refused(409, "Conflict", MODIFIED);
}

/// A delete that says which object it means deletes no other.
pub fn a_delete_with_preconditions_spares_what_has_changed(w: &World) {
    let object = w.post("configmaps", &configmap("a")).is(201);
    let wrong = json!({ "preconditions": { "uid": "another" } });
    let message = format!(
        "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (another) does not match the UID in record ({}). The object might have been deleted and then recreated",
        object.uid()
    );
    w.delete_with("configmaps/a", &wrong).refused(409, "Conflict", &message);
    let wrong = json!({ "preconditions": { "resourceVersion": "1" } });
    let message = format!(
        "Operation cannot be fulfilled on ConfigMap \"a\": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({}). The object might have been modified",
        object.version()
    );
    w.delete_with("configmaps/a", &wrong).refused(409, "Conflict", &message);
    let right = json!({ "preconditions": { "uid": object.uid(), "resourceVersion": object.version() } });
    w.delete_with("configmaps/a", &right).is(200);
}
