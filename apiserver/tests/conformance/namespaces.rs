//! Namespaces: creation, content and termination.

use serde_json::json;

use crate::{
    objects::{ObjectExt, configmap, with_finalizer},
    test_env::{MERGE, TestEnv},
    wait::expect,
};

pub fn new_namespace_is_active_and_has_its_name_as_label(env: &TestEnv) {
    let path = format!("/api/v1/namespaces/{}", env.namespace);
    let namespace = env.get(&path).expect(200);
    assert_eq!(
        (&namespace["status"]["phase"], &namespace["spec"]["finalizers"]),
        (&json!("Active"), &json!(["kubernetes"]))
    );
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], env.namespace);
}

pub fn standard_namespaces_exist_and_default_stays(env: &TestEnv) {
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        env.eventually(name, || {
            let response = env.get(&format!("/api/v1/namespaces/{name}"));
            expect(response.code == 200, response.text)
        });
    }
    let message = "namespaces \"default\" is forbidden: this namespace may not be deleted";
    let details = env.delete("/api/v1/namespaces/default").expect_error(403, "Forbidden", message);
    assert_eq!(details, json!({ "name": "default", "kind": "namespaces" }));
}

pub fn create_in_an_absent_namespace_is_not_found(env: &TestEnv) {
    let response = env.post("/api/v1/namespaces/absent/configmaps", &configmap("a"));
    let details = response.expect_error(404, "NotFound", "namespaces \"absent\" not found");
    assert_eq!(details, json!({ "name": "absent", "kind": "namespaces" }));
}

pub fn namespace_is_deleted_after_its_content(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    env.post("secrets", &json!({ "metadata": { "name": "b" } })).expect(201);
    let path = format!("/api/v1/namespaces/{}", env.namespace);
    let mut content = env.watch("configmaps");
    let mut namespaces = env.watch(&format!("/api/v1/namespaces?fieldSelector=metadata.name%3D{}", env.namespace));
    assert_eq!(content.names(1), ["ADDED a"]);
    namespaces.expect("ADDED");
    let ending = env.delete(&path).expect(200);
    assert_eq!((&ending["kind"], &ending["status"]["phase"]), (&json!("Namespace"), &json!("Terminating")));
    assert!(!ending.meta("deletionTimestamp").is_empty());
    let gone_first = content.expect("DELETED").revision();
    // The number of MODIFIED events is not defined.
    let last = loop {
        let event = namespaces.next().expect("an event");
        if event["type"] == "DELETED" {
            break event["object"].revision();
        }
        assert_eq!((&event["type"], &event["object"]["status"]["phase"]), (&json!("MODIFIED"), &json!("Terminating")));
    };
    assert!(gone_first < last);
    env.get(&path).expect(404);
    assert_eq!(env.get("secrets").expect(200).names(), [""; 0]);
}

/// A controller recognises this error by the cause NamespaceTerminating.
pub fn create_in_a_terminating_namespace_is_forbidden(env: &TestEnv) {
    env.post("configmaps", &with_finalizer(configmap("a"))).expect(201);
    let path = format!("/api/v1/namespaces/{}", env.namespace);
    env.delete(&path).expect(200);
    let namespace = &env.namespace;
    let message = format!(
        "configmaps \"b\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated"
    );
    let details = env.post("configmaps", &configmap("b")).expect_error(403, "Forbidden", &message);
    let cause = json!({
        "reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"),
        "field": "metadata.namespace",
    });
    assert_eq!(details, json!({ "name": "b", "kind": "configmaps", "causes": [cause] }));
    // Existing objects can be changed, and the namespace waits for them.
    env.eventually("the content is being deleted", || {
        let content = env.get("configmaps/a").expect(200);
        expect(!content.meta("deletionTimestamp").is_empty(), content)
    });
    assert_eq!(env.get(&path).expect(200)["status"]["phase"], "Terminating");
    env.patch("configmaps/a", MERGE, &json!({ "metadata": { "finalizers": null } })).expect(200);
}

/// The finalizer `kubernetes` is in the spec; the server removes it when the content is deleted.
pub fn namespace_waits_for_its_own_finalizers(env: &TestEnv) {
    let path = format!("/api/v1/namespaces/{}", env.namespace);
    let patch = json!({ "metadata": { "finalizers": ["example.com/wait"] } });
    env.patch(&path, MERGE, &patch).expect(200);
    env.delete(&path).expect(200);
    env.eventually("the finalizer of the case is the last one", || {
        let namespace = env.get(&path).expect(200);
        let left = (&namespace["spec"], &namespace["metadata"]["finalizers"]);
        expect(left == (&json!({}), &json!(["example.com/wait"])), namespace)
    });
    env.patch(&path, MERGE, &json!({ "metadata": { "finalizers": null } })).expect(200);
    env.get(&path).expect(404);
}
