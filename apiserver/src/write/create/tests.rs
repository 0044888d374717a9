use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::super::fixture::*;
use crate::object::Meta;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/ns/deployments";

#[test]
fn the_server_fills_in_what_the_sender_does_not_decide() {
    let mut world = World::new();
    let sent = json!({ "metadata": {
        "name": "a", "uid": "mine", "creationTimestamp": "2000-01-01T00:00:00Z",
        "deletionTimestamp": "2000-01-01T00:00:00Z", "deletionGracePeriodSeconds": 7, "managedFields": [{}],
    } });
    let object = world.ok("POST", CONFIG_MAPS, sent);
    assert_eq!(object["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!(object.namespace(), "ns");
    assert_eq!(object.resource_version(), world.state.store.revision().to_string());
    assert_eq!((object.uid().len(), &object.uid()[14..15]), (36, "4"));
    for absent in ["deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "generation"] {
        assert_eq!(object["metadata"].get(absent), None, "{absent}");
    }
}

#[test]
fn a_generated_name_is_the_base_and_five_characters_and_is_cut_to_a_label() {
    let mut world = World::new();
    let name = |world: &mut World, base: &str| {
        let object = world.ok("POST", CONFIG_MAPS, json!({ "metadata": { "generateName": base } }));
        object.name().to_owned()
    };
    let (a, b) = (name(&mut world, "x-"), name(&mut world, "x-"));
    assert!(a.starts_with("x-") && a.len() == 7 && a != b, "{a} {b}");
    let long = name(&mut world, &"y".repeat(100));
    assert!(long.len() == 63 && long.starts_with(&"y".repeat(58)), "{long}");
}

#[test]
fn a_new_object_needs_a_name() {
    let (code, why) = World::new().refused("POST", CONFIG_MAPS, json!({ "metadata": {} }));
    let required = "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required";
    assert_eq!((code, why.as_str()), (422, required));
}

#[test]
fn a_name_can_be_given_once() {
    let mut world = World::new();
    world.ok("POST", CONFIG_MAPS, named("a"));
    let (code, status) = world.send("POST", CONFIG_MAPS, named("a"));
    assert_eq!((code, &status["reason"]), (409, &json!("AlreadyExists")));
    assert_eq!(status["message"], "configmaps \"a\" already exists");
}

#[test]
fn a_name_whose_owner_is_on_its_way_out_cannot_be_given_yet() {
    let mut world = World::new();
    world.ok("POST", CONFIG_MAPS, json!({ "metadata": { "name": "a", "finalizers": ["x/y"] } }));
    world.ok("DELETE", &format!("{CONFIG_MAPS}/a"), Value::Null);
    let (code, why) = world.refused("POST", CONFIG_MAPS, named("a"));
    assert_eq!((code, why.as_str()), (409, "object is being deleted: configmaps \"a\" already exists"));
}

#[test]
fn a_namespace_has_to_be_there() {
    let (code, status) = World::new().send("POST", "/api/v1/namespaces/nowhere/configmaps", named("a"));
    assert_eq!((code, &status["message"]), (404, &json!("namespaces \"nowhere\" not found")));
    assert_eq!(status["details"], json!({ "name": "nowhere", "kind": "namespaces" }));
}

#[test]
fn the_bodys_namespace_is_the_paths() {
    let body = json!({ "metadata": { "name": "a", "namespace": "other" } });
    let (code, why) = World::new().refused("POST", CONFIG_MAPS, body);
    let expected = "the namespace of the provided object does not match the namespace sent on the request";
    assert_eq!((code, why.as_str()), (400, expected));
}

#[test]
fn a_new_object_has_no_version_yet() {
    let body = json!({ "metadata": { "name": "a", "resourceVersion": "5" } });
    let (code, why) = World::new().refused("POST", CONFIG_MAPS, body);
    assert_eq!((code, why.as_str()), (500, "resourceVersion should not be set on objects to be created"));
}

#[test]
fn a_dry_run_answers_as_if_and_leaves_no_trace() {
    let mut world = World::new();
    let object = world.ok("POST", &format!("{CONFIG_MAPS}?dryRun=All"), named("a"));
    assert!(!object.uid().is_empty());
    assert_eq!(object["metadata"].get("resourceVersion"), None);
    assert!(!world.exists(&format!("{CONFIG_MAPS}/a")));
    assert_eq!(world.news(), [""; 0]);
}

#[test]
fn a_new_namespace_is_active_can_be_selected_by_name_and_waits_for_its_contents() {
    let namespace = World::new().get("/api/v1/namespaces/ns");
    assert_eq!(namespace["metadata"]["labels"], json!({ "kubernetes.io/metadata.name": "ns" }));
    assert_eq!(namespace["spec"], json!({ "finalizers": ["kubernetes"] }));
    assert_eq!(namespace["status"], json!({ "phase": "Active" }));
}

#[test]
fn a_status_is_not_the_creators_where_there_is_a_subresource() {
    let mut world = World::with_foos();
    let foo = world.ok(
        "POST",
        FOOS,
        json!({ "metadata": { "name": "a", "generation": 8 }, "spec": { "x": 1 }, "status": { "y": 1 } }),
    );
    assert_eq!((foo.get("status"), &foo["metadata"]["generation"]), (None, &json!(1)));
    let mut sent = pod("p");
    sent["status"] = json!({ "phase": "Running" });
    let pod = world.ok("POST", PODS, sent);
    assert_eq!(pod["status"], json!({ "phase": "Pending", "qosClass": "BestEffort" }));
}

#[test]
fn generations_begin_with_one_where_they_are_counted() {
    let mut world = World::new();
    let deployment = json!({ "metadata": { "name": "d" }, "spec": {
        "selector": { "matchLabels": { "a": "b" } },
        "template": { "metadata": { "labels": { "a": "b" } }, "spec": pod("")["spec"] },
    } });
    assert_eq!(world.ok("POST", DEPLOYMENTS, deployment)["metadata"]["generation"], 1);
    assert_eq!(world.ok("POST", PODS, pod("p"))["metadata"]["generation"], 1);
}

#[test]
fn of_generated_names_that_are_taken_eight_are_tried() {
    let mut world = World::new();
    let mut create = || {
        // The same dice make the same names, in the same order.
        world.state.random = StdRng::seed_from_u64(7);
        world.send("POST", CONFIG_MAPS, json!({ "metadata": { "generateName": "x-" } }))
    };
    let mut names = Vec::new();
    for n in 0..8 {
        let (code, object) = create();
        assert_eq!(code, 201, "after {n} that are taken: {object}");
        names.push(object.name().to_owned());
    }
    let (code, status) = create();
    assert_eq!((code, &status["reason"]), (409, &json!("AlreadyExists")));
    let (last, why) = (&names[7], "already exists, the server was not able to generate a unique name for the object");
    assert_eq!(status["message"], format!("configmaps \"{last}\" {why}"), "the last that was tried");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8, "{names:?}");
}
