//! The rights of the controller's ServiceAccount, which docs/security.md explains.

use serde_json::{Value, json};
use testkit::{
    objects::{documents, pki, pki_path, pod_mounting, ready, secret_data, secret_path},
    repo_file,
    wait::eventually,
};

use crate::{
    api::{ApiError, Response},
    audit::AuditEvent,
    controller::Controller,
    test_env::TestEnv,
};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const CA: &str = "/api/v1/namespaces/controlplane/secrets/demo-controller-ca";

/// A Secret of this type, with the controller's label.
fn secret(namespace: &str, name: &str, kind: &str) -> Value {
    let annotations = json!({ "kubernetes.io/service-account.name": "default" });
    let labels = json!({ "app.kubernetes.io/managed-by": "demo-controller" });
    let metadata = json!({ "name": name, "namespace": namespace, "labels": labels, "annotations": annotations });
    let data = json!({ "tls.crt": "YQ==", "tls.key": "YQ==" });
    json!({ "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data })
}

fn secrets_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets")
}

#[track_caller]
fn assert_forbidden(what: &str, response: Response) {
    assert!(matches!(&response, Err(ApiError { code: 403, .. })), "{what}: {response:?}");
}

/// Waits until the admission policy refuses a request.
#[track_caller]
fn wait_policy(request: impl Fn() -> Response) {
    eventually("the policy refuses the token of another ServiceAccount", || match request() {
        Err(error) if error.message.contains("ValidatingAdmissionPolicy") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

pub fn rights_are_only_the_verbs_in_use(env: &mut TestEnv) {
    let granted = "list pods,watch pods,list pkis.box.com,watch pkis.box.com,patch pkis.box.com/status,get secrets,\
        create secrets,patch secrets,get events,create events,patch events";
    let not_granted = "get pods,get pkis.box.com,list secrets,watch secrets,delete secrets,update secrets,deletecollection secrets,delete pods,update pods,\
        create pods,update pkis.box.com,delete pkis.box.com,patch pkis.box.com,list nodes,\
        create clusterrolebindings.rbac.authorization.k8s.io,create serviceaccounts/token";
    let ours = env.servers.api_as(&env.token());
    for (words, allowed) in [(granted, true), (not_granted, false)] {
        for what in words.split(',') {
            let (verb, resource) = what.trim().split_once(' ').expect("a verb and a resource");
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
            let attributes = json!({ "verb": verb, "group": group, "resource": resource, "subresource": subresource });
            let review = json!({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                "spec": { "resourceAttributes": attributes },
            });
            let response = ours.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).unwrap();
            assert_eq!(response["status"]["allowed"], allowed, "{what}");
        }
    }
}

pub fn pki_creation_needs_a_right_of_its_own(env: &mut TestEnv) {
    let _controller = Controller::start(env, "");
    env.create_namespace("tenants");
    let metadata = json!({ "name": "tenant", "namespace": "tenants" });
    env.create(&json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata }));
    let tenant = env.servers.api_as(&env.create_token("tenants", "tenant"));
    let collection = |ns: &str| format!("/apis/box.com/v1/namespaces/{ns}/pkis");
    let web = |ns: &str| pki(ns, "web", json!({ "serviceName": "app1" }));
    assert_forbidden("a Pki", tenant.post(&collection("tenants"), &web("tenants")));
    // No role of the manifest is aggregated into the roles `edit` and `admin`.
    for role in env.api.list(&format!("{RBAC}/clusterroles")).unwrap() {
        if role["rules"].to_string().contains("box.com") {
            assert_eq!(
                (&role["metadata"]["name"], &role["metadata"]["labels"]),
                (&"demo-controller".into(), &Value::Null)
            );
        }
    }
    let (version, metadata) = ("rbac.authorization.k8s.io/v1", json!({ "name": "pkis", "namespace": "tenants" }));
    let rules = json!([{ "apiGroups": ["box.com"], "resources": ["pkis"], "verbs": ["create"] }]);
    env.create(&json!({ "apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules }));
    env.create(&json!({
        "apiVersion": version, "kind": "RoleBinding", "metadata": metadata,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pkis" },
        "subjects": [{ "kind": "ServiceAccount", "name": "tenant", "namespace": "tenants" }],
    }));
    eventually("the right is granted", || tenant.post(&collection("tenants"), &web("tenants")));
    env.wait_pki("tenants", "web", "Issued");
    assert_forbidden("a Pki elsewhere", tenant.post(&collection("default"), &web("default")));
    assert_forbidden("the Secret", tenant.get(&secret_path("tenants", "web")));
}

/// With create and get of any Secret, the controller could read a token of any ServiceAccount.
pub fn policy_allows_only_labelled_tls_secrets(env: &mut TestEnv) {
    env.create_namespace("policy");
    let (ours, path) = (env.servers.api_as(&env.token()), secrets_path("policy"));
    let token = secret("policy", "token", "kubernetes.io/service-account-token");
    wait_policy(|| ours.post(&format!("{path}?dryRun=All"), &token));
    let assert_refused = |response: Response| {
        let message = response.expect_err("the policy refuses it").message;
        assert!(message.contains("ValidatingAdmissionPolicy"), "{message}");
    };
    let mut unlabelled = secret("policy", "unlabelled", "kubernetes.io/tls");
    let label = unlabelled["metadata"]["labels"].take();
    assert_refused(ours.post(&path, &secret("policy", "opaque", "Opaque")));
    assert_refused(ours.post(&path, &unlabelled));
    ours.post(&path, &secret("policy", "certificate", "kubernetes.io/tls")).unwrap();
    // The controller can neither add its label to a Secret of another owner nor remove it from its own.
    env.create(&unlabelled);
    assert_refused(ours.patch(&secret_path("policy", "unlabelled"), &json!({ "metadata": { "labels": label } })));
    let unlabel = json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": null } } });
    assert_refused(ours.patch(&secret_path("policy", "certificate"), &unlabel));
    ours.patch(&secret_path("policy", "certificate"), &json!({ "data": { "tls.crt": "Yg==" } })).unwrap();
    // The policy applies only to the controller's ServiceAccount.
    env.create(&secret("policy", "anything", "Opaque"));

    // The Secret of this Pki has another type, so the policy refuses the certificate.
    let web = env.create_pki("policy", "opaque", json!({ "serviceName": "app1" }));
    let mut planted = secret("policy", "opaque", "Opaque");
    let uid = &web["metadata"]["uid"];
    let owner = json!({ "apiVersion": "box.com/v1", "kind": "Pki", "name": "opaque", "uid": uid, "controller": true });
    planted["metadata"]["ownerReferences"] = json!([owner]);
    env.create(&planted);
    let _controller = Controller::start(env, "--namespace policy");
    let failed = env.wait_pki("policy", "opaque", "IssueFailed");
    assert!(ready(&failed, "message").contains("may only write Secrets of type kubernetes.io/tls"), "{failed:#}");
}

pub fn stolen_token_reads_only_secrets_of_known_name(env: &mut TestEnv) {
    env.create_namespace("victim");
    let controller = Controller::start(env, "");
    env.create_pki("victim", "web", json!({ "serviceName": "app1" }));
    env.wait_pki("victim", "web", "Issued");
    drop(controller);
    let (stolen, path) = (env.servers.api_as(&env.token()), secrets_path("victim"));
    // The token reads each Secret whose name is known, such as the CA.
    env.create(&secret("victim", "known", "Opaque"));
    stolen.get(&secret_path("victim", "known")).expect("a Secret whose name is known");
    assert!(secret_data(&stolen.get(CA).expect("the CA"), "tls.key").starts_with(b"-----BEGIN PRIVATE KEY-----"));
    // The token can neither list names nor gain more rights.
    for path in ["/api/v1/secrets", &path, "/api/v1/secrets?watch=true", "/api/v1/namespaces", "/api/v1/nodes"] {
        assert_forbidden(path, stolen.get(path));
    }
    assert_forbidden("a deletion", stolen.delete(&secret_path("victim", "known")));
    let thief = pod_mounting("victim", "thief", "known");
    assert_forbidden("a pod", stolen.post("/api/v1/namespaces/victim/pods", &thief));
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    assert_forbidden("a token", stolen.post("/api/v1/namespaces/victim/serviceaccounts/default/token", &request));
    let names = json!({ "data": { "allowed-names": "anything" } });
    assert_forbidden("the names", stolen.patch("/api/v1/namespaces/controlplane/configmaps/demo-controller", &names));

    // Only the policy refuses a Secret that Kubernetes would fill with a token of any ServiceAccount.
    let token = secret("victim", "token", "kubernetes.io/service-account-token");
    let attempt = || stolen.post(&format!("{path}?dryRun=All"), &token);
    wait_policy(attempt);
    let bindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
    let binding = env.find(&format!("{bindings}/demo-controller-secrets")).expect("the binding");
    env.delete(&format!("{bindings}/demo-controller-secrets"));
    eventually("the Secret is accepted without the policy", attempt);
    let metadata = json!({ "name": binding["metadata"]["name"] });
    let again = json!({
        "apiVersion": binding["apiVersion"], "kind": binding["kind"], "metadata": metadata, "spec": binding["spec"],
    });
    env.api.post(bindings, &again).unwrap();
    wait_policy(attempt);
}

/// With `--namespace` and the Roles of examples/namespaced.yaml, everything works and other namespaces are forbidden.
pub fn roles_for_one_namespace_are_enough(env: &mut TestEnv) {
    env.is_dirty = true;
    limit_rights(env);
    env.create_namespace("app2");
    for ns in ["app1", "app2"] {
        env.create_pki(ns, "web", json!({ "serviceName": "appp1" }));
        env.create(&pod_mounting(ns, "web-0", "web"));
    }
    let mark = env.servers.audit_log().len();
    let mut controller = Controller::start(env, "--namespace app1 --resync 150ms --leader-elect");
    env.wait_event("app1", "Pod/web-0", "pki ServiceName error");
    env.patch(&pki_path("app1", "web"), &json!({ "spec": { "serviceName": "app1" } }));
    env.wait_pki("app1", "web", "Issued");
    env.patch(&pki_path("app1", "web"), &json!({ "spec": { "dnsNames": ["app2"] } }));
    env.wait_event("app1", "Pki/web", "Renewed");
    env.wait_pki("app1", "web", "Issued");
    controller.wait_resyncs(1);
    assert_eq!(controller.terminate(), Some(0), "{}", controller.log());

    let audit = env.servers.audit_log().since(mark);
    audit.only(|request| request.code == 403).assert_none("forbidden requests");
    let elsewhere = |request: &AuditEvent| !["app1", "controlplane"].contains(&&*request.namespace);
    audit.only(elsewhere).assert_none("requests about another namespace");
    assert!(env.find(&pki_path("app2", "web")).unwrap()["status"].is_null());

    // The token has no rights in other namespaces.
    for namespace in ["app2", "controlplane"] {
        env.create(&secret(namespace, "known", "kubernetes.io/tls"));
    }
    let ours = env.servers.api_as(&env.token());
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
    assert_forbidden("a Secret for app2", ours.post(&secrets_path("app2"), &planted));
    let change = json!({ "data": { "tls.key": "Yg==" } });
    assert_forbidden("a change in app2", ours.patch(&secret_path("app2", "known"), &change));
    assert_forbidden("a change of the CA", ours.patch(CA, &change));
    ours.get(CA).expect("the CA");
}

/// Replaces the rights for all namespaces by the Roles of examples/namespaced.yaml, and waits until they apply.
fn limit_rights(env: &TestEnv) {
    let manifest = repo_file("examples/namespaced.yaml");
    let objects = documents(&manifest);
    // The ServiceAccount exists.
    objects.iter().filter(|object| object["kind"] != "ServiceAccount").for_each(|object| drop(env.create(object)));
    for kind in ["clusterrolebindings", "clusterroles"] {
        env.delete(&format!("{RBAC}/{kind}/demo-controller"));
    }
    let ours = env.servers.api_as(&env.token());
    eventually("the rights are those of one namespace", || match ours.list("/api/v1/pods") {
        Err(ApiError { code: 403, .. }) => ours.list("/api/v1/namespaces/app1/pods").map_err(|error| error.to_string()),
        other => Err(format!("{other:?}")),
    });
}
