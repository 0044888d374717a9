use serde_json::json;

use super::*;

/// A definition that is right, with one place changed.
fn causes(pointer: &str, value: Value) -> Vec<String> {
    let mut definition = json!({
        "metadata": { "name": "wids.ex.io" },
        "spec": {
            "group": "ex.io", "scope": "Namespaced",
            "names": { "kind": "Wid", "listKind": "WidList", "plural": "wids", "singular": "wid" },
            "versions": [{ "name": "v1", "served": true, "storage": true,
                           "schema": { "openAPIV3Schema": { "type": "object", "properties": { "a": { "type": "string" } } } } }],
        },
    });
    if let Some(place) = definition.pointer_mut(pointer) {
        *place = value;
    }
    check(&definition, None).into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

/// The answers of a real server to the same definitions; `@` stands for the property's schema.
#[test]
fn wrong_definitions_are_refused_in_the_real_servers_words() {
    assert_eq!(
        causes("", json!(null)),
        [
            "metadata.name: Invalid value: \"\": must be spec.names.plural+\".\"+spec.group",
            "spec.group: Required value",
            "spec.scope: Required value",
            "spec.versions: Invalid value: []: must have exactly one version marked as storage version",
            "spec.names.plural: Required value",
            "spec.names.singular: Required value",
            "spec.names.kind: Required value",
            "spec.names.listKind: Required value"
        ]
    );
    assert_eq!(causes("/none", json!(null)), Vec::<String>::new());
    let top = [
        (
            "/metadata/name",
            json!("x.ex.io"),
            r#"metadata.name: Invalid value: "x.ex.io": must be spec.names.plural+"."+spec.group"#,
        ),
        (
            "/spec/scope",
            json!("Both"),
            r#"spec.scope: Unsupported value: "Both": supported values: "Cluster", "Namespaced""#,
        ),
        (
            "/spec/names/listKind",
            json!("Wid"),
            r#"spec.names.listKind: Invalid value: "Wid": kind and listKind may not be the same"#,
        ),
        ("/spec/versions/0/schema", json!(null), "spec.versions[0].schema.openAPIV3Schema: Required value"),
    ];
    for (pointer, value, expected) in top {
        assert_eq!(causes(pointer, value), [expected]);
    }
    let set = |list: Value| json!({ "type": "array", "items": { "type": "object" }, "x-kubernetes-list-type": list });
    let schemas = [
        (json!({}), "@.type: Required value: must not be empty for specified object fields"),
        (
            json!({ "type": "strin" }),
            r#"@.type: Unsupported value: "strin": supported values: "array", "boolean", "integer", "number", "object", "string""#,
        ),
        (json!({ "type": "array" }), "@.items: Required value: must be specified"),
        (
            json!({ "type": "string", "default": 5 }),
            r#"@.default: Invalid value: "integer":  in body must be of type string: "integer""#,
        ),
        (json!({ "type": "string", "$ref": "#/x" }), "@.$ref: Forbidden: $ref is not supported"),
        (
            json!({ "type": "string", "oneOf": [{ "type": "string" }] }),
            "@.oneOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            set(json!("bag")),
            r#"@.x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", "map""#,
        ),
        (
            set(json!("map")),
            "@.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        ),
    ];
    for (schema, expected) in schemas {
        let expected = expected.replace('@', "spec.validation.openAPIV3Schema.properties[a]");
        assert_eq!(causes("/spec/versions/0/schema/openAPIV3Schema/properties/a", schema), [expected]);
    }
}

#[test]
fn what_is_stored_under_a_name_keeps_it() {
    let spec = json!({ "scope": "Cluster", "names": { "plural": "a", "kind": "A" } });
    let (old, mut new) = (json!({ "spec": spec }), json!({ "spec": spec }));
    new["spec"]["scope"] = "Namespaced".into();
    new["spec"]["names"]["kind"] = "B".into();
    let fields: Vec<String> = check(&new, Some(&old))
        .into_iter()
        .filter(|cause| cause.message.ends_with("field is immutable"))
        .map(|cause| cause.field)
        .collect();
    assert_eq!(fields, ["spec.scope", "spec.names.kind"]);
}
