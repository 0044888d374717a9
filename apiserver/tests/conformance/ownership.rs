//! Garbage collection: owners and their dependents.
//!
//! The real controller collects garbage after a delay, the embedded server as part of the write. So cases wait for the
//! result.

use serde_json::{Value, json};

use crate::{
    objects::{ObjectExt, configmap, owner_reference, with_finalizer, with_owner},
    test_env::{MERGE, PerServer, TestEnv},
    wait::expect,
};

fn wait_until_deleted(env: &TestEnv, path: &str) {
    env.eventually(format!("{path} is deleted"), || {
        let response = env.get(path);
        expect(response.code == 404, response.text)
    });
}

fn owner_and_child(env: &TestEnv) -> (Value, Value) {
    let owner = env.post("configmaps", &configmap("owner")).expect(201);
    let child = env.post("configmaps", &with_owner(configmap("child"), &owner)).expect(201);
    (owner, child)
}

pub fn dependent_is_deleted_after_its_owner(env: &TestEnv) {
    owner_and_child(env);
    let mut watch = env.watch("configmaps");
    assert_eq!(watch.names(2), ["ADDED child", "ADDED owner"]);
    env.delete("configmaps/owner").expect(200);
    assert_eq!(watch.names(2), ["DELETED owner", "DELETED child"]);
    wait_until_deleted(env, "configmaps/child");
}

/// Serial, without controllers.
pub fn garbage_is_collected_without_a_controller(env: &TestEnv) {
    owner_and_child(env);
    env.delete("configmaps/owner").expect(200);
    env.assert_difference("gc-at-once", env.get("configmaps/child").code, PerServer { embedded: 404, real: 200 });
}

pub fn dependent_of_a_dependent_is_deleted(env: &TestEnv) {
    let (_, child) = owner_and_child(env);
    env.post("configmaps", &with_owner(configmap("grandchild"), &child)).expect(201);
    env.delete("configmaps/owner").expect(200);
    wait_until_deleted(env, "configmaps/child");
    wait_until_deleted(env, "configmaps/grandchild");
}

/// The UID of the reference decides, not the name.
pub fn object_with_an_absent_owner_is_deleted(env: &TestEnv) {
    let owner = env.post("configmaps", &configmap("owner")).expect(201);
    let mut absent = owner.clone();
    absent["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000000");
    env.post("configmaps", &with_owner(configmap("child"), &absent)).expect(201);
    wait_until_deleted(env, "configmaps/child");
    env.get("configmaps/owner").expect(200);
}

/// The reference to the deleted owner is removed.
pub fn object_survives_while_one_owner_remains(env: &TestEnv) {
    let (first, _) = owner_and_child(env);
    let second = env.post("configmaps", &configmap("second")).expect(201);
    let patch = json!({ "metadata": { "ownerReferences": [owner_reference(&first), owner_reference(&second)] } });
    env.patch("configmaps/child", MERGE, &patch).expect(200);
    env.delete("configmaps/owner").expect(200);
    env.eventually("the reference to the deleted owner is removed", || {
        let child = env.get("configmaps/child").expect(200);
        expect(child["metadata"]["ownerReferences"] == json!([owner_reference(&second)]), child)
    });
    env.delete("configmaps/second").expect(200);
    wait_until_deleted(env, "configmaps/child");
}

pub fn orphaned_object_stays_without_owner_references(env: &TestEnv) {
    let (_, child) = owner_and_child(env);
    let waiting = env.delete_with_options("configmaps/owner", &json!({ "propagationPolicy": "Orphan" })).expect(200);
    assert_eq!((waiting.name(), &waiting["metadata"]["finalizers"]), ("owner", &json!(["orphan"])));
    wait_until_deleted(env, "configmaps/owner");
    let orphan = env.get("configmaps/child").expect(200);
    assert_eq!((orphan.uid(), &orphan["metadata"]["ownerReferences"]), (child.uid(), &json!(null)));
    assert!(orphan.revision() > child.revision());
}

pub fn foreground_deletion_waits_for_blocking_dependents(env: &TestEnv) {
    let owner = env.post("configmaps", &configmap("owner")).expect(201);
    let mut child = with_finalizer(with_owner(configmap("child"), &owner));
    child["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = json!(true);
    env.post("configmaps", &child).expect(201);
    let waiting =
        env.delete_with_options("configmaps/owner", &json!({ "propagationPolicy": "Foreground" })).expect(200);
    assert_eq!(waiting["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    assert!(!waiting.meta("deletionTimestamp").is_empty());
    env.eventually("the child is being deleted", || {
        let child = env.get("configmaps/child").expect(200);
        expect(!child.meta("deletionTimestamp").is_empty(), child)
    });
    env.get("configmaps/owner").expect(200);
    env.patch("configmaps/child", MERGE, &json!({ "metadata": { "finalizers": null } })).expect(200);
    wait_until_deleted(env, "configmaps/child");
    wait_until_deleted(env, "configmaps/owner");
}

/// Dependents without `blockOwnerDeletion` are deleted, too.
pub fn foreground_deletion_waits_for_no_other_dependents(env: &TestEnv) {
    let owner = env.post("configmaps", &configmap("owner")).expect(201);
    env.post("configmaps", &with_finalizer(with_owner(configmap("child"), &owner))).expect(201);
    env.post("configmaps", &configmap("alone")).expect(201);
    for name in ["owner", "alone"] {
        let path = format!("configmaps/{name}");
        env.delete_with_options(&path, &json!({ "propagationPolicy": "Foreground" })).expect(200);
        wait_until_deleted(env, &path);
    }
    assert!(!env.get("configmaps/child").expect(200).meta("deletionTimestamp").is_empty());
}

/// A reference needs a UID, and only one owner can be the controller.
pub fn invalid_owner_references_are_rejected(env: &TestEnv) {
    let owner = env.post("configmaps", &configmap("owner")).expect(201);
    let mut child = with_owner(configmap("child"), &owner);
    child["metadata"]["ownerReferences"][0]["uid"] = json!("");
    let message = "Invalid value: \"\": must not be empty";
    let response = env.post("configmaps", &child);
    response.expect_invalid(json!([["FieldValueInvalid", "metadata.ownerReferences.uid", message]]));
    let other = env.post("configmaps", &configmap("other")).expect(201);
    let mut child = with_owner(with_owner(configmap("child"), &owner), &other);
    for index in 0..2 {
        child["metadata"]["ownerReferences"][index]["controller"] = json!(true);
    }
    let message = env.post("configmaps", &child).error_message(422, "Invalid");
    let end = "Only one reference can have Controller set to true. Found \"true\" in references for ConfigMap/owner and ConfigMap/other";
    assert!(message.ends_with(end), "{message}");
}
