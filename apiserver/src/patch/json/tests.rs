use serde_json::{Value, json};

use super::*;

fn patched(object: Value, operations: Value) -> Result<Value> {
    let mut object = object;
    apply(&mut object, operations.to_string().as_bytes()).map(|()| object)
}

fn code(operations: Value) -> u16 {
    patched(json!({ "a": [1, 2], "b": { "c": 1 } }), operations).expect_err("is refused").code
}

#[test]
fn the_six_operations_do_what_the_rfc_says() {
    let object = json!({ "a": [1, 2], "b": { "c": 1 } });
    let operations = json!([
        { "op": "test", "path": "/a/1", "value": 2 },
        { "op": "add", "path": "/a/1", "value": 9 },
        { "op": "add", "path": "/a/-", "value": 3 },
        { "op": "remove", "path": "/a/0" },
        { "op": "replace", "path": "/b/c", "value": { "x/y": 1, "~": 2 } },
        { "op": "copy", "from": "/b/c", "path": "/d" },
        { "op": "remove", "path": "/d/x~1y" },
        { "op": "move", "from": "/b/c/~0", "path": "/e" },
    ]);
    let expected = json!({ "a": [9, 2, 3], "b": { "c": { "x/y": 1 } }, "d": { "~": 2 }, "e": 2 });
    assert_eq!(patched(object, operations), Ok(expected));
}

#[test]
fn like_the_real_one_it_is_lenient_where_a_field_is_missing() {
    let object = json!({ "b": {} });
    let operations = json!([
        { "op": "replace", "path": "/b/new", "value": 1 },
        { "op": "test", "path": "/b/none", "value": null },
        { "op": "test", "path": "/b/none" },
        { "op": "copy", "from": "/b/none", "path": "/c" },
    ]);
    assert_eq!(patched(object, operations), Ok(json!({ "b": { "new": 1 }, "c": null })));
}

#[test]
fn every_step_may_count_from_the_end() {
    let object = json!({ "a": [{ "b~/": 1 }, { "b~/": [2, 3] }] });
    let operations = json!([
        { "op": "move", "from": "/a/-1/b~0~1/-2", "path": "/c" },
        { "op": "replace", "path": "/a/-2/b~0~1", "value": 4 },
    ]);
    let expected = json!({ "a": [{ "b~/": 4 }, { "b~/": [3] }], "c": 2 });
    assert_eq!(patched(object, operations), Ok(expected));
    for step in ["-3", "2", "-", "", "x", "-9223372036854775808", "9223372036854775808"] {
        let operation = json!({ "op": "add", "path": format!("/a/{step}/x"), "value": 1 });
        assert_eq!(code(json!([operation])), 422, "{step}");
    }
}

#[test]
fn an_operation_that_cannot_be_carried_out_is_422() {
    for operation in [
        json!({ "op": "test", "path": "/b/c", "value": 2 }),
        json!({ "op": "remove", "path": "/b/x" }),
        json!({ "op": "remove", "path": "" }),
        json!({ "op": "remove", "path": "/a/2" }),
        json!({ "op": "replace", "path": "/a/2", "value": 1 }),
        json!({ "op": "add", "path": "/a/3", "value": 1 }),
        json!({ "op": "add", "path": "/a/-4", "value": 1 }),
        json!({ "op": "add", "path": "/x/y", "value": 1 }),
        json!({ "op": "add", "path": "a", "value": 1 }),
        json!({ "op": "add", "path": "/b/c/d", "value": 1 }),
        json!({ "op": "copy", "path": "/b/c" }),
        json!({ "op": "move", "from": "/b", "path": "/b/c/d" }),
        json!({ "op": "add" }),
        json!({ "path": "/b" }),
        json!({ "op": "frob", "path": "/b" }),
        json!({ "op": 1, "path": "/b" }),
    ] {
        assert_eq!(code(json!([operation])), 422, "{operation}");
    }
}

#[test]
fn what_is_no_list_of_operations_is_400_and_too_many_are_413() {
    for wrong in [json!({}), json!([1]), json!("x"), json!(7)] {
        assert_eq!(code(wrong), 400);
    }
    let none = json!({ "op": "test", "path": "/x" });
    assert_eq!(code(vec![none; MAX_OPERATIONS + 1].into()), 413);
}

#[test]
fn a_patch_cannot_make_something_huge_or_deep_out_of_something_small() {
    let deep: Vec<Value> = vec![json!({ "op": "add", "path": "/b/b", "value": {} }); 1];
    let double = json!({ "op": "copy", "from": "/b", "path": "/b/x" });
    let operations: Vec<Value> = deep.into_iter().chain(vec![double; 200]).collect();
    assert_eq!(code(operations.into()), 422);
    let broad = json!({ "op": "copy", "from": "/a", "path": "/a/-" });
    assert_eq!(code(vec![broad; 100].into()), 422);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn what_the_crate_finds_as_the_difference_leads_there(a in any_json(), b in any_json()) {
        let operations = serde_json::to_value(json_patch::diff(&a, &b)).expect("is JSON");
        proptest::prop_assert_eq!(patched(a, operations), Ok(b));
    }
}

fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), (0..4).prop_map(Value::from)];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-c/~]{1,2}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}
