//! Custom resources: what their definition makes of them.

use serde_json::{Value, json};

use crate::{
    definitions::{any, definition, serve, serve_definition},
    objects::Is,
    wait::expect,
    world::{APPLY, Differs, MERGE, STRATEGIC, World},
};

/// Types, what is required, and limits: all that is wrong, with the path to it.
pub fn objects_are_held_to_the_schema(w: &World) {
    let t = serve(
        w,
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
    let post = |spec: Value| w.post(&t.things, &t.thing("a", spec));
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
        post(spec).invalid(json!([[format!("FieldValue{reason}"), format!("spec.{field}"), message]]));
    }
    let message = post(json!({ "size": 9 })).refusal(422, "Invalid");
    let start = format!("Thing.{} \"a\" is invalid: spec.size: Invalid value: 9: ", t.group);
    assert!(message.starts_with(&start), "{message}");
    post(json!({ "size": 1, "colour": "red", "name": "abc", "tags": ["a"] })).is(201);
    w.patch(&t.one("a"), MERGE, &json!({ "spec": { "size": 6 } })).refusal(422, "Invalid");
}

/// What was not said is filled in, also below what was said.
pub fn defaults_are_filled_in(w: &World) {
    let inner = json!({ "type": "object", "properties": { "b": { "type": "string", "default": "x" } } });
    let t = serve(
        w,
        json!({
            "type": "object", "default": {},
            "properties": { "size": { "type": "integer", "default": 3 }, "a": inner, "list": { "type": "array", "items": inner } },
        }),
    );
    let mut bare = t.thing("bare", json!({}));
    bare.as_object_mut().expect("an object").remove("spec");
    assert_eq!(w.post(&t.things, &bare).is(201)["spec"], json!({ "size": 3 }));
    let made = w.post(&t.things, &t.thing("a", json!({ "a": {}, "size": 1, "list": [{}] }))).is(201);
    assert_eq!(made["spec"], json!({ "a": { "b": "x" }, "size": 1, "list": [{ "b": "x" }] }));
    let made = w.patch(&t.one("a"), MERGE, &json!({ "spec": { "size": null } })).is(200);
    assert_eq!(made["spec"]["size"], 3);
}

/// Its metadata is that of any other kind. What takes away what is not there is no write, or a controller would never rest.
pub fn metadata_that_says_nothing_is_not_stored(w: &World) {
    let t = serve(w, any());
    let mut body = t.thing("a", json!({}));
    body["metadata"]["labels"] = json!({});
    body["metadata"]["annotations"] = json!({ "example.com/empty": null });
    let made = w.post(&t.things, &body).is(201);
    assert_eq!(
        (made["metadata"].get("labels"), &made["metadata"]["annotations"]["example.com/empty"]),
        (None, &json!(""))
    );
    let nothing = json!({ "metadata": { "labels": { "a": null }, "finalizers": [] } });
    assert_eq!(w.patch(&t.one("a"), MERGE, &nothing).is(200).version(), made.version());
    w.patch(&t.one("a"), MERGE, &json!({ "metadata": { "labels": { "a": "b" } } })).is(200);
    let bare = w.patch(&t.one("a"), MERGE, &nothing).is(200);
    assert_eq!(bare["metadata"].get("labels"), None);
}

/// What the schema does not know is dropped, except where it says otherwise; who wants to know is told.
pub fn unknown_fields_are_pruned(w: &World) {
    let t = serve(
        w,
        json!({
            "type": "object", "properties": { "known": { "type": "string" }, "free": any() },
        }),
    );
    let body = t.thing("a", json!({ "known": "x", "unknown": { "y": 1 }, "free": { "z": 1 } }));
    let message = w.post(&format!("{}?fieldValidation=Strict", t.things), &body).refusal(400, "BadRequest");
    assert!(message.ends_with("strict decoding error: unknown field \"spec.unknown\""), "{message}");
    let answer = w.post(&t.things, &body);
    assert_eq!(answer.warnings(), ["299 - \"unknown field \\\"spec.unknown\\\"\""]);
    let made = answer.is(201);
    assert_eq!(made["spec"], json!({ "known": "x", "free": { "z": 1 } }));
}

/// The status is written by its own path alone, and a generation counts everything but status and metadata.
pub fn the_status_subresource_separates_spec_and_status(w: &World) {
    let t = serve(w, any());
    let mut body = t.thing("a", json!({ "size": 1 }));
    body["status"] = json!({ "phase": "Early" });
    let mut made = w.post(&t.things, &body).is(201);
    assert_eq!((made.generation(), &made["status"]), (Some(1), &json!(null)));
    made["status"] = json!({ "phase": "Done" });
    made["spec"]["size"] = json!(2);
    let written = w.put(&t.one("a/status"), &made).is(200);
    assert_eq!((&written["spec"]["size"], &written["status"]["phase"]), (&json!(1), &json!("Done")));
    assert_eq!(written.generation(), Some(1));
    let patch = json!({ "metadata": { "labels": { "x": "y" } }, "status": { "phase": "Undone" } });
    let written = w.patch(&t.one("a"), MERGE, &patch).is(200);
    assert_eq!((&written["status"]["phase"], written.generation()), (&json!("Done"), Some(1)));
    let written = w.patch(&t.one("a"), MERGE, &json!({ "spec": { "size": 2 } })).is(200);
    assert_eq!(written.generation(), Some(2));
}

/// Unlike most built-in kinds, a custom one is never overwritten unseen.
pub fn a_replace_without_a_version_is_invalid(w: &World) {
    let t = serve(w, any());
    w.post(&t.things, &t.thing("a", json!({}))).is(201);
    let answer = w.put(&t.one("a"), &t.thing("a", json!({ "x": 1 })));
    let message = "Invalid value: 0: must be specified for an update";
    answer.invalid(json!([["FieldValueInvalid", "metadata.resourceVersion", message]]));
}

/// Nobody knows how its lists are to be merged.
pub fn a_strategic_merge_patch_is_for_built_in_kinds(w: &World) {
    let t = serve(w, any());
    w.post(&t.things, &t.thing("a", json!({}))).is(201);
    let message = w.patch(&t.one("a"), STRATEGIC, &json!({})).refusal(415, "UnsupportedMediaType");
    let start = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json";
    assert!(message.starts_with(start), "{message}");
    w.patch(&t.one("a"), MERGE, &json!({ "spec": { "x": 1 } })).is(200);
    let code = w.patch(&t.one("a?fieldManager=me"), APPLY, &t.thing("a", json!({ "y": 1 }))).code;
    w.differs("no-ssa", code, Differs { embedded: 415, real: 200 });
}

/// Pitfall: without a status subresource it is the object that is said not to be there, although it is.
pub fn without_a_status_subresource_nothing_is_found_there(w: &World) {
    let mut plain = definition(w, any());
    plain["spec"]["versions"][0]["subresources"] = json!({});
    let t = serve_definition(w, &plain);
    w.post(&t.things, &t.thing("a", json!({}))).is(201);
    let answer = w.patch(&t.one("a/status"), MERGE, &json!({ "status": {} }));
    answer.refused(404, "NotFound", &format!("things.{} \"a\" not found", t.group));
}

/// A watch, selectors and a deletion are those of any other kind.
pub fn it_is_watched_as_any_other_kind(w: &World) {
    let t = serve(w, any());
    let list = w.get(&t.things).is(200);
    let mut watch = w.watch(&format!("{}?resourceVersion={}", t.things, list.version()));
    let made = w.post(&t.things, &t.thing("a", json!({}))).is(201);
    assert_eq!(watch.expect("ADDED"), made);
    w.delete(&t.one("a")).is(200);
    assert_eq!(watch.expect("DELETED").name(), "a");
    let answer = w.get(&format!("{}?fieldSelector=spec.size%3D1", t.things));
    answer.refused(400, "BadRequest", "field label not supported: spec.size");
}

/// Rules in the Common Expression Language are kept, and not looked at.
pub fn rules_are_not_evaluated(w: &World) {
    let rule = json!({ "rule": "self.size > 3", "message": "too small" });
    let t = serve(
        w,
        json!({
            "type": "object", "properties": { "size": { "type": "integer" } }, "x-kubernetes-validations": [rule],
        }),
    );
    let code = w.post(&t.things, &t.thing("a", json!({ "size": 1 }))).code;
    w.differs("no-cel", code, Differs { embedded: 201, real: 422 });
}

/// The same for policies.
pub fn admission_policies_are_not_evaluated(w: &World) {
    let policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    let rule =
        json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] });
    let here = json!({ "matchLabels": { "kubernetes.io/metadata.name": w.namespace } });
    let policy = json!({
        "metadata": { "name": w.namespace },
        "spec": {
            "failurePolicy": "Fail", "matchConstraints": { "resourceRules": [rule], "namespaceSelector": here },
            "validations": [{ "expression": "false", "message": "never" }],
        },
    });
    w.post(policies, &policy).is(201);
    let binding = json!({
        "metadata": { "name": w.namespace }, "spec": { "policyName": w.namespace, "validationActions": ["Deny"] },
    });
    w.post(&policies.replace("policies", "policybindings"), &binding).is(201);
    let wanted = if w.is_real() { 422 } else { 201 };
    let code = w.eventually("the policy is in force", || {
        let answer = w.post("configmaps?dryRun=All", &crate::objects::configmap("a"));
        expect(answer.code == wanted, &answer.text).map(|()| answer.code)
    });
    w.differs("no-policies", code, Differs { embedded: 201, real: 422 });
}

/// A `format` describes a text, and does not limit it.
pub fn formats_are_not_checked(w: &World) {
    let when = json!({ "type": "string", "format": "date-time" });
    let t = serve(w, json!({ "type": "object", "properties": { "when": when } }));
    let code = w.post(&t.things, &t.thing("a", json!({ "when": "yesterday" }))).code;
    w.differs("no-formats", code, Differs { embedded: 201, real: 422 });
}
