use serde_json::{Value, json};

use super::super::fixture::*;
use crate::object::Meta;

const A: &str = "/api/v1/namespaces/ns/configmaps/a";
const FOO: &str = "/apis/ex.com/v1/namespaces/ns/foos/f";
const STALE: &str = "the object has been modified; please apply your changes to the latest version and try again";

fn world() -> (World, Value) {
    let mut world = World::with_foos();
    let object = world.ok("POST", CONFIG_MAPS, json!({ "metadata": { "name": "a" }, "data": { "k": "1" } }));
    world.ok("POST", FOOS, json!({ "metadata": { "name": "f" }, "spec": { "n": 1 } }));
    world.news();
    (world, object)
}

#[test]
fn a_write_with_an_old_version_is_a_conflict() {
    let (mut world, mut object) = world();
    object["data"]["k"] = "2".into();
    let newer = world.ok("PUT", A, object.clone());
    assert!(newer.resource_version() > object.resource_version());
    let (code, status) = world.send("PUT", A, object);
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    assert_eq!(status["message"], format!("Operation cannot be fulfilled on configmaps \"a\": {STALE}"));
    assert_eq!(status["details"], json!({ "name": "a", "kind": "configmaps" }));
}

#[test]
fn a_write_that_changes_nothing_keeps_the_version() {
    let (mut world, object) = world();
    assert_eq!(world.ok("PUT", A, object.clone()), object);
    assert_eq!(world.ok("PATCH", A, json!({ "data": { "k": "1" } })), object);
    assert_eq!(
        world.ok("PATCH", A, json!({ "metadata": { "labels": {} } })).resource_version(),
        object.resource_version()
    );
    assert_eq!(world.news(), [""; 0]);
}

#[test]
fn a_version_may_be_left_out_for_most_kinds_and_never_for_custom_ones() {
    let (mut world, _) = world();
    assert_eq!(world.ok("PUT", A, json!({ "metadata": { "name": "a" }, "data": { "k": "2" } }))["data"]["k"], "2");
    let (code, status) = world.send("PUT", FOO, json!({ "metadata": { "name": "f" } }));
    let message =
        "foos.ex.com \"f\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update";
    assert_eq!((code, &status["message"]), (422, &json!(message)));
    assert_eq!(status["details"]["kind"], "foos");
}

#[test]
fn a_replacement_means_the_object_with_its_uid() {
    let (mut world, object) = world();
    let (code, why) = world.refused("PUT", A, json!({ "metadata": { "name": "a", "uid": "x" } }));
    let expected = format!("Precondition failed: UID in precondition: x, UID in object meta: {}", object.uid());
    assert!(code == 409 && why.ends_with(&expected), "{code} {why}");
}

#[test]
fn what_is_not_there_cannot_be_replaced_or_patched() {
    let (mut world, _) = world();
    let (uri, expected) = (format!("{CONFIG_MAPS}/b"), (404, "configmaps \"b\" not found".to_owned()));
    assert_eq!(world.refused("PUT", &uri, named("b")), expected);
    assert_eq!(world.refused("PATCH", &uri, json!({})), expected);
}

#[test]
fn a_lease_can_be_created_by_replacing_it() {
    let (mut world, _) = world();
    let uri = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/l";
    assert_eq!(world.send("PUT", uri, named("l")).0, 201);
}

#[test]
fn names_are_the_paths() {
    let (mut world, _) = world();
    let wrong = "the name of the object (b) does not match the name on the URL (a)";
    assert_eq!(world.refused("PUT", A, named("b")), (400, wrong.to_owned()));
    assert_eq!(world.refused("PATCH", A, named("b")), (400, wrong.to_owned()));
    let none = "the name of the object (a based on URL) was undeterminable: name must be provided";
    assert_eq!(world.refused("PUT", A, json!({ "metadata": {} })), (400, none.to_owned()));
}

#[test]
fn a_patch_without_a_version_is_never_a_conflict_and_one_with_an_old_version_is() {
    let (mut world, object) = world();
    world.ok("PATCH", A, json!({ "data": { "k": "2" } }));
    world.ok("PATCH", A, json!({ "data": { "k": "3" } }));
    let old = json!({ "metadata": { "resourceVersion": object.resource_version() }, "data": { "k": "4" } });
    assert_eq!(world.refused("PATCH", A, old).0, 409);
}

#[test]
fn what_the_server_decides_stays_as_it_is() {
    let (mut world, object) = world();
    let patch = json!({ "metadata": { "creationTimestamp": "2000-01-01T00:00:00Z", "generation": 9, "uid": null } });
    assert_eq!(world.ok("PATCH", A, patch), object);
    let (code, why) = world.refused("PATCH", A, json!({ "metadata": { "uid": "x" } }));
    let expected = "ConfigMap \"a\" is invalid: metadata.uid: Invalid value: \"x\": field is immutable";
    assert_eq!((code, why.as_str()), (422, expected));
    let mark = json!({ "metadata": { "deletionTimestamp": "2020-01-01T00:00:00Z" } });
    assert_eq!(world.refused("PATCH", A, mark).0, 422);
}

#[test]
fn a_generation_counts_changes_of_what_is_wanted_only() {
    let (mut world, _) = world();
    let generation =
        |world: &mut World, uri: &str, patch: Value| world.ok("PATCH", uri, patch)["metadata"]["generation"].clone();
    assert_eq!(generation(&mut world, FOO, json!({ "metadata": { "labels": { "a": "b" } } })), 1);
    assert_eq!(generation(&mut world, FOO, json!({ "spec": { "n": 2 } })), 2);
    assert_eq!(generation(&mut world, &format!("{FOO}/status"), json!({ "status": { "n": 2 } })), 2);
    assert_eq!(generation(&mut world, FOO, json!({ "status": { "n": 3 } })), 2);
}

#[test]
fn a_status_is_written_through_its_subresource_alone_and_nothing_else_is() {
    let (mut world, _) = world();
    let everything = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "n": 5 }, "status": { "n": 5 } });
    let foo = world.ok("PATCH", &format!("{FOO}/status"), everything.clone());
    assert_eq!((&foo["status"]["n"], &foo["spec"]["n"]), (&json!(5), &json!(1)));
    assert_eq!(foo["metadata"].get("labels"), None);
    world.ok("POST", PODS, pod("p"));
    let pod = world.ok("PATCH", &format!("{PODS}/p"), json!({ "status": { "phase": "Running" } }));
    assert_eq!(pod["status"]["phase"], "Pending");
    let pod =
        world.ok("PATCH", &format!("{PODS}/p/status"), json!({ "status": { "phase": "Running", "qosClass": null } }));
    assert_eq!(pod["status"], json!({ "phase": "Running", "qosClass": "BestEffort" }));
    let more =
        json!({ "spec": { "activeDeadlineSeconds": 9 }, "metadata": { "ownerReferences": [owner(&pod, false)] } });
    assert_eq!(world.ok("PATCH", &format!("{PODS}/p/status"), more), pod);
}

#[test]
fn a_dry_run_of_an_update_leaves_no_trace() {
    let (mut world, object) = world();
    let answer = world.ok("PATCH", &format!("{A}?dryRun=All"), json!({ "data": { "k": "2" } }));
    assert_eq!((&answer["data"]["k"], answer.resource_version()), (&json!("2"), object.resource_version()));
    assert_eq!(world.get(A), object);
    assert_eq!(world.news(), [""; 0]);
}

#[test]
fn the_last_finalizers_removal_is_the_end_of_an_object_whose_end_is_decided() {
    let (mut world, _) = world();
    world.ok("PATCH", A, json!({ "metadata": { "finalizers": ["x/a", "x/b"] } }));
    world.ok("DELETE", A, Value::Null);
    world.news();
    world.ok("PATCH", A, json!({ "metadata": { "finalizers": ["x/b"] } }));
    assert_eq!(world.news(), ["MODIFIED configmaps/a"]);
    let last = world.ok("PATCH", A, json!({ "metadata": { "finalizers": null } }));
    assert_eq!((last.name(), last["metadata"].get("finalizers")), ("a", None));
    assert_eq!(world.news(), ["DELETED configmaps/a"]);
}

#[test]
fn nobody_can_join_those_whom_a_deletion_waits_for() {
    let (mut world, _) = world();
    world.ok("PATCH", A, json!({ "metadata": { "finalizers": ["x/a"] } }));
    world.ok("DELETE", A, Value::Null);
    let (code, why) = world.refused("PATCH", A, json!({ "metadata": { "finalizers": ["x/a", "x/b"] } }));
    let expected = "ConfigMap \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the \
                    object is being deleted, found new finalizers []string{\"x/b\"}";
    assert_eq!((code, why.as_str()), (422, expected));
}
