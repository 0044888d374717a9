use serde_json::{Value, json};

use super::super::fixture::*;
use crate::object::Meta;

const A: &str = "/api/v1/namespaces/ns/configmaps/a";
const P: &str = "/api/v1/namespaces/ns/pods/p";

fn grace(object: &Value) -> (&str, i64) {
    (object.meta("deletionTimestamp"), object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap())
}

#[test]
fn a_deletion_is_answered_with_a_status_that_names_what_is_gone() {
    let mut world = World::inhabited();
    let uid = world.get(A).uid().to_owned();
    let (code, answer) = world.send("DELETE", A, Value::Null);
    assert_eq!((code, &answer["status"]), (200, &json!("Success")));
    assert_eq!(answer["details"], json!({ "name": "a", "kind": "configmaps", "uid": uid }));
    assert_eq!(world.news(), ["DELETED configmaps/a"]);
    assert_eq!(world.refused("DELETE", A, Value::Null), (404, "configmaps \"a\" not found".into()));
}

#[test]
fn a_finalizer_makes_a_deletion_wait_and_deleting_again_changes_nothing() {
    let mut world = World::inhabited();
    world.ok("PATCH", A, json!({ "metadata": { "finalizers": ["x/y"] } }));
    world.news();
    let marked = world.ok("DELETE", A, Value::Null);
    assert_eq!(grace(&marked), ("2026-01-01T00:00:00Z", 0));
    assert_eq!(world.news(), ["MODIFIED configmaps/a"]);
    world.wait(10);
    assert_eq!(world.ok("DELETE", A, Value::Null), marked);
    assert_eq!(world.news(), [""; 0]);
}

#[test]
fn a_mark_is_a_new_generation_where_they_are_counted() {
    let mut world = World::inhabited();
    assert_eq!(world.ok("DELETE", P, Value::Null)["metadata"]["generation"], 2);
}

#[test]
fn a_running_pod_has_its_grace_and_ends_when_its_kubelet_says_so() {
    let mut world = World::inhabited();
    let pod = world.ok("DELETE", P, Value::Null);
    assert_eq!(grace(&pod), ("2026-01-01T00:00:30Z", 30));
    assert_eq!(world.news(), ["MODIFIED pods/p"]);
    let last = world.ok("DELETE", P, json!({ "gracePeriodSeconds": 0 }));
    assert_eq!((last["kind"].as_str(), grace(&last)), (Some("Pod"), ("2026-01-01T00:00:00Z", 0)));
    assert_eq!(world.news(), ["MODIFIED pods/p", "DELETED pods/p"]);
}

#[test]
fn a_grace_can_be_shortened_never_lengthened() {
    let mut world = World::inhabited();
    world.ok("DELETE", P, Value::Null);
    let longer = world.ok("DELETE", P, json!({ "gracePeriodSeconds": 100 }));
    assert_eq!(grace(&longer), ("2026-01-01T00:00:30Z", 30));
    let shorter = world.ok("DELETE", &format!("{P}?gracePeriodSeconds=5"), Value::Null);
    assert_eq!(grace(&shorter), ("2026-01-01T00:00:05Z", 5));
    world.wait(20);
    let past = world.ok("DELETE", P, json!({ "gracePeriodSeconds": 3 }));
    assert_eq!(grace(&past), ("2026-01-01T00:00:20Z", 1));
}

#[test]
fn a_pod_without_a_node_or_with_nothing_left_to_do_goes_at_once() {
    let mut world = World::inhabited();
    world.ok("POST", PODS, pod("idle"));
    world.ok("PATCH", &format!("{P}/status"), json!({ "status": { "phase": "Succeeded" } }));
    world.news();
    world.ok("DELETE", &format!("{PODS}/idle"), Value::Null);
    world.ok("DELETE", P, Value::Null);
    assert_eq!(world.news(), ["MODIFIED pods/idle", "DELETED pods/idle", "MODIFIED pods/p", "DELETED pods/p"]);
}

#[test]
fn a_grace_below_nothing_is_one_second_and_a_huge_one_is_no_overflow() {
    let mut world = World::inhabited();
    let (now, huge) = ("2026-01-01T00:00:01Z", json!({ "gracePeriodSeconds": i64::MAX }));
    assert!(world.ok("DELETE", P, huge).is_ending());
    assert_eq!(grace(&world.ok("DELETE", P, json!({ "gracePeriodSeconds": -5 }))), (now, 1));
}

#[test]
fn a_precondition_that_does_not_hold_is_a_conflict() {
    let mut world = World::inhabited();
    let uid = world.get(A).uid().to_owned();
    let (code, why) = world.refused("DELETE", A, json!({ "preconditions": { "uid": "x" } }));
    let expected = format!(
        "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (x) does not match the UID in \
         record ({uid}). The object might have been deleted and then recreated"
    );
    assert_eq!((code, why), (409, expected));
    assert_eq!(world.refused("DELETE", A, json!({ "preconditions": { "resourceVersion": "1" } })).0, 409);
    world.ok("DELETE", A, json!({ "preconditions": { "uid": uid } }));
}

#[test]
fn a_dry_run_of_a_deletion_leaves_no_trace() {
    let mut world = World::inhabited();
    let answer = world.ok("DELETE", &format!("{A}?dryRun=All"), Value::Null);
    assert_eq!(answer["status"], "Success");
    let pod = world.ok("DELETE", P, json!({ "dryRun": ["All"] }));
    assert!(pod.is_ending());
    world.ok("DELETE", &format!("{CONFIG_MAPS}?dryRun=All"), Value::Null);
    assert_eq!(world.news(), [""; 0]);
}

#[test]
fn a_waiting_deletion_is_accepted_only_for_whom_asked_in_the_old_way() {
    let mut world = World::inhabited();
    world.ok("PATCH", A, json!({ "metadata": { "finalizers": ["x/y"] } }));
    assert_eq!(world.send("DELETE", A, json!({ "propagationPolicy": "Foreground" })).0, 200);
    assert_eq!(world.send("DELETE", A, json!({ "orphanDependents": false })).0, 202);
}

#[test]
fn a_collection_is_deleted_by_selector_and_answered_as_it_was() {
    let mut world = World::inhabited();
    let labelled = json!({ "metadata": { "name": "b", "labels": { "x": "y" } } });
    world.ok("POST", CONFIG_MAPS, labelled);
    world.ok("POST", "/api/v1/namespaces", named("other"));
    world.ok("POST", "/api/v1/namespaces/other/configmaps", named("b"));
    world.news();
    let list = world.ok("DELETE", &format!("{CONFIG_MAPS}?labelSelector=x%3Dy"), Value::Null);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(world.news(), ["DELETED configmaps/b"]);
    world.ok("DELETE", CONFIG_MAPS, Value::Null);
    assert_eq!(world.news(), ["DELETED configmaps/a"]);
}

#[test]
fn the_first_namespaces_stay() {
    let mut world = World::inhabited();
    world.ok("POST", "/api/v1/namespaces", named("default"));
    let (code, why) = world.refused("DELETE", "/api/v1/namespaces/default", Value::Null);
    assert_eq!((code, why.as_str()), (403, "namespaces \"default\" is forbidden: this namespace may not be deleted"));
}
