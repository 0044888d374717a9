//! What is expected is what a real server (v1.36) stores.

use serde_json::{Value, json};

use crate::{
    catalog::Catalog,
    types::{FieldValidation, decode},
};

fn stored(kind: &str, body: Value) -> Value {
    let resource = Catalog::built_in().all().iter().find(|resource| resource.kind == kind).cloned().expect("built in");
    decode(&resource, body, FieldValidation::Strict).expect("can be read").value
}

#[test]
fn a_pod_says_all_that_kubelets_and_schedulers_ask() {
    let pod = stored("Pod", json!({ "spec": { "containers": [{ "name": "a", "image": "b" }] } }));
    let toleration = |what: &str| {
        let key = format!("node.kubernetes.io/{what}");
        json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 })
    };
    let expected = json!({
        "containers": [{
            "name": "a", "image": "b", "resources": {}, "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File", "imagePullPolicy": "Always",
        }],
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst", "securityContext": {},
        "schedulerName": "default-scheduler", "tolerations": [toleration("not-ready"), toleration("unreachable")],
        "priority": 0, "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority",
    });
    assert_eq!(pod["spec"], expected);
}

#[test]
fn what_the_sender_says_is_left_alone() {
    let spec = json!({
        "containers": [{ "name": "a", "image": "b", "imagePullPolicy": "Never" }], "terminationGracePeriodSeconds": 0,
        "enableServiceLinks": false, "restartPolicy": "Never", "tolerations": [{ "operator": "Exists" }], "priority": 7,
    });
    let pod = stored("Pod", json!({ "spec": spec }));
    for field in ["terminationGracePeriodSeconds", "enableServiceLinks", "restartPolicy", "tolerations", "priority"] {
        assert_eq!(pod["spec"][field], spec[field]);
    }
    assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], "Never");
}

#[test]
fn an_image_is_always_pulled_if_its_tag_is_latest() {
    for (image, policy) in [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("r.io:5000/a", "Always"),
        ("a:1", "IfNotPresent"),
        ("r.io:5000/a:1", "IfNotPresent"),
        ("a@sha256:0123", "IfNotPresent"),
        ("", "IfNotPresent"),
    ] {
        let pod = stored("Pod", json!({ "spec": { "containers": [{ "name": "a", "image": image }] } }));
        assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], policy, "{image}");
    }
}

#[test]
fn volumes_probes_and_references_have_defaults() {
    let container = json!({
        "name": "a",
        "env": [{ "name": "N", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
        "ports": [{ "containerPort": 80 }],
        "livenessProbe": { "httpGet": { "port": 80 } },
        "resources": { "limits": { "cpu": "1" }, "requests": { "memory": "1Gi" } },
    });
    let volumes = json!([
        { "name": "a" }, { "name": "b", "secret": { "secretName": "s" } }, { "name": "c", "configMap": { "name": "c", "defaultMode": 256 } },
        { "name": "d", "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }] } }, { "name": "e", "hostPath": { "path": "/" } },
    ]);
    let pod = stored("Pod", json!({ "spec": { "containers": [container], "volumes": volumes } }));
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
    assert_eq!(container["ports"], json!([{ "containerPort": 80, "protocol": "TCP" }]));
    let probe = json!({
        "httpGet": { "port": 80, "path": "/", "scheme": "HTTP" },
        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    });
    assert_eq!(container["livenessProbe"], probe);
    assert_eq!(container["resources"]["requests"], json!({ "cpu": "1", "memory": "1Gi" }));
    let token = json!({ "path": "t", "expirationSeconds": 3600 });
    let expected = json!([
        { "name": "a", "emptyDir": {} }, { "name": "b", "secret": { "secretName": "s", "defaultMode": 420 } },
        { "name": "c", "configMap": { "name": "c", "defaultMode": 256 } },
        { "name": "d", "projected": { "defaultMode": 420, "sources": [{ "serviceAccountToken": token }] } },
        { "name": "e", "hostPath": { "path": "/", "type": "" } },
    ]);
    assert_eq!(pod["spec"]["volumes"], expected);
}

#[test]
fn a_template_has_a_pods_defaults_but_not_those_of_admission() {
    let template = json!({ "spec": { "containers": [{ "name": "a", "image": "b:1" }], "serviceAccountName": "x" } });
    let deployment = stored("Deployment", json!({ "spec": { "template": template } }));
    let spec = &deployment["spec"];
    let rolling = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" } });
    assert_eq!(
        (&spec["replicas"], &spec["revisionHistoryLimit"], &spec["progressDeadlineSeconds"], &spec["strategy"]),
        (&json!(1), &json!(10), &json!(600), &rolling)
    );
    let pod = &spec["template"]["spec"];
    assert_eq!((&pod["restartPolicy"], &pod["serviceAccount"]), (&json!("Always"), &json!("x")));
    for absent in ["tolerations", "priority", "enableServiceLinks", "preemptionPolicy"] {
        assert!(pod.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn string_data_is_merged_into_data_and_wins() {
    let secret = stored("Secret", json!({ "data": { "a": "eA==", "b": "eQ==" }, "stringData": { "a": "z", "c": "" } }));
    assert_eq!(secret["data"], json!({ "a": "eg==", "b": "eQ==", "c": "" }));
    assert_eq!((&secret["type"], secret.get("stringData")), (&json!("Opaque"), None));
    assert!(stored("Secret", json!({}))["data"].is_null());
}

#[test]
fn bindings_and_policies_name_what_they_mean() {
    let subjects = json!([{ "kind": "User", "name": "a" }, { "kind": "ServiceAccount", "name": "b" }]);
    let binding = stored("RoleBinding", json!({ "roleRef": { "kind": "Role", "name": "x" }, "subjects": subjects }));
    const GROUP: &str = "rbac.authorization.k8s.io";
    assert_eq!((&binding["roleRef"]["apiGroup"], &binding["subjects"][0]["apiGroup"]), (&json!(GROUP), &json!(GROUP)));
    assert!(binding["subjects"][1].get("apiGroup").is_none());
    let constraints = json!({ "resourceRules": [{ "operations": ["*"] }] });
    let policy = stored("ValidatingAdmissionPolicy", json!({ "spec": { "matchConstraints": constraints } }));
    let expected = json!({
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
            "resourceRules": [{ "operations": ["*"], "scope": "*" }],
        },
    });
    assert_eq!(policy["spec"], expected);
}
