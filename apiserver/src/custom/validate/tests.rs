use serde_json::json;

use super::{
    super::{decode, fixture::*},
    *,
};
use crate::types::FieldValidation;

/// The answers of a real server to the same bodies.
#[test]
fn wrong_objects_are_refused_in_the_real_servers_words() {
    let cases: &[(&str, &[&str])] = &[
        (r#"{}"#, &["spec: Required value"]),
        (r#"{"spec":{}}"#, &["spec.name: Required value"]),
        (r#"{"spec":null}"#, &["spec: Required value"]),
        (r#"{"spec":"x"}"#, &[r#"spec: Invalid value: "string": spec in body must be of type object: "string""#]),
        (r#"{"spec":[]}"#, &[r#"spec: Invalid value: "array": spec in body must be of type object: "array""#]),
        (
            r#"{"spec":{"name":5}}"#,
            &[r#"spec.name: Invalid value: "integer": spec.name in body must be of type string: "integer""#],
        ),
        (r#"{"spec":{"name":null}}"#, &["spec.name: Required value"]),
        (
            r#"{"spec":{"name":"a"}}"#,
            &[r#"spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long"#],
        ),
        (r#"{"spec":{"name":"abcdefg"}}"#, &["spec.name: Too long: may not be more than 5 bytes"]),
        (
            r#"{"spec":{"name":"ABC"}}"#,
            &[r#"spec.name: Invalid value: "ABC": spec.name in body should match '^[a-z]+$'"#],
        ),
        (
            r#"{"spec":{"name":"A"}}"#,
            &[r#"spec.name: Invalid value: "A": spec.name in body should be at least 2 chars long"#],
        ),
        (
            r#"{"spec":{"name":"ABCDEFG","size":0}}"#,
            &[
                "spec.name: Too long: may not be more than 5 bytes",
                "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
            ],
        ),
        (
            r#"{"spec":{"name":"abc","size":0}}"#,
            &["spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"],
        ),
        (
            r#"{"spec":{"name":"abc","size":11}}"#,
            &["spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10"],
        ),
        (
            r#"{"spec":{"name":"abc","size":1.5}}"#,
            &[
                r#"<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.size"#,
                r#"spec.size: Invalid value: "number": spec.size in body must be of type integer: "number""#,
            ],
        ),
        (
            r#"{"spec":{"name":"abc","size":"1"}}"#,
            &[r#"spec.size: Invalid value: "string": spec.size in body must be of type integer: "string""#],
        ),
        (
            r#"{"spec":{"name":"abc","ratio":0}}"#,
            &["spec.ratio: Invalid value: 0: spec.ratio in body should be greater than 0"],
        ),
        (
            r#"{"spec":{"name":"abc","ratio":1}}"#,
            &["spec.ratio: Invalid value: 1: spec.ratio in body should be less than 1"],
        ),
        (
            r#"{"spec":{"name":"abc","ratio":true}}"#,
            &[r#"spec.ratio: Invalid value: "boolean": spec.ratio in body must be of type number: "boolean""#],
        ),
        (
            r#"{"spec":{"name":"abc","five":7}}"#,
            &["spec.five: Invalid value: 7: spec.five in body should be a multiple of 5"],
        ),
        (
            r#"{"spec":{"name":"abc","mode":"x"}}"#,
            &[r#"spec.mode: Unsupported value: "x": supported values: "fast", "slow""#],
        ),
        (r#"{"spec":{"name":"abc","level":3}}"#, &[r#"spec.level: Unsupported value: 3: supported values: "1", "2""#]),
        (
            r#"{"spec":{"name":"abc","onoff":"yes"}}"#,
            &[r#"spec.onoff: Invalid value: "string": spec.onoff in body must be of type boolean: "string""#],
        ),
        (
            r#"{"spec":{"name":"abc","tags":[]}}"#,
            &["spec.tags: Invalid value: 0: spec.tags in body should have at least 1 items"],
        ),
        (r#"{"spec":{"name":"abc","tags":["a","b","c"]}}"#, &["spec.tags: Too many: 3: must have at most 2 items"]),
        (
            r#"{"spec":{"name":"abc","tags":["abcd",5]}}"#,
            &[
                "spec.tags[0]: Too long: may not be more than 3 bytes",
                r#"spec.tags[1]: Invalid value: "integer": spec.tags[1] in body must be of type string: "integer""#,
            ],
        ),
        (
            r#"{"spec":{"name":"abc","tags":{"a":1}}}"#,
            &[r#"spec.tags: Invalid value: "object": spec.tags in body must be of type array: "object""#],
        ),
        (
            r#"{"spec":{"name":"abc","tags":[null]}}"#,
            &[r#"spec.tags[0]: Invalid value: "null": spec.tags[0] in body must be of type string: "null""#],
        ),
        (r#"{"spec":{"name":"abc","set":["a","b","a"]}}"#, &[r#"spec.set[2]: Duplicate value: "a""#]),
        (
            r#"{"spec":{"name":"abc","map":[{"k":"a"},{"k":"a","v":2}]}}"#,
            &[r#"spec.map[1]: Duplicate value: {"k":"a"}"#],
        ),
        (r#"{"spec":{"name":"abc","map":[{"v":1}]}}"#, &["spec.map[0].k: Required value"]),
        (
            r#"{"spec":{"name":"abc","map2":[{"k":"a"},{"k":"a","p":1}]}}"#,
            &[r#"spec.map2[1]: Duplicate value: {"k":"a","p":1}"#],
        ),
        (
            r#"{"spec":{"name":"abc","labels":{}}}"#,
            &["spec.labels: Invalid value: 0: spec.labels in body should have at least 1 properties"],
        ),
        (
            r#"{"spec":{"name":"abc","labels":{"a":"1","b":"2","c":"3"}}}"#,
            &["spec.labels: Too many: 3: must have at most 2 items"],
        ),
        (
            r#"{"spec":{"name":"abc","labels":{"a":1}}}"#,
            &[r#"spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer""#],
        ),
        (
            r#"{"spec":{"name":"abc","labels":{"a":null}}}"#,
            &["spec.labels: Invalid value: 0: spec.labels in body should have at least 1 properties"],
        ),
        (
            r#"{"spec":{"name":"abc","ios":5.5}}"#,
            &[r#"spec.ios: Invalid value: "number": spec.ios in body must be of type integer,string: "number""#],
        ),
        (
            r#"{"spec":{"name":"abc","ios":true}}"#,
            &[r#"spec.ios: Invalid value: "boolean": spec.ios in body must be of type integer,string: "boolean""#],
        ),
        (
            r#"{"spec":{"name":"abc","tmpl":{"a":1}}}"#,
            &["spec.tmpl.apiVersion: Required value", "spec.tmpl.kind: Required value"],
        ),
        (
            r#"{"spec":{"name":"abc","when":"yesterday"}}"#,
            &[r#"spec.when: Invalid value: "yesterday": spec.when in body must be of type date-time: "yesterday""#],
        ),
        (
            r#"{"spec":{"name":"abc","when":"2026-01-01"}}"#,
            &[r#"spec.when: Invalid value: "2026-01-01": spec.when in body must be of type date-time: "2026-01-01""#],
        ),
        (
            r#"{"spec":{"name":"abc","day":"2026-13-01"}}"#,
            &[r#"spec.day: Invalid value: "2026-13-01": spec.day in body must be of type date: "2026-13-01""#],
        ),
        (
            r#"{"spec":{"name":"abc","i32":2147483648}}"#,
            &[r#"<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.i32"#],
        ),
        (
            r#"{"spec":{"name":"abc","bytes":"!!"}}"#,
            &[r#"spec.bytes: Invalid value: "!!": spec.bytes in body must be of type byte: "!!""#],
        ),
        (
            r#"{"spec":{"name":"abc","dur":"1x"}}"#,
            &[r#"spec.dur: Invalid value: "1x": spec.dur in body must be of type duration: "1x""#],
        ),
        (
            r#"{"spec":{"name":"abc","ip":"1.2.3"}}"#,
            &[r#"spec.ip: Invalid value: "1.2.3": spec.ip in body must be of type ipv4: "1.2.3""#],
        ),
        (
            r#"{"spec":{"name":"abc","uuid":"x"}}"#,
            &[r#"spec.uuid: Invalid value: "x": spec.uuid in body must be of type uuid: "x""#],
        ),
        (
            r#"{"spec":{"name":"abc","mail":"x"}}"#,
            &[r#"spec.mail: Invalid value: "x": spec.mail in body must be of type email: "x""#],
        ),
        (
            r#"{"spec":{"name":"abc","host":"-x"}}"#,
            &[r#"spec.host: Invalid value: "-x": spec.host in body must be of type hostname: "-x""#],
        ),
        (
            r#"{"spec":{"name":"abc","uri":"::"}}"#,
            &[r#"spec.uri: Invalid value: "::": spec.uri in body must be of type uri: "::""#],
        ),
        (
            r#"{"spec":{"name":"abc","one":{}}}"#,
            &[
                r#"<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found none valid"#,
                "spec.one.a: Required value",
            ],
        ),
        (
            r#"{"spec":{"name":"abc","one":{"a":"1","b":"2"}}}"#,
            &[
                r#"<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found 2 valid alternatives"#,
            ],
        ),
        (
            r#"{"spec":{"name":"abc","an":{}}}"#,
            &[
                r#"<nil>: Invalid value: "": "spec.an" must validate at least one schema (anyOf)"#,
                "spec.an.a: Required value",
            ],
        ),
        (
            r#"{"spec":{"name":"abc","al":{}}}"#,
            &[
                r#"<nil>: Invalid value: "": "spec.al" must validate all the schemas (allOf). None validated"#,
                "spec.al.a: Required value",
                "spec.al.b: Required value",
            ],
        ),
        (
            r#"{"spec":{"name":"abc","items":[{"x":1},{},{"x":"a"}]}}"#,
            &[
                "spec.items[1].x: Required value",
                r#"spec.items[2].x: Invalid value: "string": spec.items[2].x in body must be of type integer: "string""#,
            ],
        ),
        (
            r#"{"spec":{"name":"abc","items":[1]}}"#,
            &[r#"spec.items[0]: Invalid value: "integer": spec.items[0] in body must be of type object: "integer""#],
        ),
        (
            r#"{"spec":{"name":"ABC","size":99,"mode":"zip","tags":["a","bbbbb","c"],"labels":{}}}"#,
            &[
                "spec.labels: Invalid value: 0: spec.labels in body should have at least 1 properties",
                r#"spec.mode: Unsupported value: "zip": supported values: "fast", "slow""#,
                r#"spec.name: Invalid value: "ABC": spec.name in body should match '^[a-z]+$'"#,
                "spec.size: Invalid value: 99: spec.size in body should be less than or equal to 10",
                "spec.tags: Too many: 3: must have at most 2 items",
                "spec.tags[1]: Too long: may not be more than 3 bytes",
            ],
        ),
        (
            r#"{"spec":{"name":"abc","no":{"a":"1"}}}"#,
            &[r#"<nil>: Invalid value: "": "spec.no" must not validate the schema (not)"#],
        ),
    ];
    for (body, causes) in cases {
        assert_eq!(wrong(body), *causes, "{body}");
    }
}

#[test]
fn what_an_update_leaves_as_it_was_is_not_looked_at() {
    let schema = definition().schema;
    let old = json!({ "spec": { "name": "abc", "size": 99, "tags": ["toolong"], "nest": { "a": "x", "b": {} } } });
    let causes = |new: &Value| -> Vec<String> {
        validate(&schema, new, Some(&old), "").into_iter().map(|cause| cause.field).collect()
    };
    let mut new = old.clone();
    new["spec"]["name"] = "abcd".into();
    assert_eq!(causes(&new), Vec::<String>::new());
    new["spec"]["size"] = 98.into();
    new["spec"]["nest"]["b"]["c"] = 5.into();
    new["spec"]["tags"] = json!(["toolong", "x"]);
    assert_eq!(causes(&new), ["spec.nest.b.c", "spec.size", "spec.tags[0]"]);
}

#[test]
fn a_long_list_of_mistakes_is_cut() {
    let items: Vec<Value> = (0..10_000).map(|i| json!({ "x": "wrong", (format!("u{i}")): 1 })).collect();
    let body = json!({ "spec": { "name": "abc", "items": items } }).to_string();
    assert_eq!(wrong(&body).len(), 100);
    assert_eq!(decode(&definition(), thing(&body), FieldValidation::Warn).unwrap().warnings.len(), 100);
}
