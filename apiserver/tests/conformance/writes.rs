//! Create, get, replace: what is stored, what is answered, what is counted.

use serde_json::json;

use crate::{
    objects::{Is, configmap, deployment, pod},
    world::{Differs, World},
};

/// The line that sets uid, creationTimestamp and resourceVersion, and the code 201.
pub fn a_create_is_answered_201_with_what_is_stored(w: &World) {
    let created = w.post("configmaps", &configmap("a")).is(201);
    assert_eq!(created["data"], json!({ "a": "1" }));
    assert_eq!((&created["kind"], &created["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    assert_eq!(created["metadata"]["namespace"], w.namespace);
    assert_eq!(created.uid().len(), 36);
    assert!(created.meta("creationTimestamp").ends_with('Z'));
    assert!(created.revision() > 0);
    assert_eq!(w.get("configmaps/a").is(200), created);
}

/// Kind and apiVersion may be left out: the path says them.
pub fn what_the_path_says_need_not_stand_in_the_body(w: &World) {
    let created = w.post("configmaps", &json!({ "metadata": { "name": "a" } })).is(201);
    assert_eq!((&created["kind"], &created["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
}

/// Nobody is told who set which field.
pub fn managed_fields_are_not_kept(w: &World) {
    let created = w.post("configmaps", &configmap("a")).is(201);
    let kept = !created["metadata"]["managedFields"].is_null();
    w.differs("no-managed-fields", kept, Differs { embedded: false, real: true });
}

/// The check before an object is put under a name that is taken.
pub fn a_name_that_is_taken_is_already_exists(w: &World) {
    w.post("configmaps", &configmap("a")).is(201);
    let answer = w.post("configmaps", &configmap("a"));
    let details = answer.refused(409, "AlreadyExists", "configmaps \"a\" already exists");
    assert_eq!(details, json!({ "name": "a", "kind": "configmaps" }));
    w.post("apps/v1:deployments", &deployment("a")).is(201);
    let answer = w.post("apps/v1:deployments", &deployment("a"));
    let details = answer.refused(409, "AlreadyExists", "deployments.apps \"a\" already exists");
    assert_eq!(details, json!({ "name": "a", "group": "apps", "kind": "deployments" }));
}

/// The line that makes a name out of a prefix: five characters, of those that look like no other.
pub fn a_generated_name_is_the_prefix_and_five_characters(w: &World) {
    let body = json!({ "metadata": { "generateName": "job-" } });
    let (one, two) = (w.post("configmaps", &body).is(201), w.post("configmaps", &body).is(201));
    for made in [&one, &two] {
        let suffix = made.name().strip_prefix("job-").expect("the prefix");
        assert!(suffix.len() == 5 && suffix.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)), "{suffix}");
        assert_eq!(made["metadata"]["generateName"], "job-");
    }
    assert_ne!(one.name(), two.name());
}

/// The check that there is a name, and that it can stand in a path.
pub fn a_name_is_required_and_is_a_dns_name(w: &World) {
    let answer = w.post("configmaps", &json!({ "metadata": {} }));
    answer.invalid(json!([[
        "FieldValueRequired",
        "metadata.name",
        "Required value: name or generateName is required"
    ]]));
    let message = w.post("configmaps", &configmap("Bad_Name")).refusal(422, "Invalid");
    let start = "ConfigMap \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must consist of";
    assert!(message.starts_with(start), "{message}");
}

/// What the sender says of uid and creation time does not count, and a version is refused.
pub fn a_create_may_not_bring_a_version_and_its_uid_is_ignored(w: &World) {
    let mut body = configmap("a");
    body["metadata"]["resourceVersion"] = json!("5");
    let answer = w.post("configmaps", &body);
    assert_eq!((answer.code, &answer.body["reason"]), (500, &json!(null)), "{}", answer.text);
    assert_eq!(answer.body["message"], "resourceVersion should not be set on objects to be created");
    body["metadata"] = json!({
        "name": "a", "uid": "mine", "creationTimestamp": "2020-01-01T00:00:00Z", "deletionTimestamp": "2020-01-01T00:00:00Z",
    });
    let created = w.post("configmaps", &body).is(201);
    assert_ne!(created.uid(), "mine");
    assert_ne!(created.meta("creationTimestamp"), "2020-01-01T00:00:00Z");
    assert_eq!(created["metadata"]["deletionTimestamp"], json!(null));
}

/// The comparison of the body with the path, for each of kind, namespace and name.
pub fn a_body_that_contradicts_the_path_is_a_bad_request(w: &World) {
    let mut body = configmap("a");
    body["metadata"]["namespace"] = json!("elsewhere");
    let message = "the namespace of the provided object does not match the namespace sent on the request";
    w.post("configmaps", &body).refused(400, "BadRequest", message);
    w.post("configmaps", &configmap("a")).is(201);
    let message = "the name of the object (b) does not match the name on the URL (a)";
    w.put("configmaps/a", &configmap("b")).refused(400, "BadRequest", message);
    let message = w.post("configmaps", &pod("a")).refusal(400, "BadRequest");
    assert!(message.starts_with("Pod in version \"v1\" cannot be handled as a ConfigMap"), "{message}");
}

/// A body that is no object is told from one that is wrong.
pub fn a_body_that_is_no_object_is_a_bad_request(w: &World) {
    let json_type = [("content-type", "application/json")];
    for body in ["", "nope", "[]"] {
        let message = w.send("POST", "configmaps", &json_type, body).refusal(400, "BadRequest");
        let start = "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: ";
        assert!(message.starts_with(start), "{message}");
    }
}

/// What a server that speaks only JSON says to those who speak something else.
pub fn what_is_neither_sent_nor_wanted_as_json_is_refused(w: &World) {
    let answer = w.send("POST", "configmaps", &[("content-type", "text/plain")], &configmap("a").to_string());
    let message = answer.refusal(415, "UnsupportedMediaType");
    let start = "the body of the request was in an unknown format - accepted media types include: application/json";
    assert!(message.starts_with(start), "{message}");
    let message = w.accepting("image/png").get("configmaps").refusal(406, "NotAcceptable");
    assert!(message.starts_with("406: Not Acceptable\n\nAvailable representations: application/json"), "{message}");
    // A client that would rather have something else gets what there is.
    let answer = w.accepting("image/png, */*").get("configmaps");
    assert!(answer.content_type().starts_with("application/json"), "{}", answer.content_type());
}

/// The compact binary form that Go clients prefer. What kubectl sends in it is understood; nothing is answered in it.
pub fn protobuf_is_not_spoken(w: &World) {
    let answer = w.accepting("application/vnd.kubernetes.protobuf").get("configmaps");
    w.differs("no-protobuf", answer.code, Differs { embedded: 406, real: 200 });
}

/// The form that people write: kubectl turns it into JSON before it sends it.
pub fn yaml_is_not_spoken(w: &World) {
    let body = "metadata: {name: a}";
    let code = w.send("POST", "configmaps", &[("content-type", "application/yaml")], body).code;
    w.differs("no-yaml", code, Differs { embedded: 415, real: 201 });
}

/// The bound of what is read into memory for one request.
pub fn a_body_of_more_than_3_mib_is_too_large(w: &World) {
    let mut body = configmap("a");
    body["data"]["a"] = json!("a".repeat(3 << 20));
    let answer = w.post("configmaps", &body);
    assert_eq!((answer.code, &answer.body["reason"]), (413, &json!("RequestEntityTooLarge")), "{:.500}", answer.text);
}

/// It listens on loopback, where nobody else listens in.
pub fn there_is_no_tls(w: &World) {
    w.differs("no-tls", w.get_without_tls("/version"), Differs { embedded: 200, real: 400 });
}

/// Nobody is made to wait for their turn: what a request costs is not counted.
pub fn there_is_no_flow_control(w: &World) {
    let counted = w.get("configmaps").headers.contains_key("x-kubernetes-pf-flowschema-uid");
    w.differs("no-flow-control", counted, Differs { embedded: false, real: true });
}

/// Absent objects, and paths that are none.
pub fn what_is_not_there_is_not_found(w: &World) {
    let details = w.get("configmaps/none").refused(404, "NotFound", "configmaps \"none\" not found");
    assert_eq!(details, json!({ "name": "none", "kind": "configmaps" }));
    let nowhere = "the server could not find the requested resource";
    assert_eq!(w.get("nothings").refused(404, "NotFound", nowhere), json!({}));
    w.get("apps/v2:deployments").refused(404, "NotFound", nowhere);
    w.get("configmaps/none/status").refused(404, "NotFound", nowhere);
    // A group that nobody serves is not even a Status.
    let answer = w.get("/apis/example.com/v1/things");
    assert_eq!((answer.code, answer.text.as_str()), (404, "404 page not found\n"));
    assert!(answer.content_type().starts_with("text/plain"), "{}", answer.content_type());
}

/// Methods that make no sense where they are asked for.
pub fn a_method_that_makes_no_sense_is_not_allowed(w: &World) {
    let message = "the server does not allow this method on the requested resource";
    assert_eq!(w.post("configmaps/a", &json!({})).refused(405, "MethodNotAllowed", message), json!({}));
    w.put("configmaps", &configmap("a")).refused(405, "MethodNotAllowed", message);
    w.patch("configmaps", "application/merge-patch+json", &json!({})).refused(405, "MethodNotAllowed", message);
}

/// A new version of the same object: what is the object's, and what is the version's.
pub fn a_replace_keeps_uid_and_creation_time_and_raises_the_version(w: &World) {
    let created = w.post("configmaps", &configmap("a")).is(201);
    let body =
        json!({ "metadata": { "name": "a", "creationTimestamp": "2020-01-01T00:00:00Z" }, "data": { "b": "2" } });
    let replaced = w.put("configmaps/a", &body).is(200);
    assert_eq!(replaced.uid(), created.uid());
    assert_eq!(replaced.meta("creationTimestamp"), created.meta("creationTimestamp"));
    assert_eq!(replaced["data"], json!({ "b": "2" }));
    assert!(replaced.revision() > created.revision());
}

/// A replace needs something to replace. A Lease is the exception, and it is none of those that may be overwritten unseen.
pub fn a_replace_of_what_is_not_there_is_not_found_except_of_a_lease(w: &World) {
    w.put("configmaps/a", &configmap("a")).refused(404, "NotFound", "configmaps \"a\" not found");
    let lease = json!({ "metadata": { "name": "a" } });
    w.put("coordination.k8s.io/v1:leases/a", &lease).is(201);
    let answer = w.put("coordination.k8s.io/v1:leases/a", &lease);
    let message = "Invalid value: 0: must be specified for an update";
    answer.invalid(json!([["FieldValueInvalid", "metadata.resourceVersion", message]]));
}

/// The comparison that keeps a write without a change from being one: no version, no event.
pub fn a_replace_that_changes_nothing_is_no_write(w: &World) {
    let created = w.post("configmaps", &configmap("a")).is(201);
    assert_eq!(w.put("configmaps/a", &created).is(200).version(), created.version());
    assert_eq!(w.put("configmaps/a", &configmap("a")).is(200).version(), created.version());
    let mut watch = w.watch(&format!("configmaps?resourceVersion={}", created.version()));
    w.post("configmaps", &configmap("b")).is(201);
    assert_eq!(watch.expect("ADDED").name(), "b");
}

/// What counts as a change of what is wanted: the spec, not labels, not the status.
pub fn the_generation_counts_changes_of_the_spec_alone(w: &World) {
    let mut object = w.post("apps/v1:deployments", &deployment("a")).is(201);
    assert_eq!(object.generation(), Some(1));
    object["metadata"]["labels"] = json!({ "x": "y" });
    object = w.put("apps/v1:deployments/a", &object).is(200);
    assert_eq!(object.generation(), Some(1));
    object["spec"]["replicas"] = json!(2);
    object = w.put("apps/v1:deployments/a", &object).is(200);
    assert_eq!(object.generation(), Some(2));
    object["status"] = json!({ "replicas": 2, "observedGeneration": 2 });
    object = w.put("apps/v1:deployments/a/status", &object).is(200);
    assert_eq!(object.generation(), Some(2));
    object["metadata"]["generation"] = json!(7);
    object = w.put("apps/v1:deployments/a", &object).is(200);
    assert_eq!(object.generation(), Some(2));
}

/// stringData is how a Secret is written, never how it is read; and a type is never changed.
pub fn a_secret_is_opaque_unless_it_says_so_and_is_written_in_clear(w: &World) {
    let body = json!({ "metadata": { "name": "a" }, "stringData": { "k": "b" } });
    let created = w.post("secrets", &body).is(201);
    assert_eq!((&created["type"], &created["data"]), (&json!("Opaque"), &json!({ "k": "Yg==" })));
    assert_eq!(created["stringData"], json!(null));
    let answer = w.put("secrets/a", &json!({ "metadata": { "name": "a" }, "type": "example.com/b" }));
    answer.invalid(json!([["FieldValueInvalid", "type", "Invalid value: \"example.com/b\": field is immutable"]]));
}
