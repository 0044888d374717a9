use serde_json::{Value, json};

use super::super::fixture::*;
use crate::object::Meta;

const A: &str = "/api/v1/namespaces/ns/configmaps/a";
const P: &str = "/api/v1/namespaces/ns/pods/p";

fn grace(object: &Value) -> (&str, i64) {
    (object.meta("deletionTimestamp"), object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap())
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
fn a_grace_below_nothing_is_one_second_and_a_huge_one_is_no_overflow() {
    let mut world = World::inhabited();
    let (now, huge) = ("2026-01-01T00:00:01Z", json!({ "gracePeriodSeconds": i64::MAX }));
    assert!(world.ok("DELETE", P, huge).is_ending());
    assert_eq!(grace(&world.ok("DELETE", P, json!({ "gracePeriodSeconds": -5 }))), (now, 1));
}

#[test]
fn a_waiting_deletion_is_accepted_only_for_whom_asked_in_the_old_way() {
    let mut world = World::inhabited();
    world.ok("PATCH", A, json!({ "metadata": { "finalizers": ["x/y"] } }));
    assert_eq!(world.send("DELETE", A, json!({ "propagationPolicy": "Foreground" })).0, 200);
    assert_eq!(world.send("DELETE", A, json!({ "orphanDependents": false })).0, 202);
}
