//! What those who may create Pkis, or have stolen our token, can do, and what not. docs/security.md is about the same.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    api::{Api, Refused},
    controller::{Controller, Setup},
    objects::{Is, pki, pki_path, pod_mounting, secret_path},
    scenarios::quiet::loosen,
    servers::Kind,
    stage::Stage,
    wait::{eventually, expect},
};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const LABEL: &str = "app.kubernetes.io/managed-by";

pub fn a_pki_takes_a_right_that_nobody_has_by_default_and_reading_the_secret_takes_another(stage: &mut Stage) {
    let _controller = Controller::ready(stage, Setup::default());
    stage.namespace("hired");
    stage.namespace("next-door");
    let hired = account(stage, "hired");
    let collection = |ns: &str| format!("/apis/box.com/v1/namespaces/{ns}/pkis");
    let web = |ns: &str| pki(ns, "web", json!({ "serviceName": "app1" }));
    assert_refused(hired.post(&collection("hired"), &web("hired")), 403);
    // Nor does the definition bring it to those who may edit other things: no role of ours is aggregated into theirs.
    for role in stage.api.list(&format!("{RBAC}/clusterroles")).unwrap() {
        let rules = role["rules"].as_array().cloned().unwrap_or_default();
        if rules.iter().any(|rule| rule["apiGroups"].as_array().is_some_and(|all| all.contains(&"box.com".into()))) {
            assert_eq!((role.name(), &role["metadata"]["labels"]), ("demo-controller", &Value::Null));
        }
    }
    let rules = json!([{ "apiGroups": ["box.com"], "resources": ["pkis"], "verbs": ["create"] }]);
    stage.create(
        &format!("{RBAC}/namespaces/hired/roles"),
        &json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "pkis" }, "rules": rules,
        }),
    );
    stage.create(
        &format!("{RBAC}/namespaces/hired/rolebindings"),
        &json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "pkis" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pkis" },
            "subjects": [{ "kind": "ServiceAccount", "name": "tenant", "namespace": "hired" }],
        }),
    );
    eventually("the right is in force", || hired.post(&collection("hired"), &web("hired")));
    stage.wait_pki("hired", "web", "Issued");
    assert_refused(hired.post(&collection("next-door"), &web("next-door")), 403);
    assert_refused(hired.get(&secret_path("hired", "web")), 403);
}

pub fn a_secret_that_names_a_pki_as_its_owner_gains_nothing(stage: &mut Stage) {
    stage.namespace("forged");
    let owned_by = |owner: (&str, &str), name: &str, kind: &str, labels: Value| {
        let owner = json!({
            "apiVersion": "box.com/v1", "kind": "Pki", "name": owner.0, "uid": owner.1, "controller": true,
        });
        let metadata = json!({ "name": name, "labels": labels, "ownerReferences": [owner] });
        let data = json!({ "tls.crt": "cGxhbnRlZA==", "tls.key": "cGxhbnRlZA==", "more": "bWluZQ==" });
        let body = json!({ "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data });
        stage.create("/api/v1/namespaces/forged/secrets", &body)
    };
    let spec = json!({ "serviceName": "app1" });
    let pkis = ["ours", "neighbour"].map(|name| stage.create_pki("forged", name, spec.clone()));
    let ours = (pkis[0].name(), pkis[0].uid());
    let label = json!({ LABEL: "demo-controller" });
    let planted = owned_by(ours, "ours", "kubernetes.io/tls", label.clone());
    // Another Pki's.
    let mut others = vec![owned_by(ours, "neighbour", "kubernetes.io/tls", label.clone())];
    // The embedded server does not evaluate the policy, and collects what belongs to nobody in the same moment.
    let real = Kind::chosen() == Kind::Real;
    if real {
        let opaque = stage.create_pki("forged", "opaque", spec.clone());
        others.push(owned_by(("opaque", opaque.uid()), "opaque", "Opaque", Value::Null));
        // Of a Pki that never was. It waits for the garbage collector, which this stage has none of.
        stage.create_pki("forged", "ancestor", spec);
        let never = ("ancestor", "00000000-0000-0000-0000-000000000000");
        others.push(owned_by(never, "ancestor", "kubernetes.io/tls", label));
    }
    let controller = Controller::ready(stage, Setup { flags: "--resync 150ms", ..Setup::default() });

    // This one is as good as our own: it is made what the Pki asks for. What was planted is gone.
    stage.wait_pki("forged", "ours", "Issued");
    let taken = stage.secret("forged", "ours");
    assert_eq!(taken.uid(), planted.uid());
    assert!(taken.data("tls.key").starts_with(b"-----BEGIN PRIVATE KEY-----"));
    assert!(taken.data("tls.crt").starts_with(b"-----BEGIN CERTIFICATE-----"));
    assert_eq!(taken.data("more"), b"mine", "that is nobody's business of ours");
    // One that the policy would not let us make, it does not let us fill in either.
    if real {
        let refused = stage.wait_pki("forged", "opaque", "IssueFailed");
        assert!(refused.ready("message").contains("may only write Secrets of type kubernetes.io/tls"), "{refused:#}");
    }
    stage.wait_pki("forged", "neighbour", "SecretConflict");
    controller.wait_resyncs(3);
    for before in &others {
        assert_eq!(stage.secret("forged", before.name()).version(), before.version(), "{}", before.name());
    }
}

/// Far more than fits into a certificate, in a request that the API server still reads.
fn megabyte_of_names() -> Value {
    let names: Vec<String> = (0..60_000).map(|n| format!("name-{n}.example")).collect();
    let spec = json!({ "serviceName": "app1", "dnsNames": names });
    assert!(spec.to_string().len() > 1_000_000);
    spec
}

pub fn a_megabyte_of_names_is_refused_by_the_definition(stage: &mut Stage) {
    stage.namespace("huge");
    let long = json!({ "serviceName": "x".repeat(1_000_000) });
    for (spec, field) in [(megabyte_of_names(), "dnsNames"), (long, "serviceName")] {
        let answer = stage.api.post("/apis/box.com/v1/namespaces/huge/pkis", &pki("huge", "web", spec));
        let refused = answer.expect_err(field);
        assert!(refused.code == 422 && refused.why.contains(field), "{refused}");
    }
}

pub fn a_megabyte_that_gets_past_the_definition_is_told_in_a_few_words(stage: &mut Stage) {
    loosen(stage);
    let controller = Controller::ready(stage, Setup::default());
    stage.namespace("past");
    stage.create_pki("past", "names", megabyte_of_names());
    stage.create_pki("past", "long", json!({ "serviceName": "x".repeat(1_000_000) }));
    stage.create_pki("past", "lines", json!({ "serviceName": "app1\n2026-01-01T00:00:00Z  INFO certificate issued" }));
    for name in ["names", "long", "lines"] {
        let pki = stage.wait_pki("past", name, "InvalidSpec");
        let event = stage.wait_event("past", "Pki", name, "InvalidSpec", 1);
        let message = event["message"].as_str().unwrap_or_default();
        assert!(message.len() < 300 && message.lines().count() == 1, "{message}");
        assert_eq!(pki.ready("message"), message);
    }
    let longest = controller.log().lines().map(str::len).max();
    assert!(longest < Some(1000), "a line of {longest:?} bytes");
}

/// More than one page may hold, though each is within what the API server accepts.
pub fn large_objects_are_read_in_small_pages(stage: &mut Stage) {
    const PKIS: usize = 160;
    stage.namespace("large");
    let mut large = pki("large", "", json!({ "serviceName": "app1" }));
    large["metadata"]["annotations"]["text"] = "x".repeat(250_000).into();
    for n in 0..PKIS {
        large["metadata"]["name"] = format!("large-{n}").into();
        stage.create("/apis/box.com/v1/namespaces/large/pkis", &large);
    }
    let mark = stage.servers.audit().len();
    let controller = Controller::ready(stage, Setup { flags: "--namespace large", ..Setup::default() });
    assert_eq!(controller.count("reflector_items", &[("resource", "pkis")]), PKIS as f64);
    let lists = stage.servers.audit().since(mark).only(|r| r.verb == "list" && r.resource == "pkis");
    // The rest of a list that was begun with more: the server does not mind.
    let rest = lists.only(|r| r.uri.contains("limit=125&continue=") && r.code == 200);
    assert_eq!((lists.len(), rest.len()), (3, 1), "\n{lists}");
}

pub fn a_tenant_full_of_typos_is_told_so_much_and_holds_up_no_other(stage: &mut Stage) {
    const PKIS: usize = 300;
    let controller = Controller::ready(stage, Setup::default());
    stage.namespace("calm");
    stage.namespace("flood");
    let begun = Instant::now();
    stage.create_pkis("flood", "typo", PKIS, &json!({ "serviceName": "appp1" }));
    // More is to be said than may be said at once. Next door that makes no difference.
    eventually("the flood has used up what may be said at once", || {
        let sent = events_in(stage, "flood");
        expect(sent >= 200, sent)
    });
    stage.create_pki("calm", "web", json!({ "serviceName": "appp1" }));
    stage.create_pod(&pod_mounting("calm", "web-0", "web"));
    stage.wait_event("calm", "Pod", "web-0", "pki ServiceName error", 1);
    let (sent, most) = (events_in(stage, "flood"), 200.0 + 5.0 * (begun.elapsed().as_secs_f64() + 1.0));
    assert!(sent as f64 <= most, "{sent} events after {:?}", begun.elapsed());
    // Nobody after us has to look at them.
    drop(controller);
    stage.delete("/apis/box.com/v1/namespaces/flood/pkis");
}

pub fn a_pki_with_a_new_typo_every_moment_is_told_25_of_them(stage: &mut Stage) {
    let controller = Controller::ready(stage, Setup::default());
    stage.namespace("restless");
    stage.create_pki("restless", "web", json!({ "serviceName": "typo" }));
    for n in 0..40 {
        stage.patch(&pki_path("restless", "web"), &json!({ "spec": { "serviceName": format!("typo-{n}") } }));
        // Else it would skip some.
        stage.wait_pki("restless", "web", "NameNotAllowed");
    }
    let told = stage.events("restless", "web").len();
    assert!((20..=26).contains(&told), "{told} events");
    assert!(controller.count("events_total", &[("result", "dropped_spam")]) >= 10.0);
    // The last word is in the status all the same.
    let last = stage.find(&pki_path("restless", "web")).expect("it is there");
    assert!(last.ready("message").starts_with("ServiceName: typo-39 "), "{last:#}");
}

fn events_in(stage: &Stage, namespace: &str) -> usize {
    stage.api.list(&format!("/api/v1/namespaces/{namespace}/events")).map_or(0, |events| events.len())
}

pub fn a_stolen_token_reads_what_it_can_name_and_writes_what_the_policy_lets_through(stage: &mut Stage) {
    stage.namespace("victim");
    let controller = Controller::ready(stage, Setup::default());
    stage.create_pki("victim", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("victim", "web", "Issued");
    drop(controller);
    let (stolen, secrets) = (stage.servers.api_as(&stage.token()), "/api/v1/namespaces/victim/secrets");
    let secret = |name: &str, kind: &str| {
        let annotations = json!({ "kubernetes.io/service-account.name": "default" });
        let metadata = json!({ "name": name, "labels": { LABEL: "demo-controller" }, "annotations": annotations });
        let data = json!({ "tls.crt": "YQ==", "tls.key": "YQ==" });
        json!({ "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data })
    };
    // What is left to it: whatever it can name. The CA's key is among that.
    stage.create(secrets, &secret("known", "Opaque"));
    stolen.get(&secret_path("victim", "known")).expect("a Secret whose name is known");
    let ca = stolen.get("/api/v1/namespaces/controlplane/secrets/demo-controller-ca").expect("the CA");
    assert!(ca.data("tls.key").starts_with(b"-----BEGIN PRIVATE KEY-----"));
    // But not what there is to name, nor a way to more rights.
    for path in ["/api/v1/secrets", secrets, "/api/v1/secrets?watch=true", "/api/v1/namespaces", "/api/v1/nodes"] {
        assert_refused(stolen.get(path), 403);
    }
    assert_refused(stolen.delete(&secret_path("victim", "known")), 403);
    assert_refused(stolen.post("/api/v1/namespaces/victim/pods", &pod_mounting("victim", "thief", "known")), 403);
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    let path = "/api/v1/namespaces/victim/serviceaccounts/default/token";
    assert_refused(stolen.post(path, &request), 403);
    let list = json!({ "data": { "allowed-names": "anything" } });
    assert_refused(stolen.patch("/api/v1/namespaces/controlplane/configmaps/demo-controller", &list), 403);

    // A Secret that Kubernetes fills in with the token of any ServiceAccount: the policy is what stands against it.
    let token = secret("token", "kubernetes.io/service-account-token");
    let denied = || match stolen.post(&format!("{secrets}?dryRun=All"), &token) {
        Err(Refused { why, .. }) if why.contains("ValidatingAdmissionPolicy") => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually("the policy is in force", denied);
    let change = json!({ "data": { "tls.key": "Yg==" } });
    let refused = stolen.patch(&secret_path("victim", "known"), &change).expect_err("it is not of our making");
    assert!(refused.why.contains("ValidatingAdmissionPolicy"), "{refused}");
    let bindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
    let binding = stage.find(&format!("{bindings}/demo-controller-secrets")).expect("the binding");
    stage.delete(&format!("{bindings}/demo-controller-secrets"));
    eventually("without the policy it is let through", || stolen.post(&format!("{secrets}?dryRun=All"), &token));
    let metadata = json!({ "name": binding.name() });
    let again = json!({
        "apiVersion": binding["apiVersion"], "kind": binding["kind"], "metadata": metadata, "spec": binding["spec"],
    });
    stage.create(bindings, &again);
    eventually("the policy is in force again", denied);
}

/// A ServiceAccount `tenant` in this namespace, without any rights.
fn account(stage: &Stage, namespace: &str) -> Api {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "tenant" } });
    stage.create(&path, &account);
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    let token = stage.create(&format!("{path}/tenant/token"), &request)["status"]["token"].clone();
    stage.servers.api_as(token.as_str().expect("a token"))
}

#[track_caller]
fn assert_refused(answer: Result<Value, Refused>, code: u16) {
    assert!(matches!(&answer, Err(refused) if refused.code == code), "{answer:?}");
}
