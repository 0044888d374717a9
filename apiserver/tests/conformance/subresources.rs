//! Subresources: parts of an object that are written by somebody else.

use serde_json::json;

use crate::{
    definitions::{any, definition, serve_definition},
    objects::{Is, deployment, finalized, pod},
    world::{Differs, MERGE, STRATEGIC, World},
};

/// Each write takes its own half: spec here, status there.
pub fn the_status_is_written_by_its_own_path_alone(w: &World) {
    let mut object = w.post("apps/v1:deployments", &deployment("a")).is(201);
    object["spec"]["replicas"] = json!(5);
    object["status"] = json!({ "replicas": 3 });
    object["metadata"]["labels"] = json!({ "x": "y" });
    let written = w.put("apps/v1:deployments/a/status", &object).is(200);
    assert_eq!((&written["spec"]["replicas"], &written["status"]["replicas"]), (&json!(1), &json!(3)));
    assert_eq!(written["metadata"]["labels"], json!(null));
    object["metadata"]["resourceVersion"] = written["metadata"]["resourceVersion"].clone();
    object["status"] = json!({ "replicas": 4 });
    let written = w.put("apps/v1:deployments/a", &object).is(200);
    assert_eq!((&written["spec"]["replicas"], &written["status"]["replicas"]), (&json!(5), &json!(3)));
    assert_eq!(w.get("apps/v1:deployments/a/status").is(200), written);
}

/// It is a part of one object. Without a name it is not that of all of them: rights to it would be rights to everything.
pub fn a_subresource_without_a_name_is_not_that_of_all(w: &World) {
    w.post("pods", &pod("a")).is(201);
    for path in ["pods//status", "pods//status?watch=true"] {
        w.get(path).refused(400, "BadRequest", "name must be provided");
    }
    w.put("pods//status", &pod("a")).refused(400, "BadRequest", "name must be provided");
    w.patch("pods//status", MERGE, &json!({})).refused(400, "BadRequest", "name must be provided");
    w.delete("pods//status").refusal(405, "MethodNotAllowed");
    w.get("pods/a").is(200);
}

/// A create brings no status, except where one is given to every new object.
pub fn a_new_object_has_no_status_of_its_own(w: &World) {
    let mut body = pod("a");
    body["status"] = json!({ "phase": "Running" });
    assert_eq!(w.post("pods", &body).is(201)["status"]["phase"], "Pending");
    let mut body = deployment("a");
    body["status"] = json!({ "replicas": 3 });
    assert_eq!(w.post("apps/v1:deployments", &body).is(201)["status"], json!({}));
}

/// A status has a version and a conflict like anything else, and a patch that touches the spec changes nothing.
pub fn a_status_patch_leaves_the_spec_alone(w: &World) {
    let created = w.post("apps/v1:deployments", &deployment("a")).is(201);
    let patch = json!({ "spec": { "replicas": 7 }, "status": { "replicas": 2 } });
    let written = w.patch("apps/v1:deployments/a/status", MERGE, &patch).is(200);
    assert_eq!((&written["spec"]["replicas"], &written["status"]["replicas"]), (&json!(1), &json!(2)));
    let patch = json!({ "metadata": { "resourceVersion": created.version() }, "status": { "replicas": 3 } });
    w.patch("apps/v1:deployments/a/status", MERGE, &patch).refusal(409, "Conflict");
}

/// A pod is given to one node, once.
pub fn a_pod_is_bound_once(w: &World) {
    w.post("pods", &pod("a")).is(201);
    let binding = |node: &str| json!({ "metadata": { "name": "a" }, "target": { "kind": "Node", "name": node } });
    let answer = w.post("pods/a/binding", &binding("node-1")).is(201);
    assert_eq!((&answer["kind"], &answer["status"]), (&json!("Status"), &json!("Success")));
    let bound = w.get("pods/a").is(200);
    assert_eq!(bound["spec"]["nodeName"], "node-1");
    let scheduled = &bound["status"]["conditions"][0];
    assert_eq!((&scheduled["type"], &scheduled["status"]), (&json!("PodScheduled"), &json!("True")));
    let message = "Operation cannot be fulfilled on pods/binding \"a\": pod a is already assigned to node \"node-1\"";
    w.post("pods/a/binding", &binding("node-2")).refused(409, "Conflict", message);
}

/// A scheduler that comes too late learns it from the refusal.
pub fn a_pod_that_is_ending_is_bound_to_no_node(w: &World) {
    w.post("pods", &finalized(pod("a"))).is(201);
    w.delete("pods/a").is(200);
    let binding = json!({ "metadata": { "name": "a" }, "target": { "kind": "Node", "name": "node-1" } });
    let message =
        "Operation cannot be fulfilled on pods/binding \"a\": pod a is being deleted, cannot be assigned to a host";
    w.post("pods/a/binding", &binding).refused(409, "Conflict", message);
    assert_eq!(w.get("pods/a").is(200)["spec"]["nodeName"], json!(null));
}

/// What a subresource does not know how to do.
pub fn a_subresource_cannot_be_created_or_deleted(w: &World) {
    w.post("pods", &pod("a")).is(201);
    let message = "the server does not allow this method on the requested resource";
    w.delete("pods/a/status").refused(405, "MethodNotAllowed", message);
    w.get("pods/a/binding").refused(405, "MethodNotAllowed", message);
}

/// Of those that need a node there is none, of a pod's others none but status and binding, and of a custom resource none
/// but the status.
pub fn few_subresources_are_served(w: &World) {
    w.post("pods", &pod("a")).is(201);
    let mut definition = definition(w, any());
    let paths = json!({ "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas" });
    definition["spec"]["versions"][0]["subresources"]["scale"] = paths;
    let t = serve_definition(w, &definition);
    w.post(&t.things, &t.thing("a", json!({ "replicas": 1 }))).is(201);
    let codes = [w.get("pods/a/log").code, w.get(&t.one("a/scale")).code];
    w.differs("few-subresources", codes, Differs { embedded: [404, 404], real: [204, 200] });
    // `kubectl debug`, and `kubectl drain`.
    let container = json!({ "name": "b", "image": "b" });
    let debug = json!({ "spec": { "ephemeralContainers": [container] } });
    let debug = w.patch("pods/a/ephemeralcontainers", STRATEGIC, &debug);
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "a" } });
    let resize = w.patch("pods/a/resize", STRATEGIC, &json!({}));
    let codes = [debug.code, resize.code, w.post("pods/a/eviction", &eviction).code];
    w.differs("few-subresources", codes, Differs { embedded: [404; 3], real: [200, 200, 201] });
    // So that nobody looks for a mistake of their own.
    for below in ["log", "ephemeralcontainers", "resize", "eviction"] {
        let text = w.get(&format!("pods/a/{below}")).text;
        let told = text.contains(&format!("this embedded API server does not serve pods/{below}"));
        w.differs("few-subresources", told, Differs { embedded: true, real: false });
    }
    w.get("pods/a/nonsense").refused(404, "NotFound", "the server could not find the requested resource");
}

/// Name and version of the object; replicas that are wanted and that are there; the selector as a text.
pub fn a_scale_is_a_view_of_what_has_replicas(w: &World) {
    for (kind, plural) in [("Deployment", "deployments"), ("ReplicaSet", "replicasets")] {
        let mut object = deployment("a");
        object["kind"] = json!(kind);
        object["spec"]["selector"] = json!({
            "matchLabels": { "b": "2", "a": "1" },
            "matchExpressions": [
                { "key": "d", "operator": "Exists" },
                { "key": "c", "operator": "In", "values": ["z", "y"] },
                { "key": "b", "operator": "In", "values": ["2"] },
                { "key": "f", "operator": "DoesNotExist" },
                { "key": "e", "operator": "NotIn", "values": ["x"] },
            ],
        });
        object["spec"]["template"]["metadata"]["labels"] = json!({ "a": "1", "b": "2", "c": "y", "d": "" });
        w.post(&format!("apps/v1:{plural}"), &object).is(201);
        let object = format!("apps/v1:{plural}/a");
        let status = json!({ "status": { "replicas": 3 } });
        let written = w.patch(&format!("{object}/status"), MERGE, &status).is(200);
        let mut expected = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {}, "spec": { "replicas": 1 },
            "status": { "replicas": 3, "selector": "a=1,b=2,b in (2),c in (y,z),d,e notin (x),!f" },
        });
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            expected["metadata"][field] = written["metadata"][field].clone();
        }
        assert_eq!(w.get(&format!("{object}/scale")).is(200), expected, "{plural}");
        // None wanted: not said. None there: said.
        let none = w.patch(&format!("{object}/scale"), MERGE, &json!({ "spec": { "replicas": 0 } })).is(200);
        assert_eq!(none["spec"], json!({}));
        let none = w.patch(&format!("{object}/status"), MERGE, &json!({ "status": { "replicas": 0 } })).is(200);
        let scale = w.get(&format!("{object}/scale")).is(200);
        assert_eq!((scale.version(), &scale["status"]["replicas"]), (none.version(), &json!(0)));
    }
}
