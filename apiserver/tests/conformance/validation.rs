//! What may be stored: fields that are known, values that make sense, and what may not change.

use serde_json::json;

use crate::{
    objects::{Is, configmap, deployment, pod},
    world::{Differs, MERGE, World},
};

/// Unknown fields: dropped with a warning, refused, or dropped in silence.
pub fn an_unknown_field_is_a_warning_unless_it_is_asked_otherwise(w: &World) {
    let body = json!({ "metadata": { "name": "a", "labls": {} }, "data": { "a": "1" } });
    let post = |query: &str| w.post(&format!("configmaps{query}"), &body);
    let message = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"metadata.labls\"";
    post("?fieldValidation=Strict").refused(400, "BadRequest", message);
    let answer = post("");
    assert_eq!(answer.warnings(), ["299 - \"unknown field \\\"metadata.labls\\\"\""]);
    assert_eq!(answer.is(201)["metadata"]["labls"], json!(null));
    w.delete("configmaps/a").is(200);
    let answer = post("?fieldValidation=Ignore");
    assert_eq!((answer.code, answer.warnings()), (201, vec![]));
    let message = "Unsupported value: \"Some\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"";
    post("?fieldValidation=Some").invalid(json!([["FieldValueNotSupported", "fieldValidation", message]]));
}

/// A field that stands twice counts as it stands last. Nobody is told.
pub fn a_field_that_stands_twice_is_not_noticed(w: &World) {
    let body = r#"{"metadata":{"name":"a"},"data":{"a":"1","a":"2"}}"#;
    let json_type = [("content-type", "application/json")];
    let answer = w.send("POST", "configmaps?fieldValidation=Strict", &json_type, body);
    w.differs("duplicates-unnoticed", answer.code, Differs { embedded: 201, real: 400 });
    let created = w.send("PUT", "configmaps/a", &json_type, body);
    let stored = if w.is_real() { w.send("POST", "configmaps", &json_type, body) } else { created }.body;
    assert_eq!(stored["data"], json!({ "a": "2" }));
}

/// A value of the wrong type is not even an object of this kind. How that is said is the decoder's business.
pub fn a_value_of_the_wrong_type_is_a_bad_request(w: &World) {
    let wrong = json!({ "metadata": { "name": "a" }, "data": { "a": 1 } });
    let message = w.post("configmaps", &wrong).refusal(400, "BadRequest");
    let why = message.strip_prefix("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: ");
    let embedded = Some("data.a: invalid type: integer `1`, expected a string");
    let real = Some("json: cannot unmarshal number into Go struct field ConfigMap.data of type string");
    w.differs("decoder-words", why, Differs { embedded, real });
    let wrong = json!({ "metadata": { "name": "a" }, "data": { "k": "!!" } });
    let message = w.post("secrets", &wrong).refusal(400, "BadRequest");
    assert!(message.starts_with("Secret in version \"v1\" cannot be handled as a Secret: "), "{message}");
}

/// Labels have to be of a form that selectors can be written about.
pub fn a_label_s_value_is_63_characters_of_a_kind(w: &World) {
    let body = json!({ "metadata": { "name": "a", "labels": { "a": "b c" } } });
    let message = w.post("configmaps", &body).refusal(422, "Invalid");
    let start = "ConfigMap \"a\" is invalid: metadata.labels: Invalid value: \"b c\": a valid label must be an empty string or consist of";
    assert!(message.starts_with(start), "{message}");
}

/// A pod without containers, and all that is wrong in one answer.
pub fn all_that_is_wrong_with_a_pod_is_told_at_once(w: &World) {
    let body = json!({ "metadata": { "name": "a" }, "spec": { "containers": [] } });
    w.post("pods", &body).invalid(json!([["FieldValueRequired", "spec.containers", "Required value"]]));
    let containers = json!([{ "name": "a" }, { "name": "a", "image": "b" }]);
    let body = json!({ "metadata": { "name": "a" }, "spec": { "containers": containers, "restartPolicy": "Some" } });
    w.post("pods", &body).invalid(json!([
        ["FieldValueRequired", "spec.containers[0].image", "Required value"],
        ["FieldValueDuplicate", "spec.containers[1].name", "Duplicate value: \"a\""],
        [
            "FieldValueNotSupported",
            "spec.restartPolicy",
            "Unsupported value: \"Some\": supported values: \"Always\", \"OnFailure\", \"Never\""
        ],
    ]));
}

/// What a pod is made of is decided when it is made.
pub fn the_spec_of_a_pod_can_hardly_be_changed(w: &World) {
    w.post("pods", &pod("a")).is(201);
    let message = w.patch("pods/a", MERGE, &json!({ "spec": { "restartPolicy": "Never" } })).refusal(422, "Invalid");
    let start = "Pod \"a\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`";
    assert!(message.starts_with(start), "{message}");
    let mut changed = w.get("pods/a").is(200);
    changed["spec"]["containers"][0]["image"] = json!("other");
    let changed = w.put("pods/a", &changed).is(200);
    assert_eq!((&changed["spec"]["containers"][0]["image"], changed.generation()), (&json!("other"), Some(2)));
}

/// What the server fills in, which is what clients compare with.
pub fn a_pod_gets_its_defaults(w: &World) {
    let created = w.post("pods", &pod("a")).is(201);
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

/// The same for a Deployment and the pods that it describes.
pub fn a_deployment_gets_its_defaults(w: &World) {
    let created = w.post("apps/v1:deployments", &deployment("a")).is(201);
    let mut spec = created["spec"].clone();
    let template = spec["template"].take();
    let expected = json!({
        "replicas": 1, "selector": { "matchLabels": { "app": "a" } }, "template": null,
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": "25%", "maxSurge": "25%" } },
        "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
    });
    assert_eq!(spec, expected);
    let pod = &template["spec"];
    let seen = json!([pod["restartPolicy"], pod["dnsPolicy"], pod["containers"][0]["terminationMessagePolicy"]]);
    assert_eq!(seen, json!(["Always", "ClusterFirst", "File"]));
    assert_eq!(created["status"], json!({}));
}

/// A Deployment has to find its own pods, for good.
pub fn a_deployment_s_selector_fits_its_template_and_stays(w: &World) {
    let mut wrong = deployment("a");
    wrong["spec"]["template"]["metadata"]["labels"] = json!({ "app": "b" });
    let message = "Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`";
    let causes = json!([["FieldValueInvalid", "spec.template.metadata.labels", message]]);
    w.post("apps/v1:deployments", &wrong).invalid(causes);
    w.post("apps/v1:deployments", &deployment("a")).is(201);
    let labels = json!({ "app": "b" });
    let patch =
        json!({ "spec": { "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels } } } });
    let message = "Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable";
    w.patch("apps/v1:deployments/a", MERGE, &patch).invalid(json!([["FieldValueInvalid", "spec.selector", message]]));
}

/// A Secret of a type holds what its type promises.
pub fn a_tls_secret_holds_certificate_and_key(w: &World) {
    let body = json!({ "metadata": { "name": "a" }, "type": "kubernetes.io/tls" });
    w.post("secrets", &body).invalid(json!([
        ["FieldValueRequired", "data[tls.crt]", "Required value"],
        ["FieldValueRequired", "data[tls.key]", "Required value"],
    ]));
    let body = json!({
        "metadata": { "name": "a" }, "type": "kubernetes.io/tls", "stringData": { "tls.crt": "", "tls.key": "" },
    });
    w.post("secrets", &body).is(201);
}

/// What is immutable can be deleted, and nothing else.
pub fn what_is_immutable_stays_as_it_is(w: &World) {
    let mut body = configmap("a");
    body["immutable"] = json!(true);
    w.post("configmaps", &body).is(201);
    let message = "Forbidden: field is immutable when `immutable` is set";
    let answer = w.patch("configmaps/a", MERGE, &json!({ "data": { "a": "2" } }));
    answer.invalid(json!([["FieldValueForbidden", "data", message]]));
    let answer = w.patch("configmaps/a", MERGE, &json!({ "immutable": false }));
    answer.invalid(json!([["FieldValueForbidden", "immutable", message]]));
    w.patch("configmaps/a", MERGE, &json!({ "metadata": { "labels": { "x": "y" } } })).is(200);
    w.delete("configmaps/a").is(200);
}

/// An event is in the namespace of what it is about.
pub fn an_event_is_where_its_object_is(w: &World) {
    let body = json!({ "metadata": { "name": "a" }, "involvedObject": { "namespace": "elsewhere" } });
    let message = "Invalid value: \"elsewhere\": does not match event.namespace";
    w.post("events", &body).invalid(json!([["FieldValueInvalid", "involvedObject.namespace", message]]));
    let body =
        json!({ "metadata": { "name": "a" }, "involvedObject": { "namespace": w.namespace }, "message": "hello" });
    let created = w.post("events", &body).is(201);
    let seen =
        json!([created["source"], created["firstTimestamp"], created["eventTime"], created["reportingComponent"]]);
    assert_eq!(seen, json!([{}, null, null, ""]));
}

/// Who holds rights by a binding cannot be given others by changing it.
pub fn the_role_of_a_binding_stays(w: &World) {
    let role = |name: &str| json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name });
    let body = json!({ "metadata": { "name": "a" }, "roleRef": role("one") });
    w.post("rbac.authorization.k8s.io/v1:rolebindings", &body).is(201);
    let answer = w.patch("rbac.authorization.k8s.io/v1:rolebindings/a", MERGE, &json!({ "roleRef": role("two") }));
    let message = answer.refusal(422, "Invalid");
    assert!(message.ends_with("cannot change roleRef"), "{message}");
    let body = json!({ "metadata": { "name": "a" }, "rules": [{ "verbs": ["get"], "resources": ["pods"] }] });
    let message = "Required value: resource rules must supply at least one api group";
    let answer = w.post("rbac.authorization.k8s.io/v1:roles", &body);
    answer.invalid(json!([["FieldValueRequired", "rules[0].apiGroups", message]]));
}

/// Of the rules for built-in kinds, those that a user meets by mistake or a controller by race are checked.
pub fn not_every_rule_is_checked(w: &World) {
    let budget = json!({ "metadata": { "name": "a" }, "spec": { "minAvailable": "some" } });
    let lease = json!({ "metadata": { "name": "a" }, "spec": { "renewTime": "2020-01-01T00:00:00Z" } });
    w.post("apps/v1:deployments", &deployment("a")).is(201);
    let status = json!({ "status": { "replicas": 2, "readyReplicas": 3 } });
    let codes = [
        w.post("policy/v1:poddisruptionbudgets", &budget).code,
        w.post("coordination.k8s.io/v1:leases", &lease).code,
        w.patch("apps/v1:deployments/a/status", MERGE, &status).code,
    ];
    w.differs("few-rules", codes, Differs { embedded: [201, 201, 200], real: [422, 400, 422] });
}

/// Defaults that no client of the demo needs are left out, such as the tolerations of a pod.
pub fn not_every_default_is_set(w: &World) {
    let created = w.post("pods", &pod("a")).is(201);
    let tolerates = created["spec"]["tolerations"].is_array();
    w.differs("few-defaults", tolerates, Differs { embedded: false, real: true });
}

/// `0.5` and `500m` are two texts.
pub fn quantities_are_stored_as_written(w: &World) {
    let mut body = pod("a");
    body["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "0.5" } });
    let created = w.post("pods", &body).is(201);
    let stored = created["spec"]["containers"][0]["resources"]["requests"]["cpu"].as_str();
    w.differs("quantities-as-written", stored, Differs { embedded: Some("0.5"), real: Some("500m") });
}
