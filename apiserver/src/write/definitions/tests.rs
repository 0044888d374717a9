use serde_json::{Value, json};

use super::super::fixture::*;
use crate::object::Meta;

const FOO_DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/foos.ex.com";

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
