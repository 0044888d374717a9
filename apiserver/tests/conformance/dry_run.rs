//! Dry run: everything as if, and nothing done.

use serde_json::json;

use crate::{
    objects::{Is, configmap},
    world::{MERGE, World},
};

/// Each write is answered as it would have been; nothing is stored, and nobody hears of it.
pub fn a_dry_run_answers_as_if_and_does_nothing(w: &World) {
    let kept = w.post("configmaps", &configmap("kept")).is(201);
    let mut watch = w.watch(&format!("configmaps?resourceVersion={}", kept.version()));
    let created = w.post("configmaps?dryRun=All", &configmap("a")).is(201);
    assert_eq!((created.uid().len(), created.version()), (36, ""));
    w.get("configmaps/a").is(404);
    let body = json!({ "metadata": { "name": "kept" }, "data": { "a": "2" } });
    let replaced = w.put("configmaps/kept?dryRun=All", &body).is(200);
    assert_eq!((replaced["data"]["a"].as_str(), replaced.version()), (Some("2"), kept.version()));
    let patched = w.patch("configmaps/kept?dryRun=All", MERGE, &json!({ "data": { "a": "3" } })).is(200);
    assert_eq!(patched["data"]["a"], "3");
    let deleted = w.delete("configmaps/kept?dryRun=All").is(200);
    assert_eq!((deleted["status"].as_str(), deleted["details"]["uid"].as_str()), (Some("Success"), Some(kept.uid())));
    assert_eq!(w.delete("configmaps?dryRun=All").is(200).names(), ["kept"]);
    assert_eq!(w.get("configmaps/kept").is(200), kept);
    w.post("configmaps", &configmap("b")).is(201);
    assert_eq!(watch.names(1), ["ADDED b"]);
}

/// What would be refused is refused.
pub fn a_dry_run_is_refused_as_the_write_would_be(w: &World) {
    w.post("configmaps", &configmap("a")).is(201);
    w.post("configmaps?dryRun=All", &configmap("a")).refusal(409, "AlreadyExists");
    w.put("configmaps/b?dryRun=All", &configmap("b")).refusal(404, "NotFound");
    w.post("configmaps?dryRun=All", &configmap("Bad_Name")).refusal(422, "Invalid");
}

/// There is one kind of dry run. A misspelt one must not become a real write.
pub fn a_dry_run_of_an_unknown_kind_is_refused(w: &World) {
    let message = "Unsupported value: [\"Some\"]: supported values: \"All\"";
    let causes = json!([["FieldValueNotSupported", "dryRun", message]]);
    w.post("configmaps?dryRun=Some", &configmap("a")).invalid(causes.clone());
    w.get("configmaps/a").is(404);
    w.post("configmaps", &configmap("a")).is(201);
    w.put("configmaps/a?dryRun=Some", &configmap("a")).invalid(causes.clone());
    w.delete("configmaps/a?dryRun=Some").invalid(causes);
    // Nor an empty one.
    let message = "Unsupported value: [\"\"]: supported values: \"All\"";
    let causes = json!([["FieldValueNotSupported", "dryRun", message]]);
    w.put("configmaps/a?dryRun=", &configmap("a")).invalid(causes.clone());
    w.delete("configmaps/a?dryRun=").invalid(causes);
}

/// Pitfall: the options of a delete are those of its body, and if it has one, the query does not count.
pub fn a_delete_with_a_body_does_not_look_at_its_query(w: &World) {
    w.post("configmaps", &configmap("a")).is(201);
    w.delete_with("configmaps/a", &json!({ "dryRun": ["All"] })).is(200);
    w.get("configmaps/a").is(200);
    w.delete_with("configmaps/a?dryRun=All", &json!({})).is(200);
    w.get("configmaps/a").is(404);
}
