//! Validation: unknown fields, invalid values, immutable fields, defaults.

use serde_json::json;

use crate::{
    objects::{ObjectExt, configmap, deployment, pod},
    test_env::{MERGE, PerServer, TestEnv},
};

/// The query parameter `fieldValidation` decides; the default is a warning.
pub fn unknown_field_is_a_warning_error_or_ignored(env: &TestEnv) {
    let body = json!({ "metadata": { "name": "a", "labls": {} }, "data": { "a": "1" } });
    let post = |query: &str| env.post(&format!("configmaps{query}"), &body);
    let message = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"metadata.labls\"";
    post("?fieldValidation=Strict").expect_error(400, "BadRequest", message);
    let response = post("");
    assert_eq!(response.warnings(), ["299 - \"unknown field \\\"metadata.labls\\\"\""]);
    assert_eq!(response.expect(201)["metadata"]["labls"], json!(null));
    env.delete("configmaps/a").expect(200);
    let response = post("?fieldValidation=Ignore");
    assert_eq!((response.code, response.warnings()), (201, vec![]));
    let message = "Unsupported value: \"Some\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"";
    post("?fieldValidation=Some").expect_invalid(json!([["FieldValueNotSupported", "fieldValidation", message]]));
}

/// The last value counts.
pub fn duplicate_field_is_not_reported(env: &TestEnv) {
    let body = r#"{"metadata":{"name":"a"},"data":{"a":"1","a":"2"}}"#;
    let json_type = [("content-type", "application/json")];
    let response = env.send("POST", "configmaps?fieldValidation=Strict", &json_type, body);
    env.assert_difference("duplicates-unnoticed", response.code, PerServer { embedded: 201, real: 400 });
    let created = env.send("PUT", "configmaps/a", &json_type, body);
    let stored = if env.is_real() { env.send("POST", "configmaps", &json_type, body) } else { created }.body;
    assert_eq!(stored["data"], json!({ "a": "2" }));
}

/// The end of the message depends on the decoder.
pub fn value_of_the_wrong_type_is_bad_request(env: &TestEnv) {
    let wrong = json!({ "metadata": { "name": "a" }, "data": { "a": 1 } });
    let message = env.post("configmaps", &wrong).error_message(400, "BadRequest");
    let detail = message.strip_prefix("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: ");
    let embedded = Some("data.a: invalid type: integer `1`, expected a string");
    let real = Some("json: cannot unmarshal number into Go struct field ConfigMap.data of type string");
    env.assert_difference("decoder-words", detail, PerServer { embedded, real });
    let wrong = json!({ "metadata": { "name": "a" }, "data": { "k": "!!" } });
    let message = env.post("secrets", &wrong).error_message(400, "BadRequest");
    assert!(message.starts_with("Secret in version \"v1\" cannot be handled as a Secret: "), "{message}");
}

pub fn label_value_with_a_blank_is_invalid(env: &TestEnv) {
    let body = json!({ "metadata": { "name": "a", "labels": { "a": "b c" } } });
    let message = env.post("configmaps", &body).error_message(422, "Invalid");
    let start = "ConfigMap \"a\" is invalid: metadata.labels: Invalid value: \"b c\": a valid label must be an empty string or consist of";
    assert!(message.starts_with(start), "{message}");
}

pub fn invalid_pod_has_a_cause_per_mistake(env: &TestEnv) {
    let body = json!({ "metadata": { "name": "a" }, "spec": { "containers": [] } });
    env.post("pods", &body).expect_invalid(json!([["FieldValueRequired", "spec.containers", "Required value"]]));
    let containers = json!([{ "name": "a" }, { "name": "a", "image": "b" }]);
    let body = json!({ "metadata": { "name": "a" }, "spec": { "containers": containers, "restartPolicy": "Some" } });
    env.post("pods", &body).expect_invalid(json!([
        ["FieldValueRequired", "spec.containers[0].image", "Required value"],
        ["FieldValueDuplicate", "spec.containers[1].name", "Duplicate value: \"a\""],
        [
            "FieldValueNotSupported",
            "spec.restartPolicy",
            "Unsupported value: \"Some\": supported values: \"Always\", \"OnFailure\", \"Never\""
        ],
    ]));
}

/// An image can be changed.
pub fn pod_spec_is_immutable_except_for_some_fields(env: &TestEnv) {
    env.post("pods", &pod("a")).expect(201);
    let message =
        env.patch("pods/a", MERGE, &json!({ "spec": { "restartPolicy": "Never" } })).error_message(422, "Invalid");
    let start = "Pod \"a\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`";
    assert!(message.starts_with(start), "{message}");
    let mut changed = env.get("pods/a").expect(200);
    changed["spec"]["containers"][0]["image"] = json!("other");
    let changed = env.put("pods/a", &changed).expect(200);
    assert_eq!((&changed["spec"]["containers"][0]["image"], changed.generation()), (&json!("other"), Some(2)));
}

pub fn pod_gets_defaults(env: &TestEnv) {
    let created = env.post("pods", &pod("a")).expect(201);
    let spec = &created["spec"];
    let seen = json!([
        spec["restartPolicy"],
        spec["terminationGracePeriodSeconds"],
        spec["dnsPolicy"],
        spec["schedulerName"],
        spec["securityContext"],
        spec["enableServiceLinks"],
        created["status"]["phase"],
        created["status"]["qosClass"],
    ]);
    assert_eq!(seen, json!(["Always", 30, "ClusterFirst", "default-scheduler", {}, true, "Pending", "BestEffort"]));
    let container = json!({
        "name": "web", "image": "web", "resources": {}, "imagePullPolicy": "Always",
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    });
    assert_eq!(spec["containers"], json!([container]));
}

pub fn deployment_gets_defaults(env: &TestEnv) {
    let created = env.post("apps/v1:deployments", &deployment("a")).expect(201);
    let mut spec = created["spec"].clone();
    let template = spec["template"].take();
    let expected = json!({
        "replicas": 1, "selector": { "matchLabels": { "app": "a" } }, "template": null,
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": "25%", "maxSurge": "25%" } },
        "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
    });
    assert_eq!(spec, expected);
    let pod_spec = &template["spec"];
    let seen = json!([
        pod_spec["restartPolicy"],
        pod_spec["dnsPolicy"],
        pod_spec["containers"][0]["terminationMessagePolicy"]
    ]);
    assert_eq!(seen, json!(["Always", "ClusterFirst", "File"]));
    assert_eq!(created["status"], json!({}));
}

pub fn deployment_selector_matches_template_and_is_immutable(env: &TestEnv) {
    let mut wrong = deployment("a");
    wrong["spec"]["template"]["metadata"]["labels"] = json!({ "app": "b" });
    let message = "Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`";
    let causes = json!([["FieldValueInvalid", "spec.template.metadata.labels", message]]);
    env.post("apps/v1:deployments", &wrong).expect_invalid(causes);
    env.post("apps/v1:deployments", &deployment("a")).expect(201);
    let labels = json!({ "app": "b" });
    let patch =
        json!({ "spec": { "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels } } } });
    let message = "Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable";
    env.patch("apps/v1:deployments/a", MERGE, &patch).expect_invalid(json!([[
        "FieldValueInvalid",
        "spec.selector",
        message
    ]]));
}

pub fn tls_secret_requires_certificate_and_key(env: &TestEnv) {
    let body = json!({ "metadata": { "name": "a" }, "type": "kubernetes.io/tls" });
    env.post("secrets", &body).expect_invalid(json!([
        ["FieldValueRequired", "data[tls.crt]", "Required value"],
        ["FieldValueRequired", "data[tls.key]", "Required value"],
    ]));
    let body = json!({
        "metadata": { "name": "a" }, "type": "kubernetes.io/tls", "stringData": { "tls.crt": "", "tls.key": "" },
    });
    env.post("secrets", &body).expect(201);
}

/// The labels can be changed, and the ConfigMap can be deleted.
pub fn immutable_configmap_rejects_data_changes(env: &TestEnv) {
    let mut body = configmap("a");
    body["immutable"] = json!(true);
    env.post("configmaps", &body).expect(201);
    let message = "Forbidden: field is immutable when `immutable` is set";
    let response = env.patch("configmaps/a", MERGE, &json!({ "data": { "a": "2" } }));
    response.expect_invalid(json!([["FieldValueForbidden", "data", message]]));
    let response = env.patch("configmaps/a", MERGE, &json!({ "immutable": false }));
    response.expect_invalid(json!([["FieldValueForbidden", "immutable", message]]));
    env.patch("configmaps/a", MERGE, &json!({ "metadata": { "labels": { "x": "y" } } })).expect(200);
    env.delete("configmaps/a").expect(200);
}

pub fn event_must_be_in_the_namespace_of_its_object(env: &TestEnv) {
    let body = json!({ "metadata": { "name": "a" }, "involvedObject": { "namespace": "elsewhere" } });
    let message = "Invalid value: \"elsewhere\": does not match event.namespace";
    env.post("events", &body).expect_invalid(json!([["FieldValueInvalid", "involvedObject.namespace", message]]));
    let body =
        json!({ "metadata": { "name": "a" }, "involvedObject": { "namespace": env.namespace }, "message": "hello" });
    let created = env.post("events", &body).expect(201);
    let seen =
        json!([created["source"], created["firstTimestamp"], created["eventTime"], created["reportingComponent"]]);
    assert_eq!(seen, json!([{}, null, null, ""]));
}

pub fn role_ref_is_immutable_and_rules_need_an_api_group(env: &TestEnv) {
    let role = |name: &str| json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name });
    let body = json!({ "metadata": { "name": "a" }, "roleRef": role("one") });
    env.post("rbac.authorization.k8s.io/v1:rolebindings", &body).expect(201);
    let response = env.patch("rbac.authorization.k8s.io/v1:rolebindings/a", MERGE, &json!({ "roleRef": role("two") }));
    let message = response.error_message(422, "Invalid");
    assert!(message.ends_with("cannot change roleRef"), "{message}");
    let body = json!({ "metadata": { "name": "a" }, "rules": [{ "verbs": ["get"], "resources": ["pods"] }] });
    let message = "Required value: resource rules must supply at least one api group";
    let response = env.post("rbac.authorization.k8s.io/v1:roles", &body);
    response.expect_invalid(json!([["FieldValueRequired", "rules[0].apiGroups", message]]));
}

/// The embedded server checks only the rules that clients break by mistake or by a race.
pub fn some_invalid_objects_are_accepted(env: &TestEnv) {
    let budget = json!({ "metadata": { "name": "a" }, "spec": { "minAvailable": "some" } });
    let lease = json!({ "metadata": { "name": "a" }, "spec": { "renewTime": "2020-01-01T00:00:00Z" } });
    env.post("apps/v1:deployments", &deployment("a")).expect(201);
    let status = json!({ "status": { "replicas": 2, "readyReplicas": 3 } });
    let codes = [
        env.post("policy/v1:poddisruptionbudgets", &budget).code,
        env.post("coordination.k8s.io/v1:leases", &lease).code,
        env.patch("apps/v1:deployments/a/status", MERGE, &status).code,
    ];
    env.assert_difference("few-rules", codes, PerServer { embedded: [201, 201, 200], real: [422, 400, 422] });
}

/// Defaults that no client of the demo needs are not set.
pub fn pod_gets_no_tolerations(env: &TestEnv) {
    let created = env.post("pods", &pod("a")).expect(201);
    let tolerates = created["spec"]["tolerations"].is_array();
    env.assert_difference("few-defaults", tolerates, PerServer { embedded: false, real: true });
}

/// The real server stores `0.5` as `500m`.
pub fn quantities_are_stored_as_written(env: &TestEnv) {
    let mut body = pod("a");
    body["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "0.5" } });
    let created = env.post("pods", &body).expect(201);
    let stored = created["spec"]["containers"][0]["resources"]["requests"]["cpu"].as_str();
    env.assert_difference("quantities-as-written", stored, PerServer { embedded: Some("0.5"), real: Some("500m") });
}
