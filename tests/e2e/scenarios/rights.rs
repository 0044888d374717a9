//! What our ServiceAccount may do, and what it may not. docs/security.md is about the same.

use serde_json::{Value, json};
use testkit::{objects::ready, wait::eventually};

use crate::{
    api::Refused,
    audit::Request,
    controller::Controller,
    objects::{data, pki, pki_path, pod, secret_path},
    stage::{Stage, repo_file},
};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const CA: &str = "/api/v1/namespaces/controlplane/secrets/demo-controller-ca";

type Answer = Result<Value, Refused>;

/// A TLS Secret with our label, of this type.
fn secret(namespace: &str, name: &str, kind: &str) -> Value {
    let annotations = json!({ "kubernetes.io/service-account.name": "default" });
    let labels = json!({ "app.kubernetes.io/managed-by": "demo-controller" });
    let metadata = json!({ "name": name, "namespace": namespace, "labels": labels, "annotations": annotations });
    let data = json!({ "tls.crt": "YQ==", "tls.key": "YQ==" });
    json!({ "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data })
}

fn secrets(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets")
}

#[track_caller]
fn assert_forbidden(what: &str, answer: Answer) {
    assert!(matches!(&answer, Err(Refused { code: 403, .. })), "{what}: {answer:?}");
}

/// Waits until the policy is in force.
#[track_caller]
fn wait_policy(answer: impl Fn() -> Answer) {
    eventually("the policy refuses the token of another ServiceAccount", || match answer() {
        Err(refused) if refused.why.contains("ValidatingAdmissionPolicy") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

pub fn verbs_are_those_that_it_uses(stage: &mut Stage) {
    let yes = "list pods,watch pods,list pkis.box.com,watch pkis.box.com,patch pkis.box.com/status,get secrets,\
        create secrets,patch secrets,get events,create events,patch events";
    let no = "list secrets,watch secrets,delete secrets,update secrets,deletecollection secrets,delete pods,update pods,\
        create pods,update pkis.box.com,delete pkis.box.com,patch pkis.box.com,list nodes,\
        create clusterrolebindings.rbac.authorization.k8s.io,create serviceaccounts/token";
    let ours = stage.servers.api_as(&stage.token());
    for (words, allowed) in [(yes, true), (no, false)] {
        for what in words.split(',') {
            let (verb, resource) = what.trim().split_once(' ').expect("a verb and a resource");
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
            let attributes = json!({ "verb": verb, "group": group, "resource": resource, "subresource": subresource });
            let review = json!({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                "spec": { "resourceAttributes": attributes },
            });
            let answer = ours.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).unwrap();
            assert_eq!(answer["status"]["allowed"], allowed, "{what}");
        }
    }
}

pub fn creating_pkis_takes_a_right_of_its_own(stage: &mut Stage) {
    let _controller = Controller::start(stage, "");
    stage.namespace("hired");
    let metadata = json!({ "name": "tenant", "namespace": "hired" });
    stage.create(&json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata }));
    let tenant = stage.servers.api_as(&stage.token_of("hired", "tenant"));
    let collection = |ns: &str| format!("/apis/box.com/v1/namespaces/{ns}/pkis");
    let web = |ns: &str| pki(ns, "web", json!({ "serviceName": "app1" }));
    assert_forbidden("a Pki", tenant.post(&collection("hired"), &web("hired")));
    // No role of ours is aggregated into those of people who may edit other things.
    for role in stage.api.list(&format!("{RBAC}/clusterroles")).unwrap() {
        if role["rules"].to_string().contains("box.com") {
            assert_eq!(
                (&role["metadata"]["name"], &role["metadata"]["labels"]),
                (&"demo-controller".into(), &Value::Null)
            );
        }
    }
    let (version, metadata) = ("rbac.authorization.k8s.io/v1", json!({ "name": "pkis", "namespace": "hired" }));
    let rules = json!([{ "apiGroups": ["box.com"], "resources": ["pkis"], "verbs": ["create"] }]);
    stage.create(&json!({ "apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules }));
    stage.create(&json!({
        "apiVersion": version, "kind": "RoleBinding", "metadata": metadata,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pkis" },
        "subjects": [{ "kind": "ServiceAccount", "name": "tenant", "namespace": "hired" }],
    }));
    eventually("the right is in force", || tenant.post(&collection("hired"), &web("hired")));
    stage.wait_pki("hired", "web", "Issued");
    assert_forbidden("a Pki elsewhere", tenant.post(&collection("default"), &web("default")));
    assert_forbidden("the Secret", tenant.get(&secret_path("hired", "web")));
}

/// Create and get of any Secret would be enough to get the token of any ServiceAccount.
pub fn policy_limits_it_to_labelled_tls_secrets(stage: &mut Stage) {
    stage.namespace("policy");
    let (ours, path) = (stage.servers.api_as(&stage.token()), secrets("policy"));
    let token = secret("policy", "token", "kubernetes.io/service-account-token");
    wait_policy(|| ours.post(&format!("{path}?dryRun=All"), &token));
    let refused = |answer: Answer| {
        let why = answer.expect_err("it is refused").why;
        assert!(why.contains("ValidatingAdmissionPolicy"), "{why}");
    };
    let mut unlabelled = secret("policy", "unlabelled", "kubernetes.io/tls");
    let label = unlabelled["metadata"]["labels"].take();
    refused(ours.post(&path, &secret("policy", "opaque", "Opaque")));
    refused(ours.post(&path, &unlabelled));
    ours.post(&path, &secret("policy", "certificate", "kubernetes.io/tls")).unwrap();
    // It can neither adopt a Secret of others by a label, nor give one of its own away.
    stage.create(&unlabelled);
    refused(ours.patch(&secret_path("policy", "unlabelled"), &json!({ "metadata": { "labels": label } })));
    let unlabel = json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": null } } });
    refused(ours.patch(&secret_path("policy", "certificate"), &unlabel));
    ours.patch(&secret_path("policy", "certificate"), &json!({ "data": { "tls.crt": "Yg==" } })).unwrap();
    // It is about our ServiceAccount alone.
    stage.create(&secret("policy", "anything", "Opaque"));

    // A Pki whose Secret is of another type: the controller would have to fill it.
    let web = stage.create_pki("policy", "opaque", json!({ "serviceName": "app1" }));
    let mut planted = secret("policy", "opaque", "Opaque");
    let uid = &web["metadata"]["uid"];
    let owner = json!({ "apiVersion": "box.com/v1", "kind": "Pki", "name": "opaque", "uid": uid, "controller": true });
    planted["metadata"]["ownerReferences"] = json!([owner]);
    stage.create(&planted);
    let _controller = Controller::start(stage, "--namespace policy");
    let failed = stage.wait_pki("policy", "opaque", "IssueFailed");
    assert!(ready(&failed, "message").contains("may only write Secrets of type kubernetes.io/tls"), "{failed:#}");
}

pub fn stolen_token_reads_only_what_it_can_name(stage: &mut Stage) {
    stage.namespace("victim");
    let controller = Controller::start(stage, "");
    stage.create_pki("victim", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("victim", "web", "Issued");
    drop(controller);
    let (stolen, path) = (stage.servers.api_as(&stage.token()), secrets("victim"));
    // It reads each Secret whose name is known. The CA's key is one of them.
    stage.create(&secret("victim", "known", "Opaque"));
    stolen.get(&secret_path("victim", "known")).expect("a Secret whose name is known");
    assert!(data(&stolen.get(CA).expect("the CA"), "tls.key").starts_with(b"-----BEGIN PRIVATE KEY-----"));
    // It can neither list names, nor gain more rights.
    for path in ["/api/v1/secrets", &path, "/api/v1/secrets?watch=true", "/api/v1/namespaces", "/api/v1/nodes"] {
        assert_forbidden(path, stolen.get(path));
    }
    assert_forbidden("a deletion", stolen.delete(&secret_path("victim", "known")));
    let thief = pod("victim", "thief", "known");
    assert_forbidden("a pod", stolen.post("/api/v1/namespaces/victim/pods", &thief));
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    assert_forbidden("a token", stolen.post("/api/v1/namespaces/victim/serviceaccounts/default/token", &request));
    let names = json!({ "data": { "allowed-names": "anything" } });
    assert_forbidden("the list", stolen.patch("/api/v1/namespaces/controlplane/configmaps/demo-controller", &names));

    // Only the policy refuses a Secret that Kubernetes fills with the token of any ServiceAccount.
    let token = secret("victim", "token", "kubernetes.io/service-account-token");
    let attempt = || stolen.post(&format!("{path}?dryRun=All"), &token);
    wait_policy(attempt);
    let bindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
    let binding = stage.find(&format!("{bindings}/demo-controller-secrets")).expect("the binding");
    stage.delete(&format!("{bindings}/demo-controller-secrets"));
    eventually("without the policy it is accepted", attempt);
    let metadata = json!({ "name": binding["metadata"]["name"] });
    let again = json!({
        "apiVersion": binding["apiVersion"], "kind": binding["kind"], "metadata": metadata, "spec": binding["spec"],
    });
    stage.api.post(bindings, &again).unwrap();
    wait_policy(attempt);
}

/// With `--namespace` and the Roles of examples/namespaced.yaml: the whole story, and nothing outside.
pub fn roles_for_one_namespace_are_enough(stage: &mut Stage) {
    stage.is_spoiled = true;
    narrow(stage);
    stage.namespace("app2");
    for ns in ["app1", "app2"] {
        stage.create_pki(ns, "web", json!({ "serviceName": "appp1" }));
        stage.create(&pod(ns, "web-0", "web"));
    }
    let mark = stage.servers.audit().len();
    let mut controller = Controller::start(stage, "--namespace app1 --resync 150ms --leader-elect");
    stage.wait_event("app1", "Pod/web-0", "pki ServiceName error");
    stage.patch(&pki_path("app1", "web"), &json!({ "spec": { "serviceName": "app1" } }));
    stage.wait_pki("app1", "web", "Issued");
    stage.patch(&pki_path("app1", "web"), &json!({ "spec": { "dnsNames": ["app2"] } }));
    stage.wait_event("app1", "Pki/web", "Renewed");
    stage.wait_pki("app1", "web", "Issued");
    controller.wait_resyncs(1);
    assert_eq!(controller.terminate(), Some(0), "{}", controller.log());

    let audit = stage.servers.audit().since(mark);
    audit.only(|request| request.code == 403).assert_none("refused requests");
    let elsewhere = |request: &Request| !["app1", "controlplane"].contains(&&*request.namespace);
    audit.only(elsewhere).assert_none("requests about another namespace");
    assert!(stage.find(&pki_path("app2", "web")).unwrap()["status"].is_null());

    // The token is good for nothing outside.
    for namespace in ["app2", "controlplane"] {
        stage.create(&secret(namespace, "known", "kubernetes.io/tls"));
    }
    let ours = stage.servers.api_as(&stage.token());
    for path in [
        "/api/v1/pods",
        "/apis/box.com/v1/pkis",
        "/api/v1/secrets",
        "/api/v1/namespaces/app2/pods/web-0",
        "/apis/box.com/v1/namespaces/app2/pkis/web",
        "/api/v1/namespaces/app2/secrets/known",
        "/api/v1/namespaces/app2/events",
        "/api/v1/namespaces/controlplane/secrets/known",
        "/api/v1/namespaces/controlplane/pods",
        "/api/v1/namespaces/app1/secrets",
    ] {
        assert_forbidden(path, ours.get(path));
    }
    let planted = secret("app2", "planted", "kubernetes.io/tls");
    assert_forbidden("a Secret for app2", ours.post(&secrets("app2"), &planted));
    let change = json!({ "data": { "tls.key": "Yg==" } });
    assert_forbidden("a change in app2", ours.patch(&secret_path("app2", "known"), &change));
    assert_forbidden("a change of the CA", ours.patch(CA, &change));
    ours.get(CA).expect("its CA");
}

/// Applies examples/namespaced.yaml, removes the rights for all namespaces, and waits until that is in force.
fn narrow(stage: &Stage) {
    let manifest = repo_file("examples/namespaced.yaml");
    let objects = testkit::objects::documents(&manifest);
    // The ServiceAccount exists.
    objects.iter().filter(|object| object["kind"] != "ServiceAccount").for_each(|object| drop(stage.create(object)));
    for kind in ["clusterrolebindings", "clusterroles"] {
        stage.delete(&format!("{RBAC}/{kind}/demo-controller"));
    }
    let ours = stage.servers.api_as(&stage.token());
    eventually("the rights are those of one namespace", || match ours.list("/api/v1/pods") {
        Err(Refused { code: 403, .. }) => ours.list("/api/v1/namespaces/app1/pods").map_err(|why| why.to_string()),
        other => Err(format!("{other:?}")),
    });
}
