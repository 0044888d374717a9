//! With `--namespace` and Roles alone, as examples/namespaced.yaml gives them: all of the story, and nothing outside.

use serde_json::{Value, json};

use crate::{
    api::Refused,
    audit::Request,
    controller::{Controller, Setup},
    objects::{Is, pki_path, pod_mounting, secret_path},
    stage::{Stage, repo_file},
    wait::eventually,
};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const CA: &str = "/api/v1/namespaces/controlplane/secrets/demo-controller-ca";

pub fn the_rights_for_one_namespace_are_enough_for_it_and_end_there(stage: &mut Stage) {
    narrow(stage);
    stage.namespace("app2");
    for ns in ["app1", "app2"] {
        stage.create_pki(ns, "web", json!({ "serviceName": "appp1" }));
        stage.create_pod(&pod_mounting(ns, "web-0", "web"));
    }
    let mark = stage.servers.audit().len();
    let flags = "--namespace app1 --leader-elect --resync 150ms";
    let mut controller = Controller::ready(stage, Setup { flags, ..Setup::default() });

    // The story: the pod that waits is told, and once it is right there is a certificate. And its owner asks for more.
    stage.wait_event("app1", "Pod", "web-0", "pki ServiceName error", 1);
    stage.patch(&pki_path("app1", "web"), &json!({ "spec": { "serviceName": "app1" } }));
    stage.wait_pki("app1", "web", "Issued");
    stage.patch(&pki_path("app1", "web"), &json!({ "spec": { "dnsNames": ["app2"] } }));
    stage.wait_event("app1", "Pki", "web", "Renewed", 1);
    stage.wait_pki("app1", "web", "Issued");
    assert_eq!(stage.secret("app1", "web").data("ca.crt"), stage.find(CA).expect("the CA").data("tls.crt"));
    controller.wait_resyncs(1);
    // The Lease is given back, too.
    assert_eq!(controller.terminate(), Some(0), "{}", controller.log());

    let asked = stage.servers.audit().since(mark);
    asked.only(|request| request.code == 403).assert_none("refused requests");
    let elsewhere = |request: &Request| !["app1", "controlplane"].contains(&request.namespace.as_str());
    asked.only(elsewhere).assert_none("requests about another namespace");
    let home = asked.only(|request| request.namespace == "controlplane");
    let known = |request: &Request| {
        matches!((request.resource.as_str(), request.name.as_str()), ("secrets", "demo-controller-ca" | ""))
            || request.resource == "leases"
    };
    home.only(|request| !known(request)).assert_none("requests at home for something else");
    assert!(stage.find(&pki_path("app2", "web")).unwrap()["status"].is_null(), "nobody has looked at it");

    the_token_is_good_for_nothing_outside(stage);
}

/// As examples/namespaced.yaml says it is done. Waits until it is in force.
fn narrow(stage: &Stage) {
    let manifest = repo_file("examples/namespaced.yaml");
    let stays = |document: &&str| !document.contains("\nkind: ServiceAccount\n");
    stage.apply(&manifest.split("\n---\n").filter(stays).collect::<Vec<_>>().join("\n---\n"));
    for kind in ["clusterrolebindings", "clusterroles"] {
        stage.delete(&format!("{RBAC}/{kind}/demo-controller"));
    }
    let ours = stage.servers.api_as(&stage.token());
    eventually("the rights are those of one namespace", || match ours.list("/api/v1/pods") {
        Err(Refused { code: 403, .. }) => ours.list("/api/v1/namespaces/app1/pods").map_err(|why| why.to_string()),
        other => Err(format!("{other:?}")),
    });
}

fn the_token_is_good_for_nothing_outside(stage: &Stage) {
    let secret = |name: &str| {
        let metadata = json!({ "name": name, "labels": { "app.kubernetes.io/managed-by": "demo-controller" } });
        let data = json!({ "tls.crt": "YQ==", "tls.key": "YQ==" });
        json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": data })
    };
    stage.create("/api/v1/namespaces/app2/secrets", &secret("known"));
    stage.create("/api/v1/namespaces/controlplane/secrets", &secret("known"));
    let ours = stage.servers.api_as(&stage.token());
    let refused = |what: &str, answer: Result<Value, Refused>| match answer {
        Err(Refused { code: 403, .. }) => {}
        other => panic!("{what}: {other:?}"),
    };
    for path in [
        "/api/v1/pods",
        "/apis/box.com/v1/pkis",
        "/api/v1/secrets",
        "/api/v1/namespaces/app2/pods",
        "/api/v1/namespaces/app2/pods/web-0",
        "/apis/box.com/v1/namespaces/app2/pkis",
        "/apis/box.com/v1/namespaces/app2/pkis/web",
        "/api/v1/namespaces/app2/secrets",
        "/api/v1/namespaces/app2/secrets/known",
        "/api/v1/namespaces/app2/events",
        // At home it knows its CA, and no other Secret.
        "/api/v1/namespaces/controlplane/secrets/known",
        "/api/v1/namespaces/controlplane/pods",
        // And in its own namespace no more than by name.
        "/api/v1/namespaces/app1/secrets",
    ] {
        refused(path, ours.get(path));
    }
    refused("a Secret for app2", ours.post("/api/v1/namespaces/app2/secrets", &secret("planted")));
    refused("a change in app2", ours.patch(&secret_path("app2", "known"), &json!({ "data": { "tls.key": "Yg==" } })));
    refused("a change of the CA", ours.patch(CA, &json!({ "data": { "tls.key": "Yg==" } })));
    let status = format!("{}/status", pki_path("app2", "web"));
    refused("a status in app2", ours.patch(&status, &json!({ "status": { "serialNumber": "1" } })));
    ours.get(CA).expect("its CA");
}
