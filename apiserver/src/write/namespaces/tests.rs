use serde_json::{Value, json};

use super::super::fixture::*;
use crate::object::Meta;

const NS: &str = "/api/v1/namespaces/ns";

fn condition(namespace: &Value, kind: &str) -> Value {
    namespace["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == kind).unwrap().clone()
}

#[test]
fn an_empty_namespace_reports_and_goes() {
    let mut world = World::new();
    let (code, marked) = world.send("DELETE", NS, Value::Null);
    assert_eq!((code, &marked["status"]), (200, &json!({ "phase": "Terminating" })));
    assert!(marked.is_ending() && marked["metadata"].get("deletionGracePeriodSeconds").is_none());
    assert_eq!(world.news(), ["MODIFIED namespaces/ns", "MODIFIED namespaces/ns", "DELETED namespaces/ns"]);
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
fn nothing_new_comes_into_a_namespace_that_ends() {
    let mut world = World::new();
    world.ok("POST", CONFIG_MAPS, json!({ "metadata": { "name": "a", "finalizers": ["x/y"] } }));
    world.ok("DELETE", NS, Value::Null);
    let (code, status) = world.send("POST", CONFIG_MAPS, named("b"));
    let message =
        "configmaps \"b\" is forbidden: unable to create new content in namespace ns because it is being terminated";
    assert_eq!((code, &status["message"]), (403, &json!(message)));
    assert_eq!(status["details"]["causes"][0]["reason"], "NamespaceTerminating");
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

#[test]
fn a_namespace_cannot_lose_the_label_with_its_name() {
    let mut world = World::new();
    let namespace = world.ok("PATCH", NS, json!({ "metadata": { "labels": null } }));
    assert_eq!(namespace["metadata"]["labels"], json!({ "kubernetes.io/metadata.name": "ns" }));
    assert_eq!(world.news(), [""; 0]);
}

#[test]
fn namespaces_cannot_be_deleted_all_at_once() {
    assert_eq!(World::new().refused("DELETE", "/api/v1/namespaces", Value::Null).0, 405);
}

#[test]
fn other_namespaces_keep_their_contents() {
    let mut world = World::new();
    world.ok("POST", "/api/v1/namespaces", named("ns2"));
    world.ok("POST", "/api/v1/namespaces/ns2/configmaps", named("a"));
    world.ok("DELETE", NS, Value::Null);
    assert!(world.exists("/api/v1/namespaces/ns2/configmaps/a"));
}

#[test]
fn a_condition_tells_since_when_it_is_so() {
    let mut world = World::new();
    for name in ["a", "b"] {
        world.ok("POST", CONFIG_MAPS, json!({ "metadata": { "name": name, "finalizers": ["x/y"] } }));
    }
    let since = |world: &mut World, kind: &str| {
        let condition = condition(&world.get(NS), kind);
        (condition["lastTransitionTime"].clone(), condition["message"].as_str().unwrap().to_owned())
    };
    world.ok("DELETE", NS, Value::Null);
    let before = since(&mut world, "NamespaceContentRemaining");
    world.wait(60);
    world.ok("PATCH", &format!("{CONFIG_MAPS}/a"), json!({ "metadata": { "finalizers": null } }));
    let after = since(&mut world, "NamespaceContentRemaining");
    assert_ne!(before.1, after.1, "less remains");
    assert_eq!(
        (before.0, after.0),
        (json!("2026-01-01T00:00:00Z"), json!("2026-01-01T00:00:00Z")),
        "but something does"
    );

    // A finalizer of the namespace's own, so that it can be looked at when nothing remains.
    let mut namespace = world.get(NS);
    namespace["spec"]["finalizers"] = json!(["kubernetes", "x/y"]);
    world.ok("PUT", &format!("{NS}/finalize"), namespace);
    world.ok("PATCH", &format!("{CONFIG_MAPS}/b"), json!({ "metadata": { "finalizers": null } }));
    let gone = since(&mut world, "NamespaceContentRemaining");
    assert_eq!(gone, (json!("2026-01-01T00:01:00Z"), "All content successfully removed".to_owned()));
}
