//! Garbage collection: what becomes of what is owned.
//!
//! The real server leaves it to a controller, some moments later. The embedded one does it in the write that causes it. So
//! cases wait for what both come to.

use serde_json::{Value, json};

use crate::{
    objects::{Is, configmap, finalized, owned, reference},
    wait::expect,
    world::{Differs, MERGE, World},
};

fn gone(w: &World, path: &str) {
    w.eventually(format!("{path} is gone"), || {
        let answer = w.get(path);
        expect(answer.code == 404, answer.text)
    });
}

fn owner_and_child(w: &World) -> (Value, Value) {
    let owner = w.post("configmaps", &configmap("owner")).is(201);
    let child = w.post("configmaps", &owned(configmap("child"), &owner)).is(201);
    (owner, child)
}

/// The default: the owner goes, and what it owns after it.
pub fn what_is_owned_goes_with_its_owner(w: &World) {
    owner_and_child(w);
    let mut watch = w.watch("configmaps");
    assert_eq!(watch.names(2), ["ADDED child", "ADDED owner"]);
    w.delete("configmaps/owner").is(200);
    assert_eq!(watch.names(2), ["DELETED owner", "DELETED child"]);
    gone(w, "configmaps/child");
}

/// Alone: where there are no controllers. The embedded server needs none.
pub fn no_controller_is_needed(w: &World) {
    owner_and_child(w);
    w.delete("configmaps/owner").is(200);
    w.differs("gc-at-once", w.get("configmaps/child").code, Differs { embedded: 404, real: 200 });
}

/// Owners of owners.
pub fn what_is_owned_by_what_is_owned_goes_as_well(w: &World) {
    let (_, child) = owner_and_child(w);
    w.post("configmaps", &owned(configmap("grandchild"), &child)).is(201);
    w.delete("configmaps/owner").is(200);
    gone(w, "configmaps/child");
    gone(w, "configmaps/grandchild");
}

/// Not the same name, but the same object: the UID decides.
pub fn what_is_owned_by_nobody_that_exists_is_collected(w: &World) {
    let owner = w.post("configmaps", &configmap("owner")).is(201);
    let mut stranger = owner.clone();
    stranger["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000000");
    w.post("configmaps", &owned(configmap("child"), &stranger)).is(201);
    gone(w, "configmaps/child");
    w.get("configmaps/owner").is(200);
}

/// One owner of two may go.
pub fn what_has_another_owner_stays_and_forgets_the_one_that_is_gone(w: &World) {
    let (first, _) = owner_and_child(w);
    let second = w.post("configmaps", &configmap("second")).is(201);
    let patch = json!({ "metadata": { "ownerReferences": [reference(&first), reference(&second)] } });
    w.patch("configmaps/child", MERGE, &patch).is(200);
    w.delete("configmaps/owner").is(200);
    w.eventually("the reference to what is gone is gone", || {
        let child = w.get("configmaps/child").is(200);
        expect(child["metadata"]["ownerReferences"] == json!([reference(&second)]), child)
    });
    w.delete("configmaps/second").is(200);
    gone(w, "configmaps/child");
}

/// Orphan: they stay, and are nobody's.
pub fn what_is_orphaned_stays_without_its_owner(w: &World) {
    let (_, child) = owner_and_child(w);
    let waiting = w.delete_with("configmaps/owner", &json!({ "propagationPolicy": "Orphan" })).is(200);
    assert_eq!((waiting.name(), &waiting["metadata"]["finalizers"]), ("owner", &json!(["orphan"])));
    gone(w, "configmaps/owner");
    let orphan = w.get("configmaps/child").is(200);
    assert_eq!((orphan.uid(), &orphan["metadata"]["ownerReferences"]), (child.uid(), &json!(null)));
    assert!(orphan.revision() > child.revision());
}

/// Foreground: the owner waits, with a finalizer, for those whose reference says that it has to.
pub fn in_the_foreground_the_owner_waits_for_what_blocks_it(w: &World) {
    let owner = w.post("configmaps", &configmap("owner")).is(201);
    let mut child = finalized(owned(configmap("child"), &owner));
    child["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = json!(true);
    w.post("configmaps", &child).is(201);
    let waiting = w.delete_with("configmaps/owner", &json!({ "propagationPolicy": "Foreground" })).is(200);
    assert_eq!(waiting["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    assert!(!waiting.meta("deletionTimestamp").is_empty());
    w.eventually("the child is being deleted", || {
        let child = w.get("configmaps/child").is(200);
        expect(!child.meta("deletionTimestamp").is_empty(), child)
    });
    w.get("configmaps/owner").is(200);
    w.patch("configmaps/child", MERGE, &json!({ "metadata": { "finalizers": null } })).is(200);
    gone(w, "configmaps/child");
    gone(w, "configmaps/owner");
}

/// Those that do not say so are deleted as well, but not waited for; and where there is nobody, nobody is waited for.
pub fn in_the_foreground_the_owner_waits_for_nobody_else(w: &World) {
    let owner = w.post("configmaps", &configmap("owner")).is(201);
    w.post("configmaps", &finalized(owned(configmap("child"), &owner))).is(201);
    w.post("configmaps", &configmap("alone")).is(201);
    for name in ["owner", "alone"] {
        let path = format!("configmaps/{name}");
        w.delete_with(&path, &json!({ "propagationPolicy": "Foreground" })).is(200);
        gone(w, &path);
    }
    assert!(!w.get("configmaps/child").is(200).meta("deletionTimestamp").is_empty());
}

/// A reference has to say whose it is, and only one owner is in control.
pub fn a_reference_is_complete_and_one_owner_controls(w: &World) {
    let owner = w.post("configmaps", &configmap("owner")).is(201);
    let mut child = owned(configmap("child"), &owner);
    child["metadata"]["ownerReferences"][0]["uid"] = json!("");
    let message = "Invalid value: \"\": must not be empty";
    let answer = w.post("configmaps", &child);
    answer.invalid(json!([["FieldValueInvalid", "metadata.ownerReferences.uid", message]]));
    let other = w.post("configmaps", &configmap("other")).is(201);
    let mut child = owned(owned(configmap("child"), &owner), &other);
    for index in 0..2 {
        child["metadata"]["ownerReferences"][index]["controller"] = json!(true);
    }
    let message = w.post("configmaps", &child).refusal(422, "Invalid");
    let end = "Only one reference can have Controller set to true. Found \"true\" in references for ConfigMap/owner and ConfigMap/other";
    assert!(message.ends_with(end), "{message}");
}
