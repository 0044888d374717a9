//! Label and field selectors: which objects are meant, and what a change does to that.

use serde_json::json;

use crate::{
    objects::{Is, configmap, labelled, pod},
    world::{MERGE, World},
};

/// Every form of a requirement, on one set of objects.
pub fn label_selectors_mean_what_they_say(w: &World) {
    w.post("configmaps", &labelled(configmap("a"), json!({ "app": "one", "tier": "front" }))).is(201);
    w.post("configmaps", &labelled(configmap("b"), json!({ "app": "two" }))).is(201);
    w.post("configmaps", &configmap("c")).is(201);
    let cases: &[(&str, &[&str])] = &[
        ("app%3Done", &["a"]),
        ("app%3D%3Done", &["a"]),
        // Whoever has no such label is different, too.
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
        let list = w.get(&format!("configmaps?labelSelector={selector}")).is(200);
        assert_eq!(list.names(), *names, "{selector}");
    }
}

/// The fields that every kind can be selected by, and a few that pods have.
pub fn field_selectors_mean_what_they_say(w: &World) {
    let mut bound = pod("b");
    bound["spec"]["nodeName"] = json!("node-1");
    w.post("pods", &pod("a")).is(201);
    w.post("pods", &bound).is(201);
    w.patch("pods/b/status", MERGE, &json!({ "status": { "phase": "Running" } })).is(200);
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
        let list = w.get(&format!("pods?fieldSelector={selector}")).is(200);
        assert_eq!(list.names(), *names, "{selector}");
    }
}

/// How `kubectl describe` finds the events of an object.
pub fn events_are_found_by_what_they_are_about(w: &World) {
    for (name, about, kind) in [("one", "a", "Warning"), ("two", "b", "Normal")] {
        let about = json!({ "kind": "Pod", "name": about, "namespace": w.namespace, "uid": format!("uid-{about}") });
        let event = json!({ "metadata": { "name": name }, "involvedObject": about, "type": kind, "reason": "Told" });
        w.post("events", &event).is(201);
    }
    let named = |selector: &str| {
        let list = w.get(&format!("events?fieldSelector={selector}")).is(200);
        list.names().join(" ")
    };
    assert_eq!(named("involvedObject.name%3Da,involvedObject.kind%3DPod"), "one");
    assert_eq!(named("involvedObject.uid%3Duid-b"), "two");
    assert_eq!(named("type%3DWarning"), "one");
    assert_eq!(named("reason%3DTold"), "one two");
}

/// What is no selector, and a field that this kind cannot be selected by.
pub fn a_selector_that_makes_no_sense_is_a_bad_request(w: &World) {
    let message = "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt";
    w.get("configmaps?labelSelector=a%20b").refused(400, "BadRequest", message);
    let message = "unable to parse requirement: found '=', expected: identifier";
    w.get("configmaps?labelSelector=a%3D%3D%3Db").refused(400, "BadRequest", message);
    let message = "\"spec.foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    w.get("configmaps?fieldSelector=spec.foo%3Db").refused(400, "BadRequest", message);
    w.get("pods?fieldSelector=spec.foo%3Db").refused(400, "BadRequest", "field label not supported: spec.foo");
    let message = "invalid selector: 'abc'; can't understand 'abc'";
    w.get("configmaps?fieldSelector=abc").refused(400, "BadRequest", message);
}

/// For a watcher an object that no longer matches is gone, and one that does now is new.
pub fn a_change_of_labels_is_an_arrival_or_a_departure_for_a_watcher(w: &World) {
    let from = w.version();
    let mut watch = w.watch(&format!("configmaps?labelSelector=app%3Done&resourceVersion={from}"));
    w.post("configmaps", &labelled(configmap("a"), json!({ "app": "two" }))).is(201);
    let arrives = w.patch("configmaps/a", MERGE, &json!({ "metadata": { "labels": { "app": "one" } } })).is(200);
    assert_eq!(watch.expect("ADDED"), arrives);
    let stays = w.patch("configmaps/a", MERGE, &json!({ "data": { "a": "2" } })).is(200);
    assert_eq!(watch.expect("MODIFIED"), stays);
    let change = json!({ "metadata": { "labels": { "app": "two" } }, "data": { "a": "3" } });
    let departs = w.patch("configmaps/a", MERGE, &change).is(200);
    // As it was while it matched, under the version of the change that made it leave.
    let told = watch.expect("DELETED");
    assert_eq!((told["metadata"]["labels"]["app"].as_str(), told["data"]["a"].as_str()), (Some("one"), Some("2")));
    assert_eq!(told.version(), departs.version());
    // What does not match comes and goes unheard.
    w.delete("configmaps/a").is(200);
    w.post("configmaps", &labelled(configmap("b"), json!({ "app": "one" }))).is(201);
    assert_eq!(watch.expect("ADDED").name(), "b");
}

/// The same for fields: how a kubelet sees the pods of its node.
pub fn a_pod_that_is_bound_arrives_at_the_watcher_of_its_node(w: &World) {
    let from = w.version();
    let path = format!("pods?fieldSelector=spec.nodeName%3Dnode-1,status.phase!%3DSucceeded&resourceVersion={from}");
    let mut watch = w.watch(&path);
    w.post("pods", &pod("a")).is(201);
    let binding = json!({ "metadata": { "name": "a" }, "target": { "kind": "Node", "name": "node-1" } });
    w.post("pods/a/binding", &binding).is(201);
    assert_eq!(watch.expect("ADDED").name(), "a");
    w.patch("pods/a/status", MERGE, &json!({ "status": { "phase": "Succeeded" } })).is(200);
    assert_eq!(watch.expect("DELETED").name(), "a");
}
