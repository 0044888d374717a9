//! Dry run: the response of a write, without the write.

use serde_json::json;

use crate::{
    objects::{ObjectExt, configmap},
    test_env::{MERGE, TestEnv},
};

pub fn dry_run_returns_the_result_and_stores_nothing(env: &TestEnv) {
    let kept = env.post("configmaps", &configmap("kept")).expect(201);
    let mut watch = env.watch(&format!("configmaps?resourceVersion={}", kept.resource_version()));
    let created = env.post("configmaps?dryRun=All", &configmap("a")).expect(201);
    assert_eq!((created.uid().len(), created.resource_version()), (36, ""));
    env.get("configmaps/a").expect(404);
    let body = json!({ "metadata": { "name": "kept" }, "data": { "a": "2" } });
    let replaced = env.put("configmaps/kept?dryRun=All", &body).expect(200);
    assert_eq!((replaced["data"]["a"].as_str(), replaced.resource_version()), (Some("2"), kept.resource_version()));
    let patched = env.patch("configmaps/kept?dryRun=All", MERGE, &json!({ "data": { "a": "3" } })).expect(200);
    assert_eq!(patched["data"]["a"], "3");
    let deleted = env.delete("configmaps/kept?dryRun=All").expect(200);
    assert_eq!((deleted["status"].as_str(), deleted["details"]["uid"].as_str()), (Some("Success"), Some(kept.uid())));
    assert_eq!(env.delete("configmaps?dryRun=All").expect(200).names(), ["kept"]);
    assert_eq!(env.get("configmaps/kept").expect(200), kept);
    env.post("configmaps", &configmap("b")).expect(201);
    assert_eq!(watch.names(1), ["ADDED b"]);
}

pub fn dry_run_is_rejected_like_the_write(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    env.post("configmaps?dryRun=All", &configmap("a")).error_message(409, "AlreadyExists");
    env.put("configmaps/b?dryRun=All", &configmap("b")).error_message(404, "NotFound");
    env.post("configmaps?dryRun=All", &configmap("Bad_Name")).error_message(422, "Invalid");
}

/// A misspelt value must not cause a real write.
pub fn unknown_dry_run_value_is_invalid(env: &TestEnv) {
    let message = "Unsupported value: [\"Some\"]: supported values: \"All\"";
    let causes = json!([["FieldValueNotSupported", "dryRun", message]]);
    env.post("configmaps?dryRun=Some", &configmap("a")).expect_invalid(causes.clone());
    env.get("configmaps/a").expect(404);
    env.post("configmaps", &configmap("a")).expect(201);
    env.put("configmaps/a?dryRun=Some", &configmap("a")).expect_invalid(causes.clone());
    env.delete("configmaps/a?dryRun=Some").expect_invalid(causes);
    // An empty value is invalid, too.
    let message = "Unsupported value: [\"\"]: supported values: \"All\"";
    let causes = json!([["FieldValueNotSupported", "dryRun", message]]);
    env.put("configmaps/a?dryRun=", &configmap("a")).expect_invalid(causes.clone());
    env.delete("configmaps/a?dryRun=").expect_invalid(causes);
}

pub fn delete_with_a_body_ignores_the_query(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    env.delete_with_options("configmaps/a", &json!({ "dryRun": ["All"] })).expect(200);
    env.get("configmaps/a").expect(200);
    env.delete_with_options("configmaps/a?dryRun=All", &json!({})).expect(200);
    env.get("configmaps/a").expect(404);
}
