//! The expected results are those of a real server (v1.36) for the same bodies.

use serde_json::{Value, json};

use super::{prune::prune_and_default, validate::validate};
use crate::schema::Schema;

fn schema() -> Schema {
    let one = |name: &str| json!({ "required": [name] });
    Schema::parse(&json!({
        "type": "object", "required": ["name"],
        "properties": {
            "name": { "type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$" },
            "size": { "type": "integer", "minimum": 1, "maximum": 10, "format": "int32" },
            "ratio": { "type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 1, "exclusiveMaximum": true },
            "five": { "type": "number", "multipleOf": 5 },
            "mode": { "type": "string", "enum": ["fast", "slow"], "default": "slow" },
            "tags": { "type": "array", "minItems": 1, "maxItems": 2, "items": { "type": "string" } },
            "set": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
            "map": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": { "type": "object", "required": ["k"], "properties": { "k": { "type": "string" } } },
            },
            "labels": { "type": "object", "maxProperties": 2, "additionalProperties": { "type": "string" } },
            "ios": { "x-kubernetes-int-or-string": true },
            "tmpl": { "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
            "one": { "type": "object", "oneOf": [one("a"), one("b")], "x-kubernetes-preserve-unknown-fields": true },
            "any": { "type": "object", "anyOf": [one("a"), one("b")], "x-kubernetes-preserve-unknown-fields": true },
            "all": { "type": "object", "allOf": [one("a"), one("b")], "x-kubernetes-preserve-unknown-fields": true },
            "no": { "type": "object", "not": one("a"), "x-kubernetes-preserve-unknown-fields": true },
            "nest": { "type": "object", "default": {}, "properties": { "a": { "type": "integer", "default": 7 } } },
            "nul": { "type": "string", "nullable": true, "default": "x" },
            "free": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": { "known": { "type": "object", "properties": { "a": { "type": "integer" } } } },
            },
        },
    }))
}

#[test]
fn invalid_value_is_reported_with_field_and_rule() {
    for (body, causes) in [
        (json!({}), &["name: Required value"][..]),
        (json!({ "name": 5 }), &[r#"name: Invalid value: "integer": name in body must be of type string: "integer""#]),
        (json!({ "name": "a" }), &[r#"name: Invalid value: "a": name in body should be at least 2 chars long"#]),
        (json!({ "name": "abcdef" }), &["name: Too long: may not be more than 5 bytes"]),
        (json!({ "name": "ABC" }), &[r#"name: Invalid value: "ABC": name in body should match '^[a-z]+$'"#]),
        (json!({ "size": 11 }), &["size: Invalid value: 11: size in body should be less than or equal to 10"]),
        (
            json!({ "size": 1.5 }),
            &[
                r#"size: Invalid value: "number": size in body must be of type integer: "number""#,
                r#"<nil>: Invalid value: "": Checked value must be of type integer (default format) in size"#,
            ],
        ),
        (json!({ "ratio": 1 }), &["ratio: Invalid value: 1: ratio in body should be less than 1"]),
        (json!({ "five": 7 }), &["five: Invalid value: 7: five in body should be a multiple of 5"]),
        (json!({ "mode": "x" }), &[r#"mode: Unsupported value: "x": supported values: "fast", "slow""#]),
        (json!({ "tags": [] }), &["tags: Invalid value: 0: tags in body should have at least 1 items"]),
        (
            json!({ "tags": [1] }),
            &[r#"tags[0]: Invalid value: "integer": tags[0] in body must be of type string: "integer""#],
        ),
        (json!({ "set": ["a", "b", "a"] }), &[r#"set[2]: Duplicate value: "a""#]),
        (json!({ "map": [{ "k": "a" }, { "k": "a" }] }), &[r#"map[1]: Duplicate value: {"k":"a"}"#]),
        (json!({ "labels": { "a": "", "b": "", "c": "" } }), &["labels: Too many: 3: must have at most 2 items"]),
        (
            json!({ "ios": true }),
            &[r#"ios: Invalid value: "boolean": ios in body must be of type integer,string: "boolean""#],
        ),
        (json!({ "tmpl": {} }), &["tmpl.apiVersion: Required value", "tmpl.kind: Required value"]),
        (
            json!({ "one": {} }),
            &[
                r#"<nil>: Invalid value: "": "one" must validate one and only one schema (oneOf). Found none valid"#,
                "one.a: Required value",
            ],
        ),
        (
            json!({ "any": {} }),
            &[r#"<nil>: Invalid value: "": "any" must validate at least one schema (anyOf)"#, "any.a: Required value"],
        ),
        (
            json!({ "all": { "a": 1 } }),
            &["all.b: Required value", r#"<nil>: Invalid value: "": "all" must validate all the schemas (allOf)"#],
        ),
        (json!({ "no": { "a": 1 } }), &[r#"<nil>: Invalid value: "": "no" must not validate the schema (not)"#]),
    ] {
        let mut body = body;
        if body != json!({}) && body["name"].is_null() {
            body["name"] = "abc".into();
        }
        let found = validate(&schema(), &body, None, "");
        let found: Vec<String> = found.into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        assert_eq!(found, causes, "{body}");
    }
}

#[test]
fn update_does_not_validate_unchanged_fields() {
    let old = json!({ "name": "abc", "size": 99, "tags": [1] });
    let mut new = old.clone();
    new["name"] = "abcd".into();
    assert_eq!(validate(&schema(), &new, Some(&old), ""), []);
    new["size"] = 98.into();
    assert_eq!(validate(&schema(), &new, Some(&old), "").len(), 1);
}

#[test]
fn number_of_reported_errors_is_limited() {
    let items: Vec<Value> = (0..10_000).map(|i| json!({ "u": i })).collect();
    let mut body = json!({ "name": "abc", "map": items });
    assert_eq!(validate(&schema(), &body, None, "").len(), 100);
    assert_eq!(prune_and_default(&schema(), &mut body).len(), 100);
}

#[test]
fn unknown_fields_are_pruned_and_absent_ones_defaulted() {
    for (body, stored, unknown) in [
        (json!({}), json!({ "mode": "slow", "nest": { "a": 7 }, "nul": "x" }), &[][..]),
        (
            json!({ "mode": null, "nest": null, "nul": null, "size": 2.0 }),
            json!({ "mode": "slow", "nest": { "a": 7 }, "nul": null, "size": 2 }),
            &[],
        ),
        (
            json!({ "nest": { "a": 1, "zz": 1 }, "foo": 1, "metadata": { "bar": 1 } }),
            json!({ "mode": "slow", "nest": { "a": 1 }, "nul": "x", "metadata": {} }),
            &["foo", "metadata.bar", "nest.zz"],
        ),
        (
            json!({ "free": { "any": { "b": 1 }, "known": { "a": 1, "b": 2 } }, "map": [{ "k": "a", "y": 2 }] }),
            json!({
                "mode": "slow", "nest": { "a": 7 }, "nul": "x", "map": [{ "k": "a" }],
                "free": { "any": { "b": 1 }, "known": { "a": 1 } },
            }),
            &["free.known.b", "map[0].y"],
        ),
    ] {
        let mut object = body.clone();
        assert_eq!(prune_and_default(&schema(), &mut object), unknown, "{body}");
        assert_eq!(object, stored, "{body}");
    }
}
