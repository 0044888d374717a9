//! Subresources: status, binding and scale.

use serde_json::json;

use crate::{
    definitions::{any_object, install, widget_definition},
    objects::{ObjectExt, deployment, pod, with_finalizer},
    test_env::{MERGE, PerServer, STRATEGIC, TestEnv},
};

pub fn status_is_written_only_by_its_subresource(env: &TestEnv) {
    let mut object = env.post("apps/v1:deployments", &deployment("a")).expect(201);
    object["spec"]["replicas"] = json!(5);
    object["status"] = json!({ "replicas": 3 });
    object["metadata"]["labels"] = json!({ "x": "y" });
    let written = env.put("apps/v1:deployments/a/status", &object).expect(200);
    assert_eq!((&written["spec"]["replicas"], &written["status"]["replicas"]), (&json!(1), &json!(3)));
    assert_eq!(written["metadata"]["labels"], json!(null));
    object["metadata"]["resourceVersion"] = written["metadata"]["resourceVersion"].clone();
    object["status"] = json!({ "replicas": 4 });
    let written = env.put("apps/v1:deployments/a", &object).expect(200);
    assert_eq!((&written["spec"]["replicas"], &written["status"]["replicas"]), (&json!(5), &json!(3)));
    assert_eq!(env.get("apps/v1:deployments/a/status").expect(200), written);
}

/// Otherwise a right to a subresource would be a right to the collection.
pub fn subresource_without_a_name_is_rejected(env: &TestEnv) {
    env.post("pods", &pod("a")).expect(201);
    for path in ["pods//status", "pods//status?watch=true"] {
        env.get(path).expect_error(400, "BadRequest", "name must be provided");
    }
    env.put("pods//status", &pod("a")).expect_error(400, "BadRequest", "name must be provided");
    env.patch("pods//status", MERGE, &json!({})).expect_error(400, "BadRequest", "name must be provided");
    env.delete("pods//status").error_message(405, "MethodNotAllowed");
    env.get("pods/a").expect(200);
}

pub fn create_ignores_the_status(env: &TestEnv) {
    let mut body = pod("a");
    body["status"] = json!({ "phase": "Running" });
    assert_eq!(env.post("pods", &body).expect(201)["status"]["phase"], "Pending");
    let mut body = deployment("a");
    body["status"] = json!({ "replicas": 3 });
    assert_eq!(env.post("apps/v1:deployments", &body).expect(201)["status"], json!({}));
}

/// A stale version is a conflict here, too.
pub fn status_patch_does_not_change_the_spec(env: &TestEnv) {
    let created = env.post("apps/v1:deployments", &deployment("a")).expect(201);
    let patch = json!({ "spec": { "replicas": 7 }, "status": { "replicas": 2 } });
    let written = env.patch("apps/v1:deployments/a/status", MERGE, &patch).expect(200);
    assert_eq!((&written["spec"]["replicas"], &written["status"]["replicas"]), (&json!(1), &json!(2)));
    let patch = json!({ "metadata": { "resourceVersion": created.resource_version() }, "status": { "replicas": 3 } });
    env.patch("apps/v1:deployments/a/status", MERGE, &patch).error_message(409, "Conflict");
}

pub fn pod_is_bound_once(env: &TestEnv) {
    env.post("pods", &pod("a")).expect(201);
    let binding = |node: &str| json!({ "metadata": { "name": "a" }, "target": { "kind": "Node", "name": node } });
    let unnamed = env.post("pods/a/binding", &binding(""));
    assert_eq!((unnamed.code, &unnamed.body["message"]), (500, &json!("target.name: Required value")));
    let response = env.post("pods/a/binding", &binding("node-1")).expect(201);
    assert_eq!((&response["kind"], &response["status"]), (&json!("Status"), &json!("Success")));
    let bound = env.get("pods/a").expect(200);
    assert_eq!(bound["spec"]["nodeName"], "node-1");
    let scheduled = &bound["status"]["conditions"][0];
    assert_eq!((&scheduled["type"], &scheduled["status"]), (&json!("PodScheduled"), &json!("True")));
    let message = "Operation cannot be fulfilled on pods/binding \"a\": pod a is already assigned to node \"node-1\"";
    env.post("pods/a/binding", &binding("node-2")).expect_error(409, "Conflict", message);
}

pub fn terminating_pod_cannot_be_bound(env: &TestEnv) {
    env.post("pods", &with_finalizer(pod("a"))).expect(201);
    env.delete("pods/a").expect(200);
    let binding = json!({ "metadata": { "name": "a" }, "target": { "kind": "Node", "name": "node-1" } });
    let message =
        "Operation cannot be fulfilled on pods/binding \"a\": pod a is being deleted, cannot be assigned to a host";
    env.post("pods/a/binding", &binding).expect_error(409, "Conflict", message);
    assert_eq!(env.get("pods/a").expect(200)["spec"]["nodeName"], json!(null));
}

pub fn unsupported_subresource_method_is_not_allowed(env: &TestEnv) {
    env.post("pods", &pod("a")).expect(201);
    let message = "the server does not allow this method on the requested resource";
    env.delete("pods/a/status").expect_error(405, "MethodNotAllowed", message);
    env.get("pods/a/binding").expect_error(405, "MethodNotAllowed", message);
}

/// A pod has the subresources status and binding, a custom resource has status.
pub fn few_subresources_are_served(env: &TestEnv) {
    env.post("pods", &pod("a")).expect(201);
    let mut definition = widget_definition(env, any_object());
    let paths = json!({ "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas" });
    definition["spec"]["versions"][0]["subresources"]["scale"] = paths;
    let widgets = install(env, &definition);
    env.post(&widgets.collection, &widgets.widget("a", json!({ "replicas": 1 }))).expect(201);
    let codes = [env.get("pods/a/log").code, env.get(&widgets.path("a/scale")).code];
    env.assert_difference("few-subresources", codes, PerServer { embedded: [404, 404], real: [204, 200] });
    // `kubectl debug` and `kubectl drain` need these.
    let container = json!({ "name": "b", "image": "b" });
    let debug = json!({ "spec": { "ephemeralContainers": [container] } });
    let debug = env.patch("pods/a/ephemeralcontainers", STRATEGIC, &debug);
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "a" } });
    let resize = env.patch("pods/a/resize", STRATEGIC, &json!({}));
    let codes = [debug.code, resize.code, env.post("pods/a/eviction", &eviction).code];
    env.assert_difference("few-subresources", codes, PerServer { embedded: [404; 3], real: [200, 200, 201] });
    // The message names this server as the reason.
    for subresource in ["log", "ephemeralcontainers", "resize", "eviction"] {
        let text = env.get(&format!("pods/a/{subresource}")).text;
        let is_named = text.contains(&format!("this embedded API server does not serve pods/{subresource}"));
        env.assert_difference("few-subresources", is_named, PerServer { embedded: true, real: false });
    }
    env.get("pods/a/nonsense").expect_error(404, "NotFound", "the server could not find the requested resource");
}

pub fn scale_has_the_replicas_and_the_selector(env: &TestEnv) {
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
        env.post(&format!("apps/v1:{plural}"), &object).expect(201);
        let object = format!("apps/v1:{plural}/a");
        let status = json!({ "status": { "replicas": 3 } });
        let written = env.patch(&format!("{object}/status"), MERGE, &status).expect(200);
        let mut expected = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {}, "spec": { "replicas": 1 },
            "status": { "replicas": 3, "selector": "a=1,b=2,b in (2),c in (y,z),d,e notin (x),!f" },
        });
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            expected["metadata"][field] = written["metadata"][field].clone();
        }
        assert_eq!(env.get(&format!("{object}/scale")).expect(200), expected, "{plural}");
        // Zero in the spec is omitted, zero in the status is not.
        let none = env.patch(&format!("{object}/scale"), MERGE, &json!({ "spec": { "replicas": 0 } })).expect(200);
        assert_eq!(none["spec"], json!({}));
        let none = env.patch(&format!("{object}/status"), MERGE, &json!({ "status": { "replicas": 0 } })).expect(200);
        let scale = env.get(&format!("{object}/scale")).expect(200);
        assert_eq!((scale.resource_version(), &scale["status"]["replicas"]), (none.resource_version(), &json!(0)));
    }
}
