use serde_json::{Value, json};

use super::super::fixture::*;
use crate::object::Meta;

const FOO_DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/foos.ex.com";

#[test]
fn a_definition_is_established_and_its_objects_are_served() {
    let mut world = World::new();
    assert_eq!(world.send("POST", FOOS, named("a")).0, 404);
    let sent = world.ok("POST", DEFINITIONS, foo_definition());
    assert_eq!(sent["status"]["conditions"], Value::Null);
    assert_eq!(
        world.news(),
        [
            "ADDED customresourcedefinitions.apiextensions.k8s.io/foos.ex.com",
            "MODIFIED customresourcedefinitions.apiextensions.k8s.io/foos.ex.com"
        ]
    );
    world.ok("POST", FOOS, named("a"));
}

#[test]
fn a_definition_takes_its_objects_along() {
    let mut world = World::with_foos();
    world.ok("POST", FOOS, named("a"));
    world.ok("POST", FOOS, named("b"));
    let marked = world.ok("DELETE", FOO_DEFINITION, Value::Null);
    assert_eq!(marked["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    assert!(!world.exists(FOO_DEFINITION));
    assert_eq!(world.send("POST", FOOS, named("c")).0, 404);
    world.ok("POST", DEFINITIONS, foo_definition());
    assert!(!world.exists(&format!("{FOOS}/a")));
}

#[test]
fn a_definition_waits_for_its_objects_and_takes_no_more() {
    let mut world = World::with_foos();
    world.ok("POST", FOOS, json!({ "metadata": { "name": "a", "finalizers": ["x/y"] } }));
    world.ok("DELETE", FOO_DEFINITION, Value::Null);
    assert!(world.get(&format!("{FOOS}/a")).is_ending());
    let (code, why) = world.refused("POST", FOOS, named("c"));
    let expected = "foos.ex.com \"c\" is forbidden: create not allowed while custom resource definition is terminating";
    assert_eq!((code, why.as_str()), (403, expected));
    let foo = world.get(&format!("{FOOS}/a"));
    world.ok(
        "PUT",
        &format!("{FOOS}/a"),
        json!({ "metadata": {
        "name": "a", "resourceVersion": foo.resource_version(),
    } }),
    );
    assert!(!world.exists(FOO_DEFINITION));
}

#[test]
fn each_condition_of_a_definition_is_there_once_and_says_since_when() {
    let mut world = World::with_foos();
    let conditions = |world: &mut World| world.get(FOO_DEFINITION)["status"]["conditions"].clone();
    let before = conditions(&mut world);
    let kinds: Vec<&Value> = before.as_array().unwrap().iter().map(|condition| &condition["type"]).collect();
    assert_eq!(kinds, ["NamesAccepted", "Established"]);
    world.wait(60);
    world.ok("PATCH", FOO_DEFINITION, json!({ "metadata": { "labels": { "a": "b" } } }));
    assert_eq!(conditions(&mut world), before, "nothing has changed");

    let mut doubted = before.clone();
    doubted[1]["status"] = "False".into();
    world.ok("PATCH", &format!("{FOO_DEFINITION}/status"), json!({ "status": { "conditions": doubted } }));
    let mut expected = before;
    expected[1]["lastTransitionTime"] = "2026-01-01T00:01:00Z".into();
    assert_eq!(conditions(&mut world), expected);
}
