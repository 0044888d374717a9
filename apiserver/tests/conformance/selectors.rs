//! Label and field selectors, in lists and watches.

use serde_json::json;

use crate::{
    objects::{ObjectExt, configmap, pod, with_labels},
    test_env::{MERGE, TestEnv},
};

pub fn label_selector_lists_matching_objects(env: &TestEnv) {
    env.post("configmaps", &with_labels(configmap("a"), json!({ "app": "one", "tier": "front" }))).expect(201);
    env.post("configmaps", &with_labels(configmap("b"), json!({ "app": "two" }))).expect(201);
    env.post("configmaps", &configmap("c")).expect(201);
    let cases: &[(&str, &[&str])] = &[
        ("app%3Done", &["a"]),
        ("app%3D%3Done", &["a"]),
        // An object without the label matches, too.
        ("app!%3Done", &["b", "c"]),
        ("app", &["a", "b"]),
        ("!app", &["c"]),
        ("app%20in%20(one,two)", &["a", "b"]),
        ("app%20notin%20(one)", &["b", "c"]),
        ("app,tier", &["a"]),
        ("app%3D", &[]),
        ("app%20in%20(one),tier%20notin%20(back)", &["a"]),
        ("", &["a", "b", "c"]),
    ];
    for (selector, names) in cases {
        let list = env.get(&format!("configmaps?labelSelector={selector}")).expect(200);
        assert_eq!(list.names(), *names, "{selector}");
    }
}

pub fn field_selector_lists_matching_objects(env: &TestEnv) {
    let mut bound = pod("b");
    bound["spec"]["nodeName"] = json!("node-1");
    env.post("pods", &pod("a")).expect(201);
    env.post("pods", &bound).expect(201);
    env.patch("pods/b/status", MERGE, &json!({ "status": { "phase": "Running" } })).expect(200);
    let cases: &[(&str, &[&str])] = &[
        ("metadata.name%3Da", &["a"]),
        ("metadata.name!%3Da", &["b"]),
        ("spec.nodeName%3Dnode-1", &["b"]),
        ("spec.nodeName%3D", &["a"]),
        ("status.phase%3DPending", &["a"]),
        ("status.phase!%3DPending,metadata.name%3D%3Db", &["b"]),
        ("spec.restartPolicy%3DAlways", &["a", "b"]),
        ("metadata.namespace%3Dnowhere", &[]),
    ];
    for (selector, names) in cases {
        let list = env.get(&format!("pods?fieldSelector={selector}")).expect(200);
        assert_eq!(list.names(), *names, "{selector}");
    }
}

/// `kubectl describe` uses this selector.
pub fn field_selector_finds_the_events_of_an_object(env: &TestEnv) {
    for (name, about, kind) in [("one", "a", "Warning"), ("two", "b", "Normal")] {
        let about = json!({ "kind": "Pod", "name": about, "namespace": env.namespace, "uid": format!("uid-{about}") });
        let event = json!({ "metadata": { "name": name }, "involvedObject": about, "type": kind, "reason": "Failed" });
        env.post("events", &event).expect(201);
    }
    let named = |selector: &str| {
        let list = env.get(&format!("events?fieldSelector={selector}")).expect(200);
        list.names().join(" ")
    };
    assert_eq!(named("involvedObject.name%3Da,involvedObject.kind%3DPod"), "one");
    assert_eq!(named("involvedObject.uid%3Duid-b"), "two");
    assert_eq!(named("type%3DWarning"), "one");
    assert_eq!(named("reason%3DFailed"), "one two");
}

pub fn invalid_selector_is_bad_request(env: &TestEnv) {
    let message = "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt";
    env.get("configmaps?labelSelector=a%20b").expect_error(400, "BadRequest", message);
    let message = "unable to parse requirement: found '=', expected: identifier";
    env.get("configmaps?labelSelector=a%3D%3D%3Db").expect_error(400, "BadRequest", message);
    let message = "\"spec.foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    env.get("configmaps?fieldSelector=spec.foo%3Db").expect_error(400, "BadRequest", message);
    env.get("pods?fieldSelector=spec.foo%3Db").expect_error(400, "BadRequest", "field label not supported: spec.foo");
    let message = "invalid selector: 'abc'; can't understand 'abc'";
    env.get("configmaps?fieldSelector=abc").expect_error(400, "BadRequest", message);
}

/// The object is ADDED when it starts to match, and DELETED when it no longer matches.
pub fn label_change_is_added_or_deleted_in_a_watch(env: &TestEnv) {
    let from = env.resource_version();
    let mut watch = env.watch(&format!("configmaps?labelSelector=app%3Done&resourceVersion={from}"));
    env.post("configmaps", &with_labels(configmap("a"), json!({ "app": "two" }))).expect(201);
    let matching = env.patch("configmaps/a", MERGE, &json!({ "metadata": { "labels": { "app": "one" } } })).expect(200);
    assert_eq!(watch.expect("ADDED"), matching);
    let changed = env.patch("configmaps/a", MERGE, &json!({ "data": { "a": "2" } })).expect(200);
    assert_eq!(watch.expect("MODIFIED"), changed);
    let change = json!({ "metadata": { "labels": { "app": "two" } }, "data": { "a": "3" } });
    let no_longer_matching = env.patch("configmaps/a", MERGE, &change).expect(200);
    // The last state that matched, at the version of the change.
    let deleted = watch.expect("DELETED");
    assert_eq!(
        (deleted["metadata"]["labels"]["app"].as_str(), deleted["data"]["a"].as_str()),
        (Some("one"), Some("2"))
    );
    assert_eq!(deleted.resource_version(), no_longer_matching.resource_version());
    // The watch sends no events of objects that do not match.
    env.delete("configmaps/a").expect(200);
    env.post("configmaps", &with_labels(configmap("b"), json!({ "app": "one" }))).expect(201);
    assert_eq!(watch.expect("ADDED").name(), "b");
}

/// A kubelet watches its pods with this selector.
pub fn bound_pod_is_added_to_the_watch_of_its_node(env: &TestEnv) {
    let from = env.resource_version();
    let path = format!("pods?fieldSelector=spec.nodeName%3Dnode-1,status.phase!%3DSucceeded&resourceVersion={from}");
    let mut watch = env.watch(&path);
    env.post("pods", &pod("a")).expect(201);
    let binding = json!({ "metadata": { "name": "a" }, "target": { "kind": "Node", "name": "node-1" } });
    env.post("pods/a/binding", &binding).expect(201);
    assert_eq!(watch.expect("ADDED").name(), "a");
    env.patch("pods/a/status", MERGE, &json!({ "status": { "phase": "Succeeded" } })).expect(200);
    assert_eq!(watch.expect("DELETED").name(), "a");
}
