//! Patches, in the three forms that this server takes.

use serde_json::{Value, json};

use crate::{
    objects::{Is, configmap, deployment, pod},
    world::{APPLY, Differs, JSON_PATCH, MERGE, STRATEGIC, World},
};

/// Null removes, objects are merged, everything else is replaced.
pub fn a_merge_patch_merges_objects_and_replaces_lists(w: &World) {
    let body = json!({ "metadata": { "name": "a", "finalizers": ["example.com/a"] }, "data": { "a": "1", "b": "2" } });
    w.post("configmaps", &body).is(201);
    let patch =
        json!({ "metadata": { "finalizers": ["example.com/b"] }, "data": { "a": null, "c": "3", "absent": null } });
    let patched = w.patch("configmaps/a", MERGE, &patch).is(200);
    assert_eq!(patched["data"], json!({ "b": "2", "c": "3" }));
    assert_eq!(patched["metadata"]["finalizers"], json!(["example.com/b"]));
}

/// The operations, and all or nothing.
pub fn a_json_patch_is_carried_out_in_order_or_not_at_all(w: &World) {
    let mut body = configmap("a");
    body["metadata"]["annotations"] = json!({ "z": "0" });
    let created = w.post("configmaps", &body).is(201);
    let patch = json!([
        { "op": "test", "path": "/data/a", "value": "1" },
        { "op": "add", "path": "/data/b", "value": "2" },
        { "op": "copy", "from": "/data/b", "path": "/data/c" },
        { "op": "move", "from": "/data/a", "path": "/metadata/annotations/x~1y" },
    ]);
    let patched = w.patch("configmaps/a", JSON_PATCH, &patch).is(200);
    assert_eq!(patched["data"], json!({ "b": "2", "c": "2" }));
    assert_eq!(patched["metadata"]["annotations"], json!({ "x/y": "1", "z": "0" }));
    assert!(patched.revision() > created.revision());
    let message = "the server rejected our request due to an error in our request";
    for (path, op) in [("/data/b", "test"), ("/data/absent", "remove"), ("/data/b", "frob")] {
        let patch =
            json!([{ "op": "add", "path": "/data/d", "value": "" }, { "op": op, "path": path, "value": "nope" }]);
        assert_eq!(w.patch("configmaps/a", JSON_PATCH, &patch).refused(422, "Invalid", message), json!({}));
    }
    assert_eq!(w.get("configmaps/a").is(200), patched);
}

/// Lists whose items have a name are merged by it.
pub fn a_strategic_merge_patch_merges_lists_by_key(w: &World) {
    w.post("apps/v1:deployments", &deployment("a")).is(201);
    let containers =
        json!([{ "name": "web", "env": [{ "name": "X", "value": "1" }] }, { "name": "side", "image": "side" }]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    let patched = w.patch("apps/v1:deployments/a", STRATEGIC, &patch).is(200);
    let seen = &patched["spec"]["template"]["spec"]["containers"];
    let brief = |c: &Value| json!([c["name"], c["image"], c["env"]]);
    let brief: Value = seen.as_array().expect("containers").iter().map(brief).collect();
    let mut expected = json!([["web", "web", [{ "name": "X", "value": "1" }]], ["side", "side", null]]);
    // New items come first or last: the order is not promised, the set is.
    if brief[0][0] == "side" {
        expected.as_array_mut().expect("a list").reverse();
    }
    assert_eq!(brief, expected);
    let containers =
        json!([{ "name": "side", "$patch": "delete" }, { "name": "web", "env": [{ "name": "Y", "value": "2" }] }]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    let patched = w.patch("apps/v1:deployments/a", STRATEGIC, &patch).is(200);
    let seen = &patched["spec"]["template"]["spec"]["containers"];
    assert_eq!((seen.as_array().map(Vec::len), &seen[0]["image"]), (Some(1), &json!("web")));
    let mut names: Vec<_> = seen[0]["env"].as_array().expect("env").iter().map(|e| e["name"].as_str()).collect();
    names.sort();
    assert_eq!(names, [Some("X"), Some("Y")]);
    assert_eq!(patched.generation(), Some(3));
}

/// Directives: replace a map or list whole; take items out of a list of texts; keep only some keys.
pub fn a_strategic_merge_patch_obeys_its_directives(w: &World) {
    let body = json!({
        "metadata": { "name": "a", "finalizers": ["example.com/a", "example.com/b"] }, "data": { "a": "1", "b": "2" },
    });
    w.post("configmaps", &body).is(201);
    let patch = json!({ "metadata": { "finalizers": ["example.com/c"] }, "data": { "$patch": "replace", "c": "3" } });
    let patched = w.patch("configmaps/a", STRATEGIC, &patch).is(200);
    assert_eq!(patched["data"], json!({ "c": "3" }));
    let mut finalizers: Vec<_> = patched["metadata"]["finalizers"].as_array().expect("a list").iter().collect();
    finalizers.sort_by_key(|f| f.as_str());
    assert_eq!(json!(finalizers), json!(["example.com/a", "example.com/b", "example.com/c"]));
    let patch = json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["example.com/b", "example.com/c"] } });
    let patched = w.patch("configmaps/a", STRATEGIC, &patch).is(200);
    assert_eq!(patched["metadata"]["finalizers"], json!(["example.com/a"]));
    w.post("apps/v1:deployments", &deployment("a")).is(201);
    let patch = json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "Recreate" } } });
    let patched = w.patch("apps/v1:deployments/a", STRATEGIC, &patch).is(200);
    assert_eq!(patched["spec"]["strategy"], json!({ "type": "Recreate" }));
}

/// Conditions are merged by type: how a kubelet writes a pod's status.
pub fn conditions_are_merged_by_type(w: &World) {
    w.post("pods", &pod("a")).is(201);
    for (kind, status) in [("Ready", "False"), ("Initialized", "True"), ("Ready", "True")] {
        let patch = json!({ "status": { "conditions": [{ "type": kind, "status": status }] } });
        w.patch("pods/a/status", STRATEGIC, &patch).is(200);
    }
    let conditions = &w.get("pods/a").is(200)["status"]["conditions"];
    let mut seen: Vec<_> = conditions.as_array().expect("conditions").iter().collect();
    seen.sort_by_key(|c| c["type"].as_str());
    let brief: Value = seen.iter().map(|c| json!([c["type"], c["status"]])).collect();
    assert_eq!(brief, json!([["Initialized", "True"], ["Ready", "True"]]));
}

/// As with a replace: nothing changed, nothing written.
pub fn a_patch_that_changes_nothing_is_no_write(w: &World) {
    let created = w.post("configmaps", &configmap("a")).is(201);
    for kind in [MERGE, STRATEGIC] {
        assert_eq!(
            w.patch("configmaps/a", kind, &json!({ "data": { "a": "1" } })).is(200).version(),
            created.version()
        );
    }
    let patch = json!([{ "op": "replace", "path": "/data/a", "value": "1" }]);
    assert_eq!(w.patch("configmaps/a", JSON_PATCH, &patch).is(200).version(), created.version());
}

/// What cannot be patched: what is not there, and who an object is.
pub fn a_patch_changes_neither_name_nor_uid_and_creates_nothing(w: &World) {
    w.patch("configmaps/a", MERGE, &json!({})).refused(404, "NotFound", "configmaps \"a\" not found");
    w.post("configmaps", &configmap("a")).is(201);
    let message = "the name of the object (b) does not match the name on the URL (a)";
    let patch = json!({ "metadata": { "name": "b" } });
    w.patch("configmaps/a", MERGE, &patch).refused(400, "BadRequest", message);
    let message = w.patch("configmaps/a", MERGE, &json!({ "metadata": { "uid": "b" } })).refusal(422, "Invalid");
    assert_eq!(message, "ConfigMap \"a\" is invalid: metadata.uid: Invalid value: \"b\": field is immutable");
    // What is the server's own is ignored.
    let patch = json!({ "metadata": { "creationTimestamp": null, "generation": 9 } });
    assert_eq!(w.patch("configmaps/a", MERGE, &patch).is(200), w.get("configmaps/a").is(200));
}

/// What is no patch, and what is none that anybody knows.
pub fn a_patch_that_cannot_be_read_is_a_bad_request(w: &World) {
    w.post("configmaps", &configmap("a")).is(201);
    let message = w.patch("configmaps/a", MERGE, &json!([])).refusal(400, "BadRequest");
    assert!(message.starts_with("error decoding patch: "), "{message}");
    let message = w.patch("configmaps/a", JSON_PATCH, &json!({})).refusal(400, "BadRequest");
    assert!(message.starts_with("error decoding patch: "), "{message}");
    // No operations are none that fail.
    w.patch("configmaps/a", JSON_PATCH, &json!(null)).is(200);
    for kind in ["application/json", "application/example+json"] {
        let answer = w.patch("configmaps/a", kind, &json!({}));
        assert_eq!(answer.refused(415, "UnsupportedMediaType", "415: Unsupported Media Type"), json!({}));
    }
    // A patch that leads to what is no such object.
    let message = w.patch("configmaps/a", MERGE, &json!({ "data": 5 })).refusal(422, "Invalid");
    assert!(message.starts_with(" \"\" is invalid: patch: Invalid value: \""), "{message}");
}

/// Who set which field is not kept, so a server-side apply cannot be carried out.
pub fn server_side_apply_is_refused(w: &World) {
    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } });
    let answer = w.patch("configmaps/a?fieldManager=me", APPLY, &body);
    let seen = (answer.code, answer.body["reason"].as_str());
    w.differs("no-ssa", seen, Differs { embedded: (415, Some("UnsupportedMediaType")), real: (201, None) });
}

/// The real server's library is more lenient than the RFC: it knows the last element of a list as `-1`.
pub fn json_patch_is_that_of_the_rfc(w: &World) {
    let body = json!({ "metadata": { "name": "a", "finalizers": ["example.com/a"] } });
    w.post("configmaps", &body).is(201);
    let patch = json!([{ "op": "remove", "path": "/metadata/finalizers/-1" }]);
    let code = w.patch("configmaps/a", JSON_PATCH, &patch).code;
    w.differs("strict-json-patch", code, Differs { embedded: 422, real: 200 });
}
