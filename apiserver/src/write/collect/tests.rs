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
