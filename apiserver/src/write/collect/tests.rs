use serde_json::{Value, json};

use super::super::fixture::*;
use crate::object::Meta;

fn at(name: &str) -> String {
    format!("{CONFIG_MAPS}/{name}")
}

/// ConfigMaps: `a` owns `b` owns `c`, and each blocks its owner.
fn chain() -> World {
    let mut world = World::new();
    let a = world.ok("POST", CONFIG_MAPS, named("a"));
    let b = world.ok("POST", CONFIG_MAPS, owned("b", &[owner(&a, true)]));
    world.ok("POST", CONFIG_MAPS, owned("c", &[owner(&b, true)]));
    world.news();
    world
}

#[test]
fn dependents_go_after_their_owner_and_theirs_after_them() {
    let mut world = chain();
    world.ok("DELETE", &at("a"), Value::Null);
    assert_eq!(world.news(), ["DELETED configmaps/a", "DELETED configmaps/b", "DELETED configmaps/c"]);
}

#[test]
fn in_the_foreground_dependents_go_before_their_owner() {
    let mut world = chain();
    let marked = world.ok("DELETE", &at("a"), json!({ "propagationPolicy": "Foreground" }));
    assert_eq!(marked["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    let expected = [
        "MODIFIED configmaps/a",
        "MODIFIED configmaps/b",
        "DELETED configmaps/c",
        "DELETED configmaps/b",
        "DELETED configmaps/a",
    ];
    assert_eq!(world.news(), expected);
}

#[test]
fn an_owner_waits_for_a_dependent_that_waits_for_a_finalizer() {
    let mut world = chain();
    world.ok("PATCH", &at("c"), json!({ "metadata": { "finalizers": ["x/y"] } }));
    world.ok("DELETE", &at("a"), json!({ "propagationPolicy": "Foreground" }));
    assert!(world.exists(&at("a")) && world.get(&at("c")).is_ending());
    world.news();
    world.ok("PATCH", &at("c"), json!({ "metadata": { "finalizers": null } }));
    assert_eq!(world.news(), ["DELETED configmaps/c", "DELETED configmaps/b", "DELETED configmaps/a"]);
}

#[test]
fn an_owner_does_not_wait_for_a_dependent_that_does_not_block_it() {
    let mut world = World::new();
    let a = world.ok("POST", CONFIG_MAPS, named("a"));
    world.ok("POST", CONFIG_MAPS, owned("b", &[owner(&a, false)]));
    world.ok("PATCH", &at("b"), json!({ "metadata": { "finalizers": ["x/y"] } }));
    world.news();
    world.ok("DELETE", &at("a"), json!({ "propagationPolicy": "Foreground" }));
    assert!(!world.exists(&at("a")) && world.get(&at("b")).is_ending());
}

#[test]
fn orphans_lose_their_owner_and_stay() {
    let mut world = chain();
    world.ok("DELETE", &format!("{}?propagationPolicy=Orphan", at("a")), Value::Null);
    assert_eq!(world.news(), ["MODIFIED configmaps/a", "MODIFIED configmaps/b", "DELETED configmaps/a"]);
    assert_eq!(world.get(&at("b"))["metadata"].get("ownerReferences"), None);
}

#[test]
fn one_owner_that_is_left_keeps_an_object_and_the_reference_to_the_other_goes() {
    let mut world = World::new();
    let (a, b) = (world.ok("POST", CONFIG_MAPS, named("a")), world.ok("POST", CONFIG_MAPS, named("b")));
    world.ok("POST", CONFIG_MAPS, owned("c", &[owner(&a, true), owner(&b, false)]));
    world.ok("DELETE", &at("a"), Value::Null);
    let left = &world.get(&at("c"))["metadata"]["ownerReferences"];
    assert_eq!((left.as_array().unwrap().len(), &left[0]["name"]), (1, &json!("b")));
    world.ok("DELETE", &at("b"), Value::Null);
    assert!(!world.exists(&at("c")));
}

#[test]
fn an_object_whose_owners_are_all_gone_at_its_creation_is_collected() {
    let mut world = World::new();
    let a = world.ok("POST", CONFIG_MAPS, named("a"));
    let mut impostor = owner(&a, false);
    impostor["uid"] = "another".into();
    world.news();
    assert_eq!(world.send("POST", CONFIG_MAPS, owned("b", &[impostor])).0, 201);
    assert_eq!(world.news(), ["ADDED configmaps/b", "DELETED configmaps/b"]);
}

#[test]
fn an_owner_of_a_kind_that_nobody_serves_is_left_alone() {
    let mut world = World::new();
    let stranger = json!({ "apiVersion": "ex.org/v1", "kind": "Stranger", "name": "s", "uid": "1" });
    world.ok("POST", CONFIG_MAPS, owned("b", &[stranger]));
    assert!(world.exists(&at("b")));
}

#[test]
fn a_circle_of_owners_comes_to_an_end_too() {
    for policy in ["Foreground", "Background"] {
        let mut world = chain();
        let c = world.get(&at("c"));
        world.ok("PATCH", &at("a"), json!({ "metadata": { "ownerReferences": [owner(&c, true)] } }));
        world.ok("DELETE", &at("a"), json!({ "propagationPolicy": policy }));
        for name in ["a", "b", "c"] {
            assert!(!world.exists(&at(name)), "{policy} {name}");
        }
    }
}

#[test]
fn an_object_that_blocks_itself_waits_for_itself_as_on_the_real_server() {
    let mut world = World::new();
    let a = world.ok("POST", CONFIG_MAPS, named("a"));
    world.ok("PATCH", &at("a"), json!({ "metadata": { "ownerReferences": [owner(&a, true)] } }));
    world.ok("DELETE", &at("a"), json!({ "propagationPolicy": "Foreground" }));
    assert!(world.get(&at("a")).is_ending());
    world.ok("PATCH", &at("a"), json!({ "metadata": { "ownerReferences": null } }));
    assert!(!world.exists(&at("a")));
}

#[test]
fn pods_of_an_owner_that_went_have_their_grace() {
    let mut world = World::new();
    let a = world.ok("POST", CONFIG_MAPS, named("a"));
    let mut pod = pod("p");
    pod["metadata"]["ownerReferences"] = json!([owner(&a, true)]);
    pod["spec"]["nodeName"] = "n1".into();
    world.ok("POST", PODS, pod);
    world.ok("DELETE", &at("a"), Value::Null);
    assert!(world.get(&format!("{PODS}/p")).is_ending());
}

#[test]
fn a_long_chain_is_no_deep_recursion() {
    let mut world = World::new();
    let mut last = world.ok("POST", CONFIG_MAPS, named("n0"));
    for n in 1..2000 {
        last = world.ok("POST", CONFIG_MAPS, owned(&format!("n{n}"), &[owner(&last, true)]));
    }
    world.ok("DELETE", &at("n0"), json!({ "propagationPolicy": "Foreground" }));
    assert!(!world.exists(&at("n0")) && !world.exists(&at("n1999")));
}

/// Owners at random, circles and all, deleted in every way: it settles, and whoever is left has an owner that is there.
#[test]
fn whatever_the_owners_are_nobody_is_left_whose_owners_are_all_gone() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    const COUNT: usize = 12;
    for seed in 0..200 {
        let (mut random, mut world) = (StdRng::seed_from_u64(seed), World::new());
        let objects: Vec<Value> = (0..COUNT).map(|n| world.ok("POST", CONFIG_MAPS, named(&format!("n{n}")))).collect();
        for n in 0..COUNT {
            let mut owners: Vec<Value> = Vec::new();
            for (other, object) in objects.iter().enumerate() {
                if other != n && random.random_bool(0.15) {
                    owners.push(owner(object, random.random_bool(0.5)));
                }
            }
            world.ok("PATCH", &at(&format!("n{n}")), json!({ "metadata": { "ownerReferences": owners } }));
        }
        for _ in 0..4 {
            let policy = ["Background", "Foreground", "Orphan"][random.random_range(0..3)];
            let name = format!("n{}", random.random_range(0..COUNT));
            world.send("DELETE", &at(&name), json!({ "propagationPolicy": policy }));
        }
        let left: Vec<Value> = (0..COUNT).map(|n| world.get(&at(&format!("n{n}")))).filter(|o| !o.is_null()).collect();
        for object in &left {
            let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
            let exists = |owner: &Value| left.iter().any(|other| owner["uid"] == other.uid());
            assert!(owners.iter().all(exists), "seed {seed}: {object}");
            assert!(!object.is_ending(), "seed {seed}: {object}");
        }
    }
}

/// Owners are in the dependent's namespace or in none: of one that has no namespace, an owner in a namespace says nothing.
#[test]
fn an_owner_in_a_namespace_is_no_owner_of_what_has_none() {
    const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let mut world = World::new();
    let a = world.ok("POST", CONFIG_MAPS, named("a"));
    world.ok("POST", ROLES, owned("r", &[owner(&a, true)]));
    world.ok("DELETE", &at("a"), Value::Null);
    assert!(world.exists(&format!("{ROLES}/r")), "neither at its creation nor with the supposed owner");
}
