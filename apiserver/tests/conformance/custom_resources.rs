//! Custom resources: schema, defaults, pruning and status.

use serde_json::{Value, json};

use crate::{
    definitions::{any_object, install, install_schema, widget_definition},
    objects::{ObjectExt, configmap},
    test_env::{APPLY, MERGE, PerServer, STRATEGIC, TestEnv},
    wait::expect,
};

pub fn object_that_violates_the_schema_is_invalid(env: &TestEnv) {
    let widgets = install_schema(
        env,
        json!({
            "type": "object", "required": ["size"],
            "properties": {
                "size": { "type": "integer", "minimum": 1, "maximum": 5 },
                "colour": { "type": "string", "enum": ["red", "green"] },
                "name": { "type": "string", "maxLength": 3, "pattern": "^[a-z]*$" },
                "one": { "type": "array", "maxItems": 1, "items": { "type": "integer" } },
                "tags": { "type": "array", "maxItems": 2, "items": { "type": "string" } },
            },
        }),
    );
    let post = |spec: Value| env.post(&widgets.collection, &widgets.widget("a", spec));
    let of = |what: &str| format!("Invalid value: {what}");
    let kind = of("\"string\": spec.size in body must be of type integer: \"string\"");
    for (spec, reason, field, message) in [
        (json!({}), "Required", "size", "Required value".to_owned()),
        (json!({ "size": "x" }), "TypeInvalid", "size", kind),
        (json!({ "size": 0 }), "Invalid", "size", of("0: spec.size in body should be greater than or equal to 1")),
        (
            json!({ "size": 1, "colour": "blue" }),
            "NotSupported",
            "colour",
            "Unsupported value: \"blue\": supported values: \"red\", \"green\"".into(),
        ),
        (
            json!({ "size": 1, "name": "ABC" }),
            "Invalid",
            "name",
            of("\"ABC\": spec.name in body should match '^[a-z]*$'"),
        ),
        (json!({ "size": 1, "name": "abcd" }), "TooLong", "name", "Too long: may not be more than 3 bytes".into()),
        (
            json!({ "size": 1, "tags": ["a", "b", "c"] }),
            "TooMany",
            "tags",
            "Too many: 3: must have at most 2 items".into(),
        ),
        (json!({ "size": 1, "one": [1, 2] }), "TooMany", "one", "Too many: 2: must have at most 1 item".into()),
    ] {
        post(spec).expect_invalid(json!([[format!("FieldValue{reason}"), format!("spec.{field}"), message]]));
    }
    let message = post(json!({ "size": 9 })).error_message(422, "Invalid");
    let start = format!("Widget.{} \"a\" is invalid: spec.size: Invalid value: 9: ", widgets.group);
    assert!(message.starts_with(&start), "{message}");
    post(json!({ "size": 1, "colour": "red", "name": "abc", "tags": ["a"] })).expect(201);
    env.patch(&widgets.path("a"), MERGE, &json!({ "spec": { "size": 6 } })).error_message(422, "Invalid");
}

/// Nested objects and elements of lists get their defaults, too.
pub fn schema_defaults_are_set(env: &TestEnv) {
    let inner = json!({ "type": "object", "properties": { "b": { "type": "string", "default": "x" } } });
    let widgets = install_schema(
        env,
        json!({
            "type": "object", "default": {},
            "properties": { "size": { "type": "integer", "default": 3 }, "a": inner, "list": { "type": "array", "items": inner } },
        }),
    );
    let mut bare = widgets.widget("bare", json!({}));
    bare.as_object_mut().expect("an object").remove("spec");
    assert_eq!(env.post(&widgets.collection, &bare).expect(201)["spec"], json!({ "size": 3 }));
    let created =
        env.post(&widgets.collection, &widgets.widget("a", json!({ "a": {}, "size": 1, "list": [{}] }))).expect(201);
    assert_eq!(created["spec"], json!({ "a": { "b": "x" }, "size": 1, "list": [{ "b": "x" }] }));
    let patched = env.patch(&widgets.path("a"), MERGE, &json!({ "spec": { "size": null } })).expect(200);
    assert_eq!(patched["spec"]["size"], 3);
}

/// A patch that removes absent labels writes nothing.
pub fn empty_labels_are_not_stored(env: &TestEnv) {
    let widgets = install_schema(env, any_object());
    let mut body = widgets.widget("a", json!({}));
    body["metadata"]["labels"] = json!({});
    body["metadata"]["annotations"] = json!({ "example.com/empty": null });
    let created = env.post(&widgets.collection, &body).expect(201);
    assert_eq!(
        (created["metadata"].get("labels"), &created["metadata"]["annotations"]["example.com/empty"]),
        (None, &json!(""))
    );
    let patch = json!({ "metadata": { "labels": { "a": null }, "finalizers": [] } });
    assert_eq!(env.patch(&widgets.path("a"), MERGE, &patch).expect(200).resource_version(), created.resource_version());
    env.patch(&widgets.path("a"), MERGE, &json!({ "metadata": { "labels": { "a": "b" } } })).expect(200);
    let bare = env.patch(&widgets.path("a"), MERGE, &patch).expect(200);
    assert_eq!(bare["metadata"].get("labels"), None);
}

/// `fieldValidation=Strict` rejects unknown fields; the default is a warning.
pub fn unknown_fields_are_pruned(env: &TestEnv) {
    let widgets = install_schema(
        env,
        json!({
            "type": "object", "properties": { "known": { "type": "string" }, "free": any_object() },
        }),
    );
    let body = widgets.widget("a", json!({ "known": "x", "unknown": { "y": 1 }, "free": { "z": 1 } }));
    let message =
        env.post(&format!("{}?fieldValidation=Strict", widgets.collection), &body).error_message(400, "BadRequest");
    assert!(message.ends_with("strict decoding error: unknown field \"spec.unknown\""), "{message}");
    let response = env.post(&widgets.collection, &body);
    assert_eq!(response.warnings(), ["299 - \"unknown field \\\"spec.unknown\\\"\""]);
    let created = response.expect(201);
    assert_eq!(created["spec"], json!({ "known": "x", "free": { "z": 1 } }));
}

/// Only a change of the spec raises the generation.
pub fn status_subresource_separates_spec_and_status(env: &TestEnv) {
    let widgets = install_schema(env, any_object());
    let mut body = widgets.widget("a", json!({ "size": 1 }));
    body["status"] = json!({ "phase": "Early" });
    let mut created = env.post(&widgets.collection, &body).expect(201);
    assert_eq!((created.generation(), &created["status"]), (Some(1), &json!(null)));
    created["status"] = json!({ "phase": "Done" });
    created["spec"]["size"] = json!(2);
    let written = env.put(&widgets.path("a/status"), &created).expect(200);
    assert_eq!((&written["spec"]["size"], &written["status"]["phase"]), (&json!(1), &json!("Done")));
    assert_eq!(written.generation(), Some(1));
    let patch = json!({ "metadata": { "labels": { "x": "y" } }, "status": { "phase": "Undone" } });
    let written = env.patch(&widgets.path("a"), MERGE, &patch).expect(200);
    assert_eq!((&written["status"]["phase"], written.generation()), (&json!("Done"), Some(1)));
    let written = env.patch(&widgets.path("a"), MERGE, &json!({ "spec": { "size": 2 } })).expect(200);
    assert_eq!(written.generation(), Some(2));
}

/// Most built-in kinds allow a replace without a version.
pub fn custom_replace_without_a_version_is_invalid(env: &TestEnv) {
    let widgets = install_schema(env, any_object());
    env.post(&widgets.collection, &widgets.widget("a", json!({}))).expect(201);
    let response = env.put(&widgets.path("a"), &widgets.widget("a", json!({ "x": 1 })));
    let message = "Invalid value: 0: must be specified for an update";
    response.expect_invalid(json!([["FieldValueInvalid", "metadata.resourceVersion", message]]));
}

/// This type of patch needs merge keys, which custom kinds do not have.
pub fn strategic_merge_patch_is_for_built_in_kinds(env: &TestEnv) {
    let widgets = install_schema(env, any_object());
    env.post(&widgets.collection, &widgets.widget("a", json!({}))).expect(201);
    let message = env.patch(&widgets.path("a"), STRATEGIC, &json!({})).error_message(415, "UnsupportedMediaType");
    let start = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json";
    assert!(message.starts_with(start), "{message}");
    env.patch(&widgets.path("a"), MERGE, &json!({ "spec": { "x": 1 } })).expect(200);
    let code = env.patch(&widgets.path("a?fieldManager=me"), APPLY, &widgets.widget("a", json!({ "y": 1 }))).code;
    env.assert_difference("no-ssa", code, PerServer { embedded: 415, real: 200 });
}

/// Pitfall: the message names the object, not the subresource.
pub fn undeclared_status_subresource_is_not_found(env: &TestEnv) {
    let mut plain = widget_definition(env, any_object());
    plain["spec"]["versions"][0]["subresources"] = json!({});
    let widgets = install(env, &plain);
    env.post(&widgets.collection, &widgets.widget("a", json!({}))).expect(201);
    let response = env.patch(&widgets.path("a/status"), MERGE, &json!({ "status": {} }));
    response.expect_error(404, "NotFound", &format!("widgets.{} \"a\" not found", widgets.group));
}

pub fn custom_resource_is_watched_like_a_built_in_kind(env: &TestEnv) {
    let widgets = install_schema(env, any_object());
    let list = env.get(&widgets.collection).expect(200);
    let mut watch = env.watch(&format!("{}?resourceVersion={}", widgets.collection, list.resource_version()));
    let created = env.post(&widgets.collection, &widgets.widget("a", json!({}))).expect(201);
    assert_eq!(watch.expect("ADDED"), created);
    env.delete(&widgets.path("a")).expect(200);
    assert_eq!(watch.expect("DELETED").name(), "a");
    let response = env.get(&format!("{}?fieldSelector=spec.size%3D1", widgets.collection));
    response.expect_error(400, "BadRequest", "field label not supported: spec.size");
}

pub fn cel_rules_are_not_evaluated(env: &TestEnv) {
    let rule = json!({ "rule": "self.size > 3", "message": "too small" });
    let widgets = install_schema(
        env,
        json!({
            "type": "object", "properties": { "size": { "type": "integer" } }, "x-kubernetes-validations": [rule],
        }),
    );
    let code = env.post(&widgets.collection, &widgets.widget("a", json!({ "size": 1 }))).code;
    env.assert_difference("no-cel", code, PerServer { embedded: 201, real: 422 });
}

pub fn admission_policies_are_not_evaluated(env: &TestEnv) {
    let policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    let rule =
        json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] });
    let here = json!({ "matchLabels": { "kubernetes.io/metadata.name": env.namespace } });
    let policy = json!({
        "metadata": { "name": env.namespace },
        "spec": {
            "failurePolicy": "Fail", "matchConstraints": { "resourceRules": [rule], "namespaceSelector": here },
            "validations": [{ "expression": "false", "message": "never" }],
        },
    });
    env.post(policies, &policy).expect(201);
    let binding = json!({
        "metadata": { "name": env.namespace }, "spec": { "policyName": env.namespace, "validationActions": ["Deny"] },
    });
    env.post(&policies.replace("policies", "policybindings"), &binding).expect(201);
    let wanted = if env.is_real() { 422 } else { 201 };
    let code = env.eventually("the policy is in force", || {
        let response = env.post("configmaps?dryRun=All", &configmap("a"));
        expect(response.code == wanted, &response.text).map(|()| response.code)
    });
    env.assert_difference("no-policies", code, PerServer { embedded: 201, real: 422 });
}

pub fn string_formats_are_not_checked(env: &TestEnv) {
    let when = json!({ "type": "string", "format": "date-time" });
    let widgets = install_schema(env, json!({ "type": "object", "properties": { "when": when } }));
    let code = env.post(&widgets.collection, &widgets.widget("a", json!({ "when": "yesterday" }))).code;
    env.assert_difference("no-formats", code, PerServer { embedded: 201, real: 422 });
}
