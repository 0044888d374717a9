//! Patches: merge, strategic merge and JSON.

use serde_json::{Value, json};

use crate::{
    objects::{ObjectExt, configmap, deployment, pod},
    test_env::{APPLY, JSON_PATCH, MERGE, PerServer, STRATEGIC, TestEnv},
};

/// Null removes a field.
pub fn merge_patch_merges_objects_and_replaces_lists(env: &TestEnv) {
    let body = json!({ "metadata": { "name": "a", "finalizers": ["example.com/a"] }, "data": { "a": "1", "b": "2" } });
    env.post("configmaps", &body).expect(201);
    let patch =
        json!({ "metadata": { "finalizers": ["example.com/b"] }, "data": { "a": null, "c": "3", "absent": null } });
    let patched = env.patch("configmaps/a", MERGE, &patch).expect(200);
    assert_eq!(patched["data"], json!({ "b": "2", "c": "3" }));
    assert_eq!(patched["metadata"]["finalizers"], json!(["example.com/b"]));
}

pub fn json_patch_applies_all_operations_or_none(env: &TestEnv) {
    let mut body = configmap("a");
    body["metadata"]["annotations"] = json!({ "z": "0" });
    let created = env.post("configmaps", &body).expect(201);
    let patch = json!([
        { "op": "test", "path": "/data/a", "value": "1" },
        { "op": "add", "path": "/data/b", "value": "2" },
        { "op": "copy", "from": "/data/b", "path": "/data/c" },
        { "op": "move", "from": "/data/a", "path": "/metadata/annotations/x~1y" },
    ]);
    let patched = env.patch("configmaps/a", JSON_PATCH, &patch).expect(200);
    assert_eq!(patched["data"], json!({ "b": "2", "c": "2" }));
    assert_eq!(patched["metadata"]["annotations"], json!({ "x/y": "1", "z": "0" }));
    assert!(patched.revision() > created.revision());
    let message = "the server rejected our request due to an error in our request";
    for (path, op) in [("/data/b", "test"), ("/data/absent", "remove"), ("/data/b", "frob")] {
        let patch =
            json!([{ "op": "add", "path": "/data/d", "value": "" }, { "op": op, "path": path, "value": "nope" }]);
        assert_eq!(env.patch("configmaps/a", JSON_PATCH, &patch).expect_error(422, "Invalid", message), json!({}));
    }
    assert_eq!(env.get("configmaps/a").expect(200), patched);
}

pub fn strategic_merge_patch_merges_lists_by_key(env: &TestEnv) {
    env.post("apps/v1:deployments", &deployment("a")).expect(201);
    let containers =
        json!([{ "name": "web", "env": [{ "name": "X", "value": "1" }] }, { "name": "side", "image": "side" }]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    let patched = env.patch("apps/v1:deployments/a", STRATEGIC, &patch).expect(200);
    let seen = &patched["spec"]["template"]["spec"]["containers"];
    let fields = |c: &Value| json!([c["name"], c["image"], c["env"]]);
    let seen: Value = seen.as_array().expect("containers").iter().map(fields).collect();
    let mut expected = json!([["web", "web", [{ "name": "X", "value": "1" }]], ["side", "side", null]]);
    // The position of a new item is not defined.
    if seen[0][0] == "side" {
        expected.as_array_mut().expect("a list").reverse();
    }
    assert_eq!(seen, expected);
    let containers =
        json!([{ "name": "side", "$patch": "delete" }, { "name": "web", "env": [{ "name": "Y", "value": "2" }] }]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    let patched = env.patch("apps/v1:deployments/a", STRATEGIC, &patch).expect(200);
    let seen = &patched["spec"]["template"]["spec"]["containers"];
    assert_eq!((seen.as_array().map(Vec::len), &seen[0]["image"]), (Some(1), &json!("web")));
    let mut names: Vec<_> = seen[0]["env"].as_array().expect("env").iter().map(|e| e["name"].as_str()).collect();
    names.sort();
    assert_eq!(names, [Some("X"), Some("Y")]);
    assert_eq!(patched.generation(), Some(3));
}

pub fn strategic_merge_patch_obeys_directives(env: &TestEnv) {
    let body = json!({
        "metadata": { "name": "a", "finalizers": ["example.com/a", "example.com/b"] }, "data": { "a": "1", "b": "2" },
    });
    env.post("configmaps", &body).expect(201);
    let patch = json!({ "metadata": { "finalizers": ["example.com/c"] }, "data": { "$patch": "replace", "c": "3" } });
    let patched = env.patch("configmaps/a", STRATEGIC, &patch).expect(200);
    assert_eq!(patched["data"], json!({ "c": "3" }));
    let mut finalizers: Vec<_> = patched["metadata"]["finalizers"].as_array().expect("a list").iter().collect();
    finalizers.sort_by_key(|f| f.as_str());
    assert_eq!(json!(finalizers), json!(["example.com/a", "example.com/b", "example.com/c"]));
    let patch = json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["example.com/b", "example.com/c"] } });
    let patched = env.patch("configmaps/a", STRATEGIC, &patch).expect(200);
    assert_eq!(patched["metadata"]["finalizers"], json!(["example.com/a"]));
    env.post("apps/v1:deployments", &deployment("a")).expect(201);
    let patch = json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "Recreate" } } });
    let patched = env.patch("apps/v1:deployments/a", STRATEGIC, &patch).expect(200);
    assert_eq!(patched["spec"]["strategy"], json!({ "type": "Recreate" }));
}

/// A kubelet writes the status of a pod this way.
pub fn strategic_merge_patch_merges_conditions_by_type(env: &TestEnv) {
    env.post("pods", &pod("a")).expect(201);
    for (kind, status) in [("Ready", "False"), ("Initialized", "True"), ("Ready", "True")] {
        let patch = json!({ "status": { "conditions": [{ "type": kind, "status": status }] } });
        env.patch("pods/a/status", STRATEGIC, &patch).expect(200);
    }
    let conditions = &env.get("pods/a").expect(200)["status"]["conditions"];
    let mut seen: Vec<_> = conditions.as_array().expect("conditions").iter().collect();
    seen.sort_by_key(|c| c["type"].as_str());
    let seen: Value = seen.iter().map(|c| json!([c["type"], c["status"]])).collect();
    assert_eq!(seen, json!([["Initialized", "True"], ["Ready", "True"]]));
}

pub fn patch_without_changes_writes_nothing(env: &TestEnv) {
    let created = env.post("configmaps", &configmap("a")).expect(201);
    for kind in [MERGE, STRATEGIC] {
        assert_eq!(
            env.patch("configmaps/a", kind, &json!({ "data": { "a": "1" } })).expect(200).resource_version(),
            created.resource_version()
        );
    }
    let patch = json!([{ "op": "replace", "path": "/data/a", "value": "1" }]);
    assert_eq!(
        env.patch("configmaps/a", JSON_PATCH, &patch).expect(200).resource_version(),
        created.resource_version()
    );
}

pub fn patch_cannot_change_name_or_uid_or_create(env: &TestEnv) {
    env.patch("configmaps/a", MERGE, &json!({})).expect_error(404, "NotFound", "configmaps \"a\" not found");
    env.post("configmaps", &configmap("a")).expect(201);
    let message = "the name of the object (b) does not match the name on the URL (a)";
    let patch = json!({ "metadata": { "name": "b" } });
    env.patch("configmaps/a", MERGE, &patch).expect_error(400, "BadRequest", message);
    let message =
        env.patch("configmaps/a", MERGE, &json!({ "metadata": { "uid": "b" } })).error_message(422, "Invalid");
    assert_eq!(message, "ConfigMap \"a\" is invalid: metadata.uid: Invalid value: \"b\": field is immutable");
    // Fields that the server sets are ignored.
    let patch = json!({ "metadata": { "creationTimestamp": null, "generation": 9 } });
    assert_eq!(env.patch("configmaps/a", MERGE, &patch).expect(200), env.get("configmaps/a").expect(200));
}

pub fn malformed_patch_is_rejected(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    let message = env.patch("configmaps/a", MERGE, &json!([])).error_message(400, "BadRequest");
    assert!(message.starts_with("error decoding patch: "), "{message}");
    let message = env.patch("configmaps/a", JSON_PATCH, &json!({})).error_message(400, "BadRequest");
    assert!(message.starts_with("error decoding patch: "), "{message}");
    // `null` is an empty list of operations.
    env.patch("configmaps/a", JSON_PATCH, &json!(null)).expect(200);
    for kind in ["application/json", "application/example+json"] {
        let response = env.patch("configmaps/a", kind, &json!({}));
        assert_eq!(response.expect_error(415, "UnsupportedMediaType", "415: Unsupported Media Type"), json!({}));
    }
    // The patched object has a field of the wrong type.
    let message = env.patch("configmaps/a", MERGE, &json!({ "data": 5 })).error_message(422, "Invalid");
    assert!(message.starts_with(" \"\" is invalid: patch: Invalid value: \""), "{message}");
}

/// The embedded server stores no managed fields.
pub fn server_side_apply_is_rejected(env: &TestEnv) {
    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } });
    let response = env.patch("configmaps/a?fieldManager=me", APPLY, &body);
    let seen = (response.code, response.body["reason"].as_str());
    env.assert_difference(
        "no-ssa",
        seen,
        PerServer { embedded: (415, Some("UnsupportedMediaType")), real: (201, None) },
    );
}

/// The library of the real server also accepts `-1` for the last element of a list.
pub fn json_patch_follows_the_rfc(env: &TestEnv) {
    let body = json!({ "metadata": { "name": "a", "finalizers": ["example.com/a"] } });
    env.post("configmaps", &body).expect(201);
    let patch = json!([{ "op": "remove", "path": "/metadata/finalizers/-1" }]);
    let code = env.patch("configmaps/a", JSON_PATCH, &patch).code;
    env.assert_difference("strict-json-patch", code, PerServer { embedded: 422, real: 200 });
}
