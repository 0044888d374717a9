//! What our ServiceAccount may do, and what it may not.

use serde_json::{Value, json};

use crate::{
    objects::{Is, secret_path},
    stage::Stage,
    wait::eventually,
};

/// Whether our ServiceAccount may, in all namespaces: `patch pkis.box.com/status`. It is asked itself, as `kubectl auth
/// can-i` does.
pub fn may(stage: &Stage, what: &str) -> bool {
    let (verb, resource) = what.split_once(' ').expect("a verb and a resource");
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let attributes = json!({ "verb": verb, "group": group, "resource": resource, "subresource": subresource });
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": attributes },
    });
    let ours = stage.servers.api_as(&stage.token());
    let answer = ours.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review);
    answer.unwrap_or_else(|why| panic!("{what}: {why}"))["status"]["allowed"] == true
}

/// Takes a resource out of every ClusterRole of ours. Returns them as they were, for [`grant_back`].
pub fn revoke(stage: &Stage, resource: &str) -> Vec<Value> {
    let roles = stage.api.list("/apis/rbac.authorization.k8s.io/v1/clusterroles").unwrap();
    let names =
        |role: &Value| role["rules"].as_array().is_some_and(|rules| rules.iter().any(|rule| has(rule, resource)));
    let ours = |role: &&Value| names(role) && !role.name().starts_with("system:") && role.name().contains("demo");
    let taken: Vec<Value> = roles.iter().filter(ours).cloned().collect();
    assert!(!taken.is_empty(), "no ClusterRole of ours names {resource}");
    for role in &taken {
        let rules: Vec<&Value> = role["rules"].as_array().unwrap().iter().filter(|rule| !has(rule, resource)).collect();
        stage.patch(&role_path(role), &json!({ "rules": rules }));
    }
    taken
}

/// Undoes [`revoke`].
pub fn grant_back(stage: &Stage, taken: &[Value]) {
    taken.iter().for_each(|role| drop(stage.patch(&role_path(role), &json!({ "rules": role["rules"] }))));
}

fn has(rule: &Value, resource: &str) -> bool {
    rule["resources"].as_array().is_some_and(|all| all.iter().any(|one| one == resource))
}

fn role_path(role: &Value) -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{}", role.name())
}

pub fn it_may_do_what_it_has_to_and_no_more(stage: &mut Stage) {
    let yes = "list pods,watch pods,list pkis.box.com,watch pkis.box.com,patch pkis.box.com/status,get secrets,\
        create secrets,patch secrets,create events,patch events";
    let no = "list secrets,watch secrets,delete secrets,update secrets,deletecollection secrets,delete pods,update pods,\
        create pods,update pkis.box.com,delete pkis.box.com,patch pkis.box.com,list nodes,create clusterrolebindings.rbac.authorization.k8s.io,\
        create serviceaccounts/token";
    for (words, answer) in [(yes, true), (no, false)] {
        for what in words.split(',') {
            assert_eq!(may(stage, what.trim()), answer, "{what}");
        }
    }
}

/// Create plus get of any Secret would be enough to mint any ServiceAccount's token.
pub fn the_admission_policy_keeps_it_to_certificates(stage: &mut Stage) {
    stage.namespace("policy");
    let ours = stage.servers.api_as(&stage.token());
    let label = json!({ "app.kubernetes.io/managed-by": "demo-controller" });
    let data = json!({ "tls.crt": "YQ==", "tls.key": "YQ==" });
    let secret = |name: &str, kind: &str, labels: &Value| {
        let annotations = json!({ "kubernetes.io/service-account.name": "default" });
        let metadata = json!({ "name": name, "labels": labels, "annotations": annotations });
        json!({ "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "data": data })
    };
    let collection = "/api/v1/namespaces/policy/secrets";
    let tokens = secret("token", "kubernetes.io/service-account-token", &label);
    // The API server takes a moment to put a policy into force.
    eventually("a ServiceAccount's token is refused", || {
        match ours.post(&format!("{collection}?dryRun=All"), &tokens) {
            Err(refused) if refused.why.contains("ValidatingAdmissionPolicy") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let refused = |answer: Result<Value, crate::api::Refused>| {
        let why = answer.expect_err("it is refused").why;
        assert!(why.contains("ValidatingAdmissionPolicy"), "{why}");
    };
    refused(ours.post(collection, &secret("opaque", "Opaque", &label)));
    refused(ours.post(collection, &secret("unlabelled", "kubernetes.io/tls", &Value::Null)));
    ours.post(collection, &secret("certificate", "kubernetes.io/tls", &label)).unwrap();
    // Neither may it make a Secret of someone else its own, nor give one of its own away.
    stage.create(collection, &secret("foreign", "kubernetes.io/tls", &Value::Null));
    refused(ours.patch(&secret_path("policy", "foreign"), &json!({ "metadata": { "labels": label } })));
    let unlabel = json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": null } } });
    refused(ours.patch(&secret_path("policy", "certificate"), &unlabel));
    ours.patch(&secret_path("policy", "certificate"), &json!({ "data": { "tls.crt": "Yg==" } })).unwrap();
    // It is about our ServiceAccount alone.
    stage.create(collection, &secret("anything", "Opaque", &Value::Null));
}
