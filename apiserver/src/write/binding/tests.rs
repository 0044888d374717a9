use serde_json::json;

use super::super::fixture::*;

#[test]
fn a_binding_gives_a_pod_its_node_once() {
    let mut world = World::new();
    world.ok("POST", PODS, pod("p"));
    let binding = json!({ "metadata": { "name": "p" }, "target": { "kind": "Node", "name": "n1" } });
    let done = world.send("POST", &format!("{PODS}/p/binding"), binding.clone());
    assert_eq!((done.0, &done.1["status"]), (201, &json!("Success")));
    let bound = world.get(&format!("{PODS}/p"));
    assert_eq!((&bound["spec"]["nodeName"], &bound["metadata"]["generation"]), (&json!("n1"), &json!(1)));
    let scheduled = &bound["status"]["conditions"][0];
    assert_eq!((&scheduled["type"], &scheduled["status"]), (&json!("PodScheduled"), &json!("True")));
    let (code, why) = world.refused("POST", &format!("{PODS}/p/binding"), binding);
    let expected = "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n1\"";
    assert_eq!((code, why.as_str()), (409, expected));
}

#[test]
fn a_binding_names_its_pod_and_a_node() {
    let mut world = World::new();
    world.ok("POST", PODS, pod("p"));
    let mut refused = |body| world.refused("POST", &format!("{PODS}/p/binding"), body);
    let node = json!({ "kind": "Node", "name": "n1" });
    assert_eq!(refused(json!({ "target": node })).0, 400);
    assert_eq!(refused(json!({ "metadata": { "name": "p", "uid": "x" }, "target": node })).0, 409);
    let target = refused(json!({ "metadata": { "name": "p" }, "target": { "kind": "Pod", "name": "n1" } }));
    assert_eq!(
        target,
        (500, "target.kind: Unsupported value: \"Pod\": supported values: \"Node\", \"<empty>\"".into())
    );
    let target = refused(json!({ "metadata": { "name": "p" }, "target": { "kind": "Node" } }));
    assert_eq!(target, (500, "target.name: Required value".into()));
    assert_eq!(world.get(&format!("{PODS}/p"))["spec"].get("nodeName"), None);
}
