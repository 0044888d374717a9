use serde_json::{Value, json};

use super::super::fixture::*;

const NS: &str = "/api/v1/namespaces/ns";

fn condition(namespace: &Value, kind: &str) -> Value {
    namespace["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == kind).unwrap().clone()
}

#[test]
fn its_contents_go_first_and_pods_before_them() {
    let mut world = World::inhabited();
    world.ok("DELETE", NS, Value::Null);
    assert_eq!(world.news(), ["MODIFIED namespaces/ns", "MODIFIED pods/p", "MODIFIED namespaces/ns"]);
    assert!(world.exists(&format!("{CONFIG_MAPS}/a")));
    world.ok("DELETE", &format!("{PODS}/p"), json!({ "gracePeriodSeconds": 0 }));
    assert_eq!(world.news(), ["MODIFIED pods/p", "DELETED pods/p", "DELETED configmaps/a", "DELETED namespaces/ns"]);
}

#[test]
fn the_conditions_say_what_remains_and_why() {
    let mut world = World::new();
    world.ok("POST", CONFIG_MAPS, json!({ "metadata": { "name": "a", "finalizers": ["x/y"] } }));
    world.ok("DELETE", NS, Value::Null);
    let namespace = world.get(NS);
    let (content, finalizers) =
        (condition(&namespace, "NamespaceContentRemaining"), condition(&namespace, "NamespaceFinalizersRemaining"));
    assert_eq!(content["message"], "Some resources are remaining: configmaps. has 1 resource instances");
    assert_eq!(finalizers["reason"], "SomeFinalizersRemain");
    world.news();
    world.ok("PATCH", &format!("{CONFIG_MAPS}/a"), json!({ "metadata": { "finalizers": null } }));
    assert_eq!(world.news(), ["DELETED configmaps/a", "MODIFIED namespaces/ns", "DELETED namespaces/ns"]);
}

#[test]
fn a_finalizer_of_ones_own_keeps_a_namespace_until_it_is_finalized() {
    let mut world = World::new();
    let mut namespace = world.get(NS);
    namespace["spec"]["finalizers"] = json!(["kubernetes", "x/y"]);
    world.ok("PUT", &format!("{NS}/finalize"), namespace);
    world.ok("DELETE", NS, Value::Null);
    let mut namespace = world.get(NS);
    assert_eq!(namespace["spec"]["finalizers"], json!(["x/y"]));
    namespace["spec"]["finalizers"] = json!([]);
    world.ok("PUT", &format!("{NS}/finalize"), namespace);
    assert!(!world.exists(NS));
}

#[test]
fn a_namespaces_finalizers_are_no_business_of_an_ordinary_write() {
    let mut world = World::new();
    let namespace = world.ok("PATCH", NS, json!({ "spec": { "finalizers": ["x/y"] } }));
    assert_eq!(namespace["spec"]["finalizers"], json!(["kubernetes"]));
}
