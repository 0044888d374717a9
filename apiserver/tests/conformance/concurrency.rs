//! Optimistic concurrency: the writes that conflict.

use serde_json::json;

use crate::{
    objects::{ObjectExt, configmap},
    test_env::{MERGE, TestEnv},
};

const MODIFIED: &str = "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again";

pub fn replace_with_a_stale_version_is_a_conflict(env: &TestEnv) {
    let mut first = env.post("configmaps", &configmap("a")).expect(201);
    first["data"]["a"] = json!("2");
    let second = env.put("configmaps/a", &first).expect(200);
    first["data"]["a"] = json!("3");
    let details = env.put("configmaps/a", &first).expect_error(409, "Conflict", MODIFIED);
    assert_eq!(details, json!({ "name": "a", "kind": "configmaps" }));
    assert_eq!(env.get("configmaps/a").expect(200), second);
}

pub fn replace_without_a_version_overwrites(env: &TestEnv) {
    let first = env.post("configmaps", &configmap("a")).expect(201);
    let body = json!({ "metadata": { "name": "a" }, "data": { "a": "2" } });
    assert!(env.put("configmaps/a", &body).expect(200).revision() > first.revision());
}

pub fn patch_with_a_stale_version_is_a_conflict(env: &TestEnv) {
    let first = env.post("configmaps", &configmap("a")).expect(201);
    let patch = json!({ "metadata": { "resourceVersion": first.resource_version() }, "data": { "a": "2" } });
    env.patch("configmaps/a", MERGE, &patch).expect(200);
    let patch = json!({ "metadata": { "resourceVersion": first.resource_version() }, "data": { "a": "3" } });
    env.patch("configmaps/a", MERGE, &patch).expect_error(409, "Conflict", MODIFIED);
}

pub fn delete_with_failed_preconditions_is_a_conflict(env: &TestEnv) {
    let object = env.post("configmaps", &configmap("a")).expect(201);
    let wrong = json!({ "preconditions": { "uid": "another" } });
    let message = format!(
        "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (another) does not match the UID in record ({}). The object might have been deleted and then recreated",
        object.uid()
    );
    env.delete_with_options("configmaps/a", &wrong).expect_error(409, "Conflict", &message);
    let wrong = json!({ "preconditions": { "resourceVersion": "1" } });
    let message = format!(
        "Operation cannot be fulfilled on ConfigMap \"a\": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({}). The object might have been modified",
        object.resource_version()
    );
    env.delete_with_options("configmaps/a", &wrong).expect_error(409, "Conflict", &message);
    let right = json!({ "preconditions": { "uid": object.uid(), "resourceVersion": object.resource_version() } });
    env.delete_with_options("configmaps/a", &right).expect(200);
}
