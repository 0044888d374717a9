use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;

use super::super::fixture::*;
use crate::object::Meta;

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
