//! Namespaces: what comes with one, and what goes with it.

use serde_json::json;

use crate::{
    objects::{Is, configmap, finalized},
    wait::expect,
    world::{MERGE, World},
};

/// What the server adds to a new one.
pub fn a_new_namespace_is_active_and_labelled_with_its_name(w: &World) {
    let path = format!("/api/v1/namespaces/{}", w.namespace);
    let namespace = w.get(&path).is(200);
    assert_eq!(
        (&namespace["status"]["phase"], &namespace["spec"]["finalizers"]),
        (&json!("Active"), &json!(["kubernetes"]))
    );
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], w.namespace);
}

/// Those that are there from the beginning; one is never to go.
pub fn the_namespaces_of_every_cluster_are_there(w: &World) {
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        w.eventually(name, || {
            let answer = w.get(&format!("/api/v1/namespaces/{name}"));
            expect(answer.code == 200, answer.text)
        });
    }
    let message = "namespaces \"default\" is forbidden: this namespace may not be deleted";
    let details = w.delete("/api/v1/namespaces/default").refused(403, "Forbidden", message);
    assert_eq!(details, json!({ "name": "default", "kind": "namespaces" }));
}

/// Nothing is created in a namespace that is not there.
pub fn a_namespace_has_to_be_there_before_its_content(w: &World) {
    let answer = w.post("/api/v1/namespaces/nowhere-at-all/configmaps", &configmap("a"));
    let details = answer.refused(404, "NotFound", "namespaces \"nowhere-at-all\" not found");
    assert_eq!(details, json!({ "name": "nowhere-at-all", "kind": "namespaces" }));
}

/// Its content goes first, then the namespace.
pub fn a_namespace_takes_its_content_along(w: &World) {
    w.post("configmaps", &configmap("a")).is(201);
    w.post("secrets", &json!({ "metadata": { "name": "b" } })).is(201);
    let path = format!("/api/v1/namespaces/{}", w.namespace);
    let mut content = w.watch("configmaps");
    let mut namespaces = w.watch(&format!("/api/v1/namespaces?fieldSelector=metadata.name%3D{}", w.namespace));
    assert_eq!(content.names(1), ["ADDED a"]);
    namespaces.expect("ADDED");
    let ending = w.delete(&path).is(200);
    assert_eq!((&ending["kind"], &ending["status"]["phase"]), (&json!("Namespace"), &json!("Terminating")));
    assert!(!ending.meta("deletionTimestamp").is_empty());
    let gone_first = content.expect("DELETED").revision();
    // How often it is written on its way is the server's business.
    let last = loop {
        let event = namespaces.next().expect("an event");
        if event["type"] == "DELETED" {
            break event["object"].revision();
        }
        assert_eq!((&event["type"], &event["object"]["status"]["phase"]), (&json!("MODIFIED"), &json!("Terminating")));
    };
    assert!(gone_first < last);
    w.get(&path).is(404);
    assert_eq!(w.get("secrets").is(200).names(), [""; 0]);
}

/// Nothing new comes into what is ending, and the refusal says so in a way that a program can read.
pub fn nothing_is_created_in_a_namespace_that_is_ending(w: &World) {
    w.post("configmaps", &finalized(configmap("a"))).is(201);
    let path = format!("/api/v1/namespaces/{}", w.namespace);
    w.delete(&path).is(200);
    let namespace = &w.namespace;
    let message = format!(
        "configmaps \"b\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated"
    );
    let details = w.post("configmaps", &configmap("b")).refused(403, "Forbidden", &message);
    let cause = json!({
        "reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"),
        "field": "metadata.namespace",
    });
    assert_eq!(details, json!({ "name": "b", "kind": "configmaps", "causes": [cause] }));
    // What is there can be changed, and the end waits for it.
    w.eventually("the content is being deleted", || {
        let content = w.get("configmaps/a").is(200);
        expect(!content.meta("deletionTimestamp").is_empty(), content)
    });
    assert_eq!(w.get(&path).is(200)["status"]["phase"], "Terminating");
    w.patch("configmaps/a", MERGE, &json!({ "metadata": { "finalizers": null } })).is(200);
}

/// A finalizer of the namespace itself: among its metadata as anywhere, and `kubernetes` in its spec by a path of its own.
pub fn the_end_of_a_namespace_waits_for_its_own_finalizers(w: &World) {
    let path = format!("/api/v1/namespaces/{}", w.namespace);
    let patch = json!({ "metadata": { "finalizers": ["example.com/wait"] } });
    w.patch(&path, MERGE, &patch).is(200);
    w.delete(&path).is(200);
    w.eventually("nothing but our own finalizer is left", || {
        let namespace = w.get(&path).is(200);
        let left = (&namespace["spec"], &namespace["metadata"]["finalizers"]);
        expect(left == (&json!({}), &json!(["example.com/wait"])), namespace)
    });
    w.patch(&path, MERGE, &json!({ "metadata": { "finalizers": null } })).is(200);
    w.get(&path).is(404);
}
