//! CustomResourceDefinitions: a kind that somebody else has thought of.

use serde_json::{Value, json};

use crate::{
    objects::Is,
    wait::expect,
    world::{APPLY, Differs, MERGE, STRATEGIC, World},
};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A kind `Thing` in a group of this case's own.
struct Things {
    group: String,
    /// The path of its collection.
    things: String,
}

impl Things {
    fn one(&self, name: &str) -> String {
        format!("{}/{name}", self.things)
    }

    /// An object with this spec.
    fn thing(&self, name: &str, spec: Value) -> Value {
        let api_version = format!("{}/v1", self.group);
        json!({ "apiVersion": api_version, "kind": "Thing", "metadata": { "name": name }, "spec": spec })
    }
}

/// The definition, with this schema of the spec.
fn definition(w: &World, spec: Value) -> Value {
    let status = json!({ "type": "object", "properties": { "phase": { "type": "string" } } });
    let schema = json!({ "type": "object", "properties": { "spec": spec, "status": status } });
    let columns = json!([
        { "name": "Size", "type": "integer", "jsonPath": ".spec.size" },
        { "name": "Phase", "type": "string", "jsonPath": ".status.phase", "priority": 1 },
        { "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" },
    ]);
    let version = json!({
        "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema },
        "subresources": { "status": {} }, "additionalPrinterColumns": columns,
    });
    let group = format!("{}.example.com", w.namespace);
    json!({
        "metadata": { "name": format!("things.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced", "versions": [version],
            "names": { "plural": "things", "kind": "Thing", "shortNames": ["th"] },
        },
    })
}

/// Applies a definition with this schema of the spec, and waits until it is served.
fn serve(w: &World, spec: Value) -> Things {
    serve_definition(w, &definition(w, spec))
}

fn serve_definition(w: &World, definition: &Value) -> Things {
    w.post(DEFINITIONS, definition).is(201);
    let group = definition["spec"]["group"].as_str().expect("a group").to_owned();
    let things = Things { things: format!("{group}/v1:things"), group };
    w.eventually("the definition is served", || {
        let answer = w.get(&things.things);
        expect(answer.code == 200, answer.text)
    });
    things
}

fn any() -> Value {
    json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// From the definition to the first object, and what is told about it meanwhile.
pub fn a_definition_is_established_and_served(w: &World) {
    let t = serve(w, any());
    let path = format!("{DEFINITIONS}/things.{}", t.group);
    let served = w.get(&path).is(200);
    let conditions = served["status"]["conditions"].as_array().cloned().unwrap_or_default();
    for kind in ["NamesAccepted", "Established"] {
        assert!(conditions.iter().any(|c| c["type"] == kind && c["status"] == "True"), "{kind}: {served}");
    }
    // What was left out of the names is filled in.
    let names = json!({ "plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList", "shortNames": ["th"] });
    assert_eq!((&served["spec"]["names"], &served["status"]["acceptedNames"]), (&names, &names));
    assert_eq!(
        (&served["status"]["storedVersions"], &served["spec"]["conversion"]["strategy"]),
        (&json!(["v1"]), &json!("None"))
    );
    let list = w.get(&t.things).is(200);
    assert_eq!((list["kind"].as_str(), list.names()), (Some("ThingList"), vec![]));
    w.post(&t.things, &t.thing("a", json!({ "x": 1 }))).is(201);
    let list = w.get(&t.things).is(200);
    // Unlike those of built-in kinds, the items of its lists say what they are.
    assert_eq!(list["items"][0]["kind"], "Thing");
    let resources = w.get(&format!("/apis/{}/v1", t.group)).is(200);
    let found = resources["resources"].as_array().and_then(|all| all.iter().find(|r| r["name"] == "things"));
    assert_eq!(
        found.map(|r| json!([r["kind"], r["singularName"], r["shortNames"]])),
        Some(json!(["Thing", "thing", ["th"]]))
    );
}

/// Its objects go with it.
pub fn a_deleted_definition_takes_its_objects_along(w: &World) {
    let t = serve(w, any());
    let path = format!("{DEFINITIONS}/things.{}", t.group);
    w.post(&t.things, &t.thing("a", json!({}))).is(201);
    let mut watch = w.watch(&t.things);
    watch.expect("ADDED");
    w.delete(&path).is(200);
    watch.expect("DELETED");
    w.eventually("it is no longer served", || {
        let (object, definition) = (w.get(&t.things).code, w.get(&path).code);
        expect((object, definition) == (404, 404), format!("{object} {definition}"))
    });
}

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
                "tags": { "type": "array", "maxItems": 2, "items": { "type": "string" } },
            },
        }),
    );
    let post = |spec: Value| w.post(&t.things, &t.thing("a", spec));
    post(json!({})).invalid(json!([["FieldValueRequired", "spec.size", "Required value"]]));
    post(json!({ "size": "x" })).invalid(json!([[
        "FieldValueTypeInvalid",
        "spec.size",
        "Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
    ]]));
    post(json!({ "size": 0 })).invalid(json!([[
        "FieldValueInvalid",
        "spec.size",
        "Invalid value: 0: spec.size in body should be greater than or equal to 1",
    ]]));
    post(json!({ "size": 1, "colour": "blue" })).invalid(json!([[
        "FieldValueNotSupported",
        "spec.colour",
        "Unsupported value: \"blue\": supported values: \"red\", \"green\"",
    ]]));
    post(json!({ "size": 1, "name": "ABC" })).invalid(json!([[
        "FieldValueInvalid",
        "spec.name",
        "Invalid value: \"ABC\": spec.name in body should match '^[a-z]*$'",
    ]]));
    post(json!({ "size": 1, "name": "abcd" })).invalid(json!([[
        "FieldValueTooLong",
        "spec.name",
        "Too long: may not be more than 3 bytes",
    ]]));
    post(json!({ "size": 1, "tags": ["a", "b", "c"] })).invalid(json!([[
        "FieldValueTooMany",
        "spec.tags",
        "Too many: 3: must have at most 2 items",
    ]]));
    let message = post(json!({ "size": 9 })).refusal(422, "Invalid");
    let start = format!("Thing.{} \"a\" is invalid: spec.size: Invalid value: 9: ", t.group);
    assert!(message.starts_with(&start), "{message}");
    post(json!({ "size": 1, "colour": "red", "name": "abc", "tags": ["a"] })).is(201);
    w.patch(&t.one("a"), MERGE, &json!({ "spec": { "size": 6 } })).refusal(422, "Invalid");
}

/// Without a conversion of its own, a kind is the same in all its versions but for the name of the version.
pub fn an_object_can_be_read_in_every_version_that_is_served(w: &World) {
    let mut two = definition(w, any());
    let mut version = two["spec"]["versions"][0].clone();
    (version["name"], version["storage"]) = (json!("v2"), json!(false));
    let mut unserved = version.clone();
    (unserved["name"], unserved["served"]) = (json!("v3"), json!(false));
    two["spec"]["versions"].as_array_mut().expect("versions").extend([version, unserved]);
    let t = serve_definition(w, &two);
    let v1 = w.post(&t.things, &t.thing("a", json!({ "x": 1 }))).is(201);
    let mut expected = v1.clone();
    expected["apiVersion"] = json!(format!("{}/v2", t.group));
    assert_eq!(w.get(&t.one("a").replace("/v1:", "/v2:")).is(200), expected);
    w.get(&t.one("a").replace("/v1:", "/v3:")).is(404);
    // A body is of the version of its path.
    w.put(&t.one("a"), &expected).refusal(400, "BadRequest");
}

/// A webhook that knows how the versions differ is not asked. Here there is none, and who needs it is told so.
pub fn no_webhook_converts_between_versions(w: &World) {
    let mut two = definition(w, any());
    let mut version = two["spec"]["versions"][0].clone();
    (version["name"], version["storage"]) = (json!("v2"), json!(false));
    two["spec"]["versions"].as_array_mut().expect("versions").push(version);
    let webhook =
        json!({ "conversionReviewVersions": ["v1"], "clientConfig": { "url": "https://127.0.0.1:1/convert" } });
    two["spec"]["conversion"] = json!({ "strategy": "Webhook", "webhook": webhook });
    let t = serve_definition(w, &two);
    w.post(&t.things, &t.thing("a", json!({}))).is(201);
    let code = w.get(&t.one("a").replace("/v1:", "/v2:")).code;
    w.differs("no-conversion", code, Differs { embedded: 200, real: 500 });
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

/// The columns of the definition, after the name.
pub fn its_columns_are_those_of_the_definition(w: &World) {
    let t = serve(w, any());
    w.post(&t.things, &t.thing("a", json!({ "size": 4 }))).is(201);
    let table = w.accepting("application/json;as=Table;v=v1;g=meta.k8s.io").get(&t.things).is(200);
    let columns = table["columnDefinitions"].as_array().cloned().unwrap_or_default();
    let brief: Value = columns.iter().map(|c| json!([c["name"], c["type"], c["priority"]])).collect();
    let expected = json!([["Name", "string", 0], ["Size", "integer", 0], ["Phase", "string", 1], ["Age", "date", 0]]);
    assert_eq!(brief, expected);
    let cells = table["rows"][0]["cells"].as_array().cloned().unwrap_or_default();
    assert_eq!(cells[..3], [json!("a"), json!(4), json!(null)]);
    assert!(cells[3].is_string(), "{}", cells[3]);
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

/// A definition that makes no sense is refused, not served by halves.
pub fn a_definition_that_makes_no_sense_is_invalid(w: &World) {
    let mut wrong = definition(w, any());
    wrong["metadata"]["name"] = json!("others.example.com");
    let group = wrong["spec"]["group"].as_str().expect("a group").to_owned();
    let message = "Invalid value: \"others.example.com\": must be spec.names.plural+\".\"+spec.group";
    w.post(DEFINITIONS, &wrong).invalid(json!([["FieldValueInvalid", "metadata.name", message]]));
    let mut wrong = definition(w, any());
    wrong["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] =
        json!({ "description": "Of what type?" });
    let message = w.post(DEFINITIONS, &wrong).refusal(422, "Invalid");
    let start = format!("CustomResourceDefinition.apiextensions.k8s.io \"things.{group}\" is invalid: ");
    assert!(
        message.starts_with(&start) && message.contains("must not be empty for specified object fields"),
        "{message}"
    );
    let mut wrong = definition(w, any());
    wrong["spec"]["versions"][0]["storage"] = json!(false);
    let message = w.post(DEFINITIONS, &wrong).refusal(422, "Invalid");
    assert!(
        message.contains("spec.versions: Invalid value: ")
            && message.contains("must have exactly one version marked as storage version"),
        "{message}"
    );
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
