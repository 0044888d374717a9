//! CustomResourceDefinitions: a kind that somebody else has thought of, from its definition to its end.

use serde_json::{Value, json};

use crate::{
    objects::Is,
    wait::expect,
    world::{Differs, MERGE, World},
};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A kind `Thing` in a group of this case's own.
pub struct Things {
    pub group: String,
    /// The path of its collection.
    pub things: String,
}

impl Things {
    pub fn one(&self, name: &str) -> String {
        format!("{}/{name}", self.things)
    }

    /// An object with this spec.
    pub fn thing(&self, name: &str, spec: Value) -> Value {
        let api_version = format!("{}/v1", self.group);
        json!({ "apiVersion": api_version, "kind": "Thing", "metadata": { "name": name }, "spec": spec })
    }
}

/// The definition, with this schema of the spec.
pub fn definition(w: &World, spec: Value) -> Value {
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
pub fn serve(w: &World, spec: Value) -> Things {
    serve_definition(w, &definition(w, spec))
}

/// Applies a definition, and waits until it is served.
pub fn serve_definition(w: &World, definition: &Value) -> Things {
    w.post(DEFINITIONS, definition).is(201);
    let group = definition["spec"]["group"].as_str().expect("a group").to_owned();
    let things = Things { things: format!("{group}/v1:things"), group };
    w.eventually("the definition is served", || {
        let answer = w.get(&things.things);
        expect(answer.code == 200, answer.text)
    });
    things
}

/// A schema that takes everything.
pub fn any() -> Value {
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
    watch.ends();
}

/// Who watches a version hears the end of it, and has to look for another.
pub fn a_watch_ends_when_its_version_is_served_no_more(w: &World) {
    let mut two = definition(w, any());
    let mut version = two["spec"]["versions"][0].clone();
    version["name"] = json!("v2");
    (two["spec"]["versions"][0]["storage"], version["storage"]) = (json!(true), json!(false));
    two["spec"]["versions"].as_array_mut().expect("versions").push(version);
    let t = serve_definition(w, &two);
    w.post(&t.things, &t.thing("a", json!({}))).is(201);
    let mut watch = w.watch(&t.things);
    watch.expect("ADDED");
    two["spec"]["versions"][0]["served"] = json!(false);
    let path = format!("{DEFINITIONS}/things.{}", t.group);
    w.patch(&path, MERGE, &json!({ "spec": { "versions": two["spec"]["versions"] } })).is(200);
    watch.ends();
    let other = format!("{}/v2:things", t.group);
    w.eventually("the other version has the object", || {
        let answer = w.get(&other);
        expect(answer.code == 200 && answer.body.names() == ["a"], answer.text)
    });
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

/// A definition that makes no sense is refused, not served by halves.
pub fn a_definition_that_makes_no_sense_is_invalid(w: &World) {
    let mut wrong = definition(w, any());
    wrong["metadata"]["name"] = json!("others.example.com");
    let message = "Invalid value: \"others.example.com\": must be spec.names.plural+\".\"+spec.group";
    w.post(DEFINITIONS, &wrong).invalid(json!([["FieldValueInvalid", "metadata.name", message]]));
    let mut wrong = definition(w, any());
    wrong["spec"]["versions"][0]["storage"] = json!(false);
    let message = w.post(DEFINITIONS, &wrong).refusal(422, "Invalid");
    assert!(
        message.contains("spec.versions: Invalid value: ")
            && message.contains("must have exactly one version marked as storage version"),
        "{message}"
    );
}

/// Schemas are taken as they are: one without a type, and a default that its own schema refuses.
pub fn schemas_of_definitions_are_not_checked(w: &World) {
    for spec in [json!({ "description": "Of what type?" }), json!({ "type": "string", "default": 5 })] {
        let code = w.post(&format!("{DEFINITIONS}?dryRun=All"), &definition(w, spec)).code;
        w.differs("few-definition-rules", code, Differs { embedded: 201, real: 422 });
    }
}
