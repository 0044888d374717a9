use proptest::prelude::*;
use serde_json::json;

use super::*;

fn merged(original: Value, patch: Value) -> Result<Value> {
    let (Value::Object(mut original), Value::Object(patch)) = (original, patch) else { panic!("two objects") };
    merge(&mut original, patch, Place { kind: "Pod", within: "" })?;
    Ok(Value::Object(original))
}

fn pod(spec: Value) -> Value {
    json!({ "metadata": { "name": "p", "finalizers": ["a", "b"] }, "spec": spec })
}

/// What a patch of the spec makes of a spec.
fn spec(spec: Value, patch: Value) -> Value {
    merged(pod(spec), json!({ "spec": patch })).expect("is right")["spec"].clone()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|element| element["name"].as_str().expect("a name")).collect()
}

fn abc() -> Value {
    json!({ "containers": [{ "name": "a", "image": "1" }, { "name": "b", "image": "2" }, { "name": "c" }] })
}

#[test]
fn elements_are_merged_by_their_keys_at_every_depth() {
    let patched = spec(
        json!({ "containers": [
            { "name": "a", "image": "1", "env": [{ "name": "X", "value": "1" }, { "name": "Y", "value": "2" }] },
            { "name": "b" },
        ] }),
        json!({ "containers": [{ "name": "a", "env": [{ "name": "Y", "value": "3" }, { "name": "Z" }] }] }),
    );
    let container = &patched["containers"][0];
    assert_eq!(names(&patched["containers"]), ["a", "b"]);
    assert_eq!((&container["image"], names(&container["env"])), (&json!("1"), vec!["X", "Y", "Z"]));
    assert_eq!(container["env"][1]["value"], "3");
}

#[test]
fn null_takes_a_field_away_and_a_list_without_a_key_is_replaced() {
    let before = json!({ "nodeName": "n", "tolerations": [{ "key": "a" }], "nodeSelector": { "a": "b", "c": "d" } });
    let patch =
        json!({ "nodeName": null, "other": null, "tolerations": [{ "key": "b" }], "nodeSelector": { "a": null } });
    assert_eq!(spec(before, patch), json!({ "tolerations": [{ "key": "b" }], "nodeSelector": { "c": "d" } }));
}

#[test]
fn directives_delete_and_replace() {
    let patched = spec(abc(), json!({ "containers": [{ "name": "b", "$patch": "delete" }] }));
    assert_eq!(names(&patched["containers"]), ["a", "c"]);
    let patched = spec(abc(), json!({ "containers": [{ "$patch": "replace" }, { "name": "z" }] }));
    assert_eq!(names(&patched["containers"]), ["z"]);
    let patched = spec(json!({ "securityContext": { "a": 1 } }), json!({ "securityContext": { "$patch": "delete" } }));
    assert_eq!(patched, json!({ "securityContext": {} }));
    let patch = json!({ "securityContext": { "$patch": "replace", "b": 1 } });
    assert_eq!(spec(json!({ "securityContext": { "a": 1 } }), patch), json!({ "securityContext": { "b": 1 } }));
    // To delete what is not there, or to say how new things merge, is no mistake.
    let patch = json!({ "containers": [{ "name": "x", "$patch": "delete" }], "strategy": { "$retainKeys": ["type"], "type": 1 } });
    assert_eq!(spec(json!({}), patch), json!({ "containers": [], "strategy": { "type": 1 } }));
}

#[test]
fn texts_are_a_set_that_can_be_taken_from() {
    let meta =
        |patch: Value| merged(pod(json!({})), json!({ "metadata": patch })).expect("is right")["metadata"].clone();
    assert_eq!(meta(json!({ "finalizers": ["b", "c"] }))["finalizers"], json!(["a", "b", "c"]));
    assert_eq!(meta(json!({ "$deleteFromPrimitiveList/finalizers": ["a", "x"] }))["finalizers"], json!(["b"]));
    let reordered = json!({ "$setElementOrder/finalizers": ["b", "a"], "finalizers": ["b", "a"] });
    assert_eq!(meta(reordered)["finalizers"], json!(["b", "a"]));
}

#[test]
fn the_sender_orders_its_own_elements_and_others_keep_their_places() {
    let order = json!({ "$setElementOrder/containers": [{ "name": "c" }, { "name": "a" }] });
    assert_eq!(names(&spec(abc(), order)["containers"]), ["b", "c", "a"]);
    let with_new = json!({
        "$setElementOrder/containers": [{ "name": "n" }, { "name": "a" }, { "name": "c" }],
        "containers": [{ "name": "n" }],
    });
    assert_eq!(names(&spec(abc(), with_new)["containers"]), ["n", "a", "b", "c"]);
}

#[test]
fn retain_keys_takes_every_other_field_away() {
    let before = json!({ "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1 } } });
    let patch = json!({ "strategy": { "$retainKeys": ["type"], "type": "Recreate" } });
    assert_eq!(spec(before, patch), json!({ "strategy": { "type": "Recreate" } }));
    // A volume that becomes another kind of volume.
    let before = json!({ "volumes": [{ "name": "v", "emptyDir": {} }] });
    let patch =
        json!({ "volumes": [{ "name": "v", "$retainKeys": ["name", "secret"], "secret": { "secretName": "s" } }] });
    let volume = json!({ "name": "v", "secret": { "secretName": "s" } });
    assert_eq!(spec(before, patch), json!({ "volumes": [volume] }));
}

#[test]
fn one_field_name_in_two_kinds_can_be_two_things() {
    let with = |kind: &str, original: Value, patch: Value| {
        let (Value::Object(mut original), Value::Object(patch)) = (original, patch) else { panic!("two objects") };
        merge(&mut original, patch, Place { kind, within: "" }).expect("is right");
        Value::Object(original)
    };
    let secrets = |list: Value| json!({ "imagePullSecrets": list });
    let (a, b) = (json!([{ "name": "a" }]), json!([{ "name": "b" }]));
    assert_eq!(with("ServiceAccount", secrets(a.clone()), secrets(b.clone())), secrets(b.clone()));
    assert_eq!(with("Pod", secrets(a), secrets(b)), secrets(json!([{ "name": "b" }, { "name": "a" }])));
    let namespace = |list: Value| json!({ "spec": { "finalizers": list } });
    let replaced = with("Namespace", namespace(json!(["kubernetes"])), namespace(json!(["x"])));
    assert_eq!(replaced, namespace(json!(["x"])));
    let budget = |labels: Value| json!({ "spec": { "selector": { "matchLabels": labels } } });
    let replaced = with("PodDisruptionBudget", budget(json!({ "a": "1" })), budget(json!({ "b": "2" })));
    assert_eq!(replaced, budget(json!({ "b": "2" })));
}

#[test]
fn nonsense_has_the_real_codes() {
    for (code, patch) in [
        (500, json!({ "containers": [{ "image": "x" }] })),
        (500, json!({ "containers": [1] })),
        (500, json!({ "containers": [{ "name": "a", "$patch": "frob" }] })),
        (500, json!({ "$patch": "frob" })),
        (400, json!({ "$retainKeys": 1 })),
        (400, json!({ "$retainKeys": ["containers"], "volumes": [] })),
        (500, json!({ "$setElementOrder/containers": 1 })),
        (
            500,
            json!({
                "$setElementOrder/containers": [{ "name": "c" }, { "name": "a" }],
                "containers": [{ "name": "a" }, { "name": "c" }],
            }),
        ),
    ] {
        let result = merged(pod(abc()), json!({ "spec": patch }));
        assert_eq!(result.expect_err("is refused").code, code, "{patch}");
    }
}

fn containers() -> impl Strategy<Value = Value> {
    let container = ("[a-d]", proptest::option::of("[x-z]"), proptest::collection::btree_map("[A-C]", "[0-2]", 0..3));
    proptest::collection::vec(container, 0..4).prop_map(|list| {
        let mut seen = std::collections::BTreeSet::new();
        let fresh = list.into_iter().filter(|(name, ..)| seen.insert(name.clone()));
        let list: Vec<Value> = fresh
            .map(|(name, image, env)| {
                let env: Vec<Value> =
                    env.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
                json!({ "name": name, "image": image, "env": env })
            })
            .collect();
        json!({ "containers": list })
    })
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn a_patch_that_is_applied_again_changes_nothing(before in containers(), patch in containers()) {
        let once = spec(before, patch.clone());
        prop_assert_eq!(spec(once.clone(), patch), once);
    }
}
