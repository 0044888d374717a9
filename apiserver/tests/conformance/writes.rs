//! Create, get, replace.

use serde_json::json;

use crate::{
    objects::{ObjectExt, configmap, deployment, pod},
    test_env::{PerServer, TestEnv},
};

/// The server sets uid, creationTimestamp and resourceVersion.
pub fn create_returns_201_and_the_stored_object(env: &TestEnv) {
    let created = env.post("configmaps", &configmap("a")).expect(201);
    assert_eq!(created["data"], json!({ "a": "1" }));
    assert_eq!((&created["kind"], &created["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    assert_eq!(created["metadata"]["namespace"], env.namespace);
    assert_eq!(created.uid().len(), 36);
    assert!(created.meta("creationTimestamp").ends_with('Z'));
    assert!(created.revision() > 0);
    assert_eq!(env.get("configmaps/a").expect(200), created);
}

pub fn kind_and_api_version_default_to_those_of_the_path(env: &TestEnv) {
    let created = env.post("configmaps", &json!({ "metadata": { "name": "a" } })).expect(201);
    assert_eq!((&created["kind"], &created["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
}

pub fn managed_fields_are_not_stored(env: &TestEnv) {
    let created = env.post("configmaps", &configmap("a")).expect(201);
    let kept = !created["metadata"]["managedFields"].is_null();
    env.assert_difference("no-managed-fields", kept, PerServer { embedded: false, real: true });
}

pub fn create_with_an_existing_name_is_already_exists(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    let response = env.post("configmaps", &configmap("a"));
    let details = response.expect_error(409, "AlreadyExists", "configmaps \"a\" already exists");
    assert_eq!(details, json!({ "name": "a", "kind": "configmaps" }));
    env.post("apps/v1:deployments", &deployment("a")).expect(201);
    let response = env.post("apps/v1:deployments", &deployment("a"));
    let details = response.expect_error(409, "AlreadyExists", "deployments.apps \"a\" already exists");
    assert_eq!(details, json!({ "name": "a", "group": "apps", "kind": "deployments" }));
}

/// The five characters contain no vowels, so that they form no words.
pub fn generated_name_is_the_prefix_and_five_characters(env: &TestEnv) {
    let body = json!({ "metadata": { "generateName": "job-" } });
    let (one, two) = (env.post("configmaps", &body).expect(201), env.post("configmaps", &body).expect(201));
    for created in [&one, &two] {
        let suffix = created.name().strip_prefix("job-").expect("the prefix");
        assert!(suffix.len() == 5 && suffix.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)), "{suffix}");
        assert_eq!(created["metadata"]["generateName"], "job-");
    }
    assert_ne!(one.name(), two.name());
}

pub fn create_without_a_valid_name_is_invalid(env: &TestEnv) {
    let response = env.post("configmaps", &json!({ "metadata": {} }));
    response.expect_invalid(json!([[
        "FieldValueRequired",
        "metadata.name",
        "Required value: name or generateName is required"
    ]]));
    let message = env.post("configmaps", &configmap("Bad_Name")).error_message(422, "Invalid");
    let start = "ConfigMap \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must consist of";
    assert!(message.starts_with(start), "{message}");
}

/// A create ignores creationTimestamp and deletionTimestamp, too.
pub fn create_rejects_resource_version_and_ignores_uid(env: &TestEnv) {
    let mut body = configmap("a");
    body["metadata"]["resourceVersion"] = json!("5");
    let response = env.post("configmaps", &body);
    assert_eq!((response.code, &response.body["reason"]), (500, &json!(null)), "{}", response.text);
    assert_eq!(response.body["message"], "resourceVersion should not be set on objects to be created");
    body["metadata"] = json!({
        "name": "a", "uid": "mine", "creationTimestamp": "2020-01-01T00:00:00Z", "deletionTimestamp": "2020-01-01T00:00:00Z",
    });
    let created = env.post("configmaps", &body).expect(201);
    assert_ne!(created.uid(), "mine");
    assert_ne!(created.meta("creationTimestamp"), "2020-01-01T00:00:00Z");
    assert_eq!(created["metadata"]["deletionTimestamp"], json!(null));
}

/// The server compares kind, namespace and name.
pub fn body_that_contradicts_the_path_is_bad_request(env: &TestEnv) {
    let mut body = configmap("a");
    body["metadata"]["namespace"] = json!("elsewhere");
    let message = "the namespace of the provided object does not match the namespace sent on the request";
    env.post("configmaps", &body).expect_error(400, "BadRequest", message);
    env.post("configmaps", &configmap("a")).expect(201);
    let message = "the name of the object (b) does not match the name on the URL (a)";
    env.put("configmaps/a", &configmap("b")).expect_error(400, "BadRequest", message);
    let message = env.post("configmaps", &pod("a")).error_message(400, "BadRequest");
    assert!(message.starts_with("Pod in version \"v1\" cannot be handled as a ConfigMap"), "{message}");
}

pub fn body_without_an_object_is_bad_request(env: &TestEnv) {
    let json_type = [("content-type", "application/json")];
    for body in ["", "nope", "[]"] {
        let message = env.send("POST", "configmaps", &json_type, body).error_message(400, "BadRequest");
        let start = "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: ";
        assert!(message.starts_with(start), "{message}");
    }
}

pub fn content_types_other_than_json_are_rejected(env: &TestEnv) {
    let response = env.send("POST", "configmaps", &[("content-type", "text/plain")], &configmap("a").to_string());
    let message = response.error_message(415, "UnsupportedMediaType");
    let start = "the body of the request was in an unknown format - accepted media types include: application/json";
    assert!(message.starts_with(start), "{message}");
    let message = env.accepting("image/png").get("configmaps").error_message(406, "NotAcceptable");
    assert!(message.starts_with("406: Not Acceptable\n\nAvailable representations: application/json"), "{message}");
    // With a wildcard in `Accept`, the response is JSON.
    let response = env.accepting("image/png, */*").get("configmaps");
    assert!(response.content_type().starts_with("application/json"), "{}", response.content_type());
}

/// Requests in protobuf are decoded only where kubectl sends nothing else.
pub fn protobuf_responses_are_not_served(env: &TestEnv) {
    let response = env.accepting("application/vnd.kubernetes.protobuf").get("configmaps");
    env.assert_difference("no-protobuf", response.code, PerServer { embedded: 406, real: 200 });
}

/// kubectl sends JSON, also for a YAML file.
pub fn yaml_body_is_rejected(env: &TestEnv) {
    let body = "metadata: {name: a}";
    let code = env.send("POST", "configmaps", &[("content-type", "application/yaml")], body).code;
    env.assert_difference("no-yaml", code, PerServer { embedded: 415, real: 201 });
}

pub fn body_above_3_mib_is_too_large(env: &TestEnv) {
    let mut body = configmap("a");
    body["data"]["a"] = json!("a".repeat(3 << 20));
    let response = env.post("configmaps", &body);
    assert_eq!(
        (response.code, &response.body["reason"]),
        (413, &json!("RequestEntityTooLarge")),
        "{:.500}",
        response.text
    );
}

/// The embedded server listens on loopback only.
pub fn server_uses_plain_http(env: &TestEnv) {
    env.assert_difference("no-tls", env.get_without_tls("/version"), PerServer { embedded: 200, real: 400 });
}

pub fn requests_are_not_flow_controlled(env: &TestEnv) {
    let counted = env.get("configmaps").headers.contains_key("x-kubernetes-pf-flowschema-uid");
    env.assert_difference("no-flow-control", counted, PerServer { embedded: false, real: true });
}

pub fn absent_objects_and_paths_are_not_found(env: &TestEnv) {
    let details = env.get("configmaps/none").expect_error(404, "NotFound", "configmaps \"none\" not found");
    assert_eq!(details, json!({ "name": "none", "kind": "configmaps" }));
    let message = "the server could not find the requested resource";
    assert_eq!(env.get("nothings").expect_error(404, "NotFound", message), json!({}));
    env.get("apps/v2:deployments").expect_error(404, "NotFound", message);
    env.get("configmaps/none/status").expect_error(404, "NotFound", message);
    // For an unknown group, the response is plain text and not a Status.
    let response = env.get("/apis/example.com/v1/things");
    assert_eq!((response.code, response.text.as_str()), (404, "404 page not found\n"));
    assert!(response.content_type().starts_with("text/plain"), "{}", response.content_type());
}

pub fn unsupported_method_is_not_allowed(env: &TestEnv) {
    let message = "the server does not allow this method on the requested resource";
    assert_eq!(env.post("configmaps/a", &json!({})).expect_error(405, "MethodNotAllowed", message), json!({}));
    env.put("configmaps", &configmap("a")).expect_error(405, "MethodNotAllowed", message);
    env.patch("configmaps", "application/merge-patch+json", &json!({})).expect_error(405, "MethodNotAllowed", message);
}

pub fn replace_keeps_uid_and_raises_resource_version(env: &TestEnv) {
    let created = env.post("configmaps", &configmap("a")).expect(201);
    let body =
        json!({ "metadata": { "name": "a", "creationTimestamp": "2020-01-01T00:00:00Z" }, "data": { "b": "2" } });
    let replaced = env.put("configmaps/a", &body).expect(200);
    assert_eq!(replaced.uid(), created.uid());
    assert_eq!(replaced.meta("creationTimestamp"), created.meta("creationTimestamp"));
    assert_eq!(replaced["data"], json!({ "b": "2" }));
    assert!(replaced.revision() > created.revision());
}

/// An existing Lease is replaced only with a resourceVersion.
pub fn replace_creates_a_lease_but_no_other_object(env: &TestEnv) {
    env.put("configmaps/a", &configmap("a")).expect_error(404, "NotFound", "configmaps \"a\" not found");
    let lease = json!({ "metadata": { "name": "a" } });
    env.put("coordination.k8s.io/v1:leases/a", &lease).expect(201);
    let response = env.put("coordination.k8s.io/v1:leases/a", &lease);
    let message = "Invalid value: 0: must be specified for an update";
    response.expect_invalid(json!([["FieldValueInvalid", "metadata.resourceVersion", message]]));
}

/// Such a replace creates neither a version nor a watch event.
pub fn replace_without_changes_writes_nothing(env: &TestEnv) {
    let created = env.post("configmaps", &configmap("a")).expect(201);
    assert_eq!(env.put("configmaps/a", &created).expect(200).resource_version(), created.resource_version());
    assert_eq!(env.put("configmaps/a", &configmap("a")).expect(200).resource_version(), created.resource_version());
    let mut watch = env.watch(&format!("configmaps?resourceVersion={}", created.resource_version()));
    env.post("configmaps", &configmap("b")).expect(201);
    assert_eq!(watch.expect("ADDED").name(), "b");
}

pub fn generation_counts_changes_of_the_spec_only(env: &TestEnv) {
    let mut object = env.post("apps/v1:deployments", &deployment("a")).expect(201);
    assert_eq!(object.generation(), Some(1));
    object["metadata"]["labels"] = json!({ "x": "y" });
    object = env.put("apps/v1:deployments/a", &object).expect(200);
    assert_eq!(object.generation(), Some(1));
    object["spec"]["replicas"] = json!(2);
    object = env.put("apps/v1:deployments/a", &object).expect(200);
    assert_eq!(object.generation(), Some(2));
    object["status"] = json!({ "replicas": 2, "observedGeneration": 2 });
    object = env.put("apps/v1:deployments/a/status", &object).expect(200);
    assert_eq!(object.generation(), Some(2));
    object["metadata"]["generation"] = json!(7);
    object = env.put("apps/v1:deployments/a", &object).expect(200);
    assert_eq!(object.generation(), Some(2));
}

/// `stringData` is write-only, and `type` is immutable.
pub fn secret_is_opaque_and_string_data_is_encoded(env: &TestEnv) {
    let body = json!({ "metadata": { "name": "a" }, "stringData": { "k": "b" } });
    let created = env.post("secrets", &body).expect(201);
    assert_eq!((&created["type"], &created["data"]), (&json!("Opaque"), &json!({ "k": "Yg==" })));
    assert_eq!(created["stringData"], json!(null));
    let response = env.put("secrets/a", &json!({ "metadata": { "name": "a" }, "type": "example.com/b" }));
    response.expect_invalid(json!([[
        "FieldValueInvalid",
        "type",
        "Invalid value: \"example.com/b\": field is immutable"
    ]]));
}
