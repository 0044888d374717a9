//! CustomResourceDefinitions: creation, versions and deletion.

use serde_json::{Value, json};

use crate::{
    objects::ObjectExt,
    test_env::{MERGE, PerServer, TestEnv},
    wait::expect,
};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// The kind `Widget`, in a group of this case.
pub struct Widgets {
    pub group: String,
    /// The path of the collection.
    pub collection: String,
}

impl Widgets {
    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.collection)
    }

    /// Returns an object with this spec.
    pub fn widget(&self, name: &str, spec: Value) -> Value {
        let api_version = format!("{}/v1", self.group);
        json!({ "apiVersion": api_version, "kind": "Widget", "metadata": { "name": name }, "spec": spec })
    }
}

/// Returns a definition with this schema of the spec.
pub fn widget_definition(env: &TestEnv, spec: Value) -> Value {
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
    let group = format!("{}.example.com", env.namespace);
    json!({
        "metadata": { "name": format!("widgets.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced", "versions": [version],
            "names": { "plural": "widgets", "kind": "Widget", "shortNames": ["wd"] },
        },
    })
}

fn add_version(definition: &mut Value, name: &str, served: bool) {
    let mut version = definition["spec"]["versions"][0].clone();
    (version["name"], version["served"], version["storage"]) = (json!(name), json!(served), json!(false));
    definition["spec"]["versions"].as_array_mut().expect("versions").push(version);
}

/// Creates a definition with this schema of the spec, and waits until it is served.
pub fn install_schema(env: &TestEnv, spec: Value) -> Widgets {
    install(env, &widget_definition(env, spec))
}

/// Creates a definition, and waits until it is served.
pub fn install(env: &TestEnv, definition: &Value) -> Widgets {
    env.post(DEFINITIONS, definition).expect(201);
    let group = definition["spec"]["group"].as_str().expect("a group").to_owned();
    let widgets = Widgets { collection: format!("{group}/v1:widgets"), group };
    env.eventually("the definition is served", || {
        let response = env.get(&widgets.collection);
        expect(response.code == 200, response.text)
    });
    widgets
}

/// A schema that allows every field.
pub fn any_object() -> Value {
    json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

pub fn definition_is_established_and_served(env: &TestEnv) {
    let widgets = install_schema(env, any_object());
    let path = format!("{DEFINITIONS}/widgets.{}", widgets.group);
    let served = env.get(&path).expect(200);
    let conditions = served["status"]["conditions"].as_array().cloned().unwrap_or_default();
    for kind in ["NamesAccepted", "Established"] {
        assert!(conditions.iter().any(|c| c["type"] == kind && c["status"] == "True"), "{kind}: {served}");
    }
    // The server sets the names that the definition lacks.
    let names = json!({ "plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList", "shortNames": ["wd"] });
    assert_eq!((&served["spec"]["names"], &served["status"]["acceptedNames"]), (&names, &names));
    assert_eq!(
        (&served["status"]["storedVersions"], &served["spec"]["conversion"]["strategy"]),
        (&json!(["v1"]), &json!("None"))
    );
    let list = env.get(&widgets.collection).expect(200);
    assert_eq!((list["kind"].as_str(), list.names()), (Some("WidgetList"), vec![]));
    env.post(&widgets.collection, &widgets.widget("a", json!({ "x": 1 }))).expect(201);
    let list = env.get(&widgets.collection).expect(200);
    // Unlike the items of built-in kinds, those of custom kinds have a kind and an apiVersion.
    assert_eq!(list["items"][0]["kind"], "Widget");
    let resources = env.get(&format!("/apis/{}/v1", widgets.group)).expect(200);
    let found = resources["resources"].as_array().and_then(|all| all.iter().find(|r| r["name"] == "widgets"));
    assert_eq!(
        found.map(|r| json!([r["kind"], r["singularName"], r["shortNames"]])),
        Some(json!(["Widget", "widget", ["wd"]]))
    );
}

pub fn objects_are_deleted_with_their_definition(env: &TestEnv) {
    let widgets = install_schema(env, any_object());
    let path = format!("{DEFINITIONS}/widgets.{}", widgets.group);
    env.post(&widgets.collection, &widgets.widget("a", json!({}))).expect(201);
    let mut watch = env.watch(&widgets.collection);
    watch.expect("ADDED");
    env.delete(&path).expect(200);
    watch.expect("DELETED");
    env.eventually("the definition is no longer served", || {
        let (object, definition) = (env.get(&widgets.collection).code, env.get(&path).code);
        expect((object, definition) == (404, 404), format!("{object} {definition}"))
    });
    watch.expect_end();
}

pub fn watch_ends_when_its_version_is_no_longer_served(env: &TestEnv) {
    let mut definition = widget_definition(env, any_object());
    add_version(&mut definition, "v2", true);
    let widgets = install(env, &definition);
    env.post(&widgets.collection, &widgets.widget("a", json!({}))).expect(201);
    let mut watch = env.watch(&widgets.collection);
    watch.expect("ADDED");
    definition["spec"]["versions"][0]["served"] = json!(false);
    let path = format!("{DEFINITIONS}/widgets.{}", widgets.group);
    env.patch(&path, MERGE, &json!({ "spec": { "versions": definition["spec"]["versions"] } })).expect(200);
    watch.expect_end();
    let other = format!("{}/v2:widgets", widgets.group);
    env.eventually("the other version has the object", || {
        let response = env.get(&other);
        expect(response.code == 200 && response.body.names() == ["a"], response.text)
    });
}

/// Without a conversion, versions differ only in their apiVersion.
pub fn object_is_readable_in_every_served_version(env: &TestEnv) {
    let mut definition = widget_definition(env, any_object());
    add_version(&mut definition, "v2", true);
    add_version(&mut definition, "v3", false);
    let widgets = install(env, &definition);
    let v1 = env.post(&widgets.collection, &widgets.widget("a", json!({ "x": 1 }))).expect(201);
    let mut expected = v1.clone();
    expected["apiVersion"] = json!(format!("{}/v2", widgets.group));
    assert_eq!(env.get(&widgets.path("a").replace("/v1:", "/v2:")).expect(200), expected);
    env.get(&widgets.path("a").replace("/v1:", "/v3:")).expect(404);
    // The body must have the version of the path.
    env.put(&widgets.path("a"), &expected).error_message(400, "BadRequest");
}

pub fn conversion_webhook_is_not_called(env: &TestEnv) {
    let mut definition = widget_definition(env, any_object());
    add_version(&mut definition, "v2", true);
    let webhook =
        json!({ "conversionReviewVersions": ["v1"], "clientConfig": { "url": "https://127.0.0.1:1/convert" } });
    definition["spec"]["conversion"] = json!({ "strategy": "Webhook", "webhook": webhook });
    let widgets = install(env, &definition);
    env.post(&widgets.collection, &widgets.widget("a", json!({}))).expect(201);
    let code = env.get(&widgets.path("a").replace("/v1:", "/v2:")).code;
    env.assert_difference("no-conversion", code, PerServer { embedded: 200, real: 500 });
}

pub fn table_has_the_columns_of_the_definition(env: &TestEnv) {
    let widgets = install_schema(env, any_object());
    env.post(&widgets.collection, &widgets.widget("a", json!({ "size": 4 }))).expect(201);
    let table = env.accepting("application/json;as=Table;v=v1;g=meta.k8s.io").get(&widgets.collection).expect(200);
    let columns = table["columnDefinitions"].as_array().cloned().unwrap_or_default();
    let seen: Value = columns.iter().map(|c| json!([c["name"], c["type"], c["priority"]])).collect();
    let expected = json!([["Name", "string", 0], ["Size", "integer", 0], ["Phase", "string", 1], ["Age", "date", 0]]);
    assert_eq!(seen, expected);
    let cells = table["rows"][0]["cells"].as_array().cloned().unwrap_or_default();
    assert_eq!(cells[..3], [json!("a"), json!(4), json!(null)]);
    assert!(cells[3].is_string(), "{}", cells[3]);
}

pub fn inconsistent_definition_is_invalid(env: &TestEnv) {
    let mut wrong = widget_definition(env, any_object());
    wrong["metadata"]["name"] = json!("others.example.com");
    let message = "Invalid value: \"others.example.com\": must be spec.names.plural+\".\"+spec.group";
    env.post(DEFINITIONS, &wrong).expect_invalid(json!([["FieldValueInvalid", "metadata.name", message]]));
    let mut wrong = widget_definition(env, any_object());
    wrong["spec"]["versions"][0]["storage"] = json!(false);
    let message = env.post(DEFINITIONS, &wrong).error_message(422, "Invalid");
    assert!(
        message.contains("spec.versions: Invalid value: ")
            && message.contains("must have exactly one version marked as storage version"),
        "{message}"
    );
}

/// One schema has no type, the other a default of the wrong type.
pub fn schema_of_a_definition_is_not_checked(env: &TestEnv) {
    for spec in [json!({ "description": "Without a type." }), json!({ "type": "string", "default": 5 })] {
        let code = env.post(&format!("{DEFINITIONS}?dryRun=All"), &widget_definition(env, spec)).code;
        env.assert_difference("few-definition-rules", code, PerServer { embedded: 201, real: 422 });
    }
}
