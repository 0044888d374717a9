use serde_json::json;

use super::{
    super::{decode, fixture::*},
    *,
};
use crate::types::FieldValidation;

/// What becomes of a body that is right.
fn right(body: &str) -> Value {
    assert_eq!(wrong(body), Vec::<String>::new(), "{body}");
    let mut value = decode(&definition(), thing(body), FieldValidation::Warn).unwrap().value;
    for name in ["apiVersion", "kind", "metadata"] {
        value.as_object_mut().unwrap().remove(name);
    }
    value
}

/// The answers of a real server to the same bodies.
#[test]
fn right_objects_are_stored_with_their_defaults_and_without_what_is_unknown() {
    let cases = [
        (
            r#"{"spec":{"name":"abc"}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","size":2.0}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x", "size": 2}),
        ),
        (
            r#"{"spec":{"name":"abc","ratio":0.5}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x", "ratio": 0.5}),
        ),
        (
            r#"{"spec":{"name":"abc","mode":null}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","map2":[{"k":"a"},{"k":"a","p":2}]}}"#,
            json!({"map2": [{"k": "a", "p": 1}, {"k": "a", "p": 2}], "mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","free":{"x":{"y":1},"known":{"a":1,"z":2}}}}"#,
            json!({"free": {"known": {"a": 1}, "x": {"y": 1}}, "mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","any":[1,{"a":2}]}}"#,
            json!({"any": [1, {"a": 2}], "mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","ios":"a"}}"#,
            json!({"ios": "a", "mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","ios":5}}"#,
            json!({"ios": 5, "mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","tmpl":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"X Y"}}}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x", "tmpl": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "X Y"}}}),
        ),
        (
            r#"{"spec":{"name":"abc","when":"2026-01-01T00:00:00Z"}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x", "when": "2026-01-01T00:00:00Z"}),
        ),
        (
            r#"{"spec":{"name":"abc","day":"2026-12-01"}}"#,
            json!({"day": "2026-12-01", "mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","i64":9223372036854775807}}"#,
            json!({"i64": i64::MAX, "mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","bytes":"aGk="}}"#,
            json!({"bytes": "aGk=", "mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","dur":"1h30m"}}"#,
            json!({"dur": "1h30m", "mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","dur":"3 days"}}"#,
            json!({"dur": "3 days", "mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","nul":null}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": null}),
        ),
        (
            r#"{"spec":{"name":"abc","nod":null}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","nest":null}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","nest":{"b":{}}}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7, "b": {"c": "deep"}}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc","one":{"a":"1"}}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x", "one": {"a": "1"}}),
        ),
        (
            r#"{"spec":{"name":"abc","bogus":1,"nest":{"zz":1}},"foo":{}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
        (
            r#"{"spec":{"name":"abc"},"status":{"n":1}}"#,
            json!({"mode": "slow", "name": "abc", "nest": {"a": 7}, "nod": "x", "nul": "x"}),
        ),
    ];
    for (body, spec) in cases {
        assert_eq!(right(body)["spec"], spec, "{body}");
    }
}

#[test]
fn unknown_fields_are_named_as_the_sender_wants_it() {
    let body = r#"{"foo":1,"metadata":{"bar":1},"spec":{"name":"abc","nest":{"zz":1},"items":[{"x":1,"y":2}],
                   "free":{"any":{"thing":1},"known":{"a":1,"b":2}}}}"#;
    let unknown = ["foo", "metadata.bar", "spec.free.known.b", "spec.items[0].y", "spec.nest.zz"];
    let texts = unknown.map(|path| format!("unknown field {path:?}"));
    assert_eq!(decode(&definition(), thing(body), FieldValidation::Warn).unwrap().warnings, texts);
    assert!(decode(&definition(), thing(body), FieldValidation::Ignore).unwrap().warnings.is_empty());
    let refused = decode(&definition(), thing(body), FieldValidation::Strict).map(|_| ()).unwrap_err();
    let start = r#"Thing in version "v1" cannot be handled as a Thing: strict decoding error: "#;
    assert_eq!((refused.code, refused.message), (400, format!("{start}{}", texts.join(", "))));
    let stored = decode(&definition(), thing(body), FieldValidation::Warn).unwrap().value;
    assert_eq!(stored["spec"]["free"], json!({ "any": { "thing": 1 }, "known": { "a": 1 } }));
    assert_eq!(stored["metadata"], json!({}));
}

#[test]
fn metadata_that_is_not_what_every_object_has_is_refused() {
    for metadata in [r#"{"labels":{"a":5}}"#, r#"{"finalizers":"x"}"#, r#"{"generation":"one"}"#] {
        let body = thing(&format!(r#"{{"metadata":{metadata},"spec":{{"name":"abc"}}}}"#));
        assert_eq!(decode(&definition(), body, FieldValidation::Ignore).map(|_| ()).unwrap_err().code, 400);
    }
}
