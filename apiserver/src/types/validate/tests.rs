//! The expected texts are what a real server (v1.36) says of the same objects.

use serde_json::{Value, json};

use super::*;
use crate::{
    catalog::Catalog,
    types::{FieldValidation, decode},
};

const LABEL_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with \
    an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const MEBIBYTE: usize = 1024 * 1024;
const DNS_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
    start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

fn resource(kind: &str) -> std::sync::Arc<Resource> {
    Catalog::built_in().all().iter().find(|resource| resource.kind == kind).cloned().expect("built in")
}

/// As it is stored; with a name and namespace, if it has none.
fn stored(kind: &str, mut body: Value) -> Value {
    let resource = resource(kind);
    for (field, value) in [("name", "a"), ("namespace", "default")] {
        if body["metadata"][field].is_null() && (field == "name" || resource.namespaced) {
            body["metadata"][field] = value.into();
        }
    }
    decode(&resource, body, FieldValidation::Strict).expect("can be read").value
}

fn causes(result: Result<()>) -> Vec<String> {
    let Err(status) = result else { return vec![] };
    assert_eq!((status.code, status.reason), (422, "Invalid"));
    let causes = items(&status.details["causes"]).to_vec();
    causes.iter().map(|cause| format!("{}: {}", text(&cause["field"]), text(&cause["message"]))).collect()
}

/// What is wrong with a new object.
fn wrong(kind: &str, body: Value) -> Vec<String> {
    causes(validate(&resource(kind), &stored(kind, body), None))
}

/// What is wrong with changing one object into another.
fn change(kind: &str, old: Value, new: Value) -> Vec<String> {
    causes(validate(&resource(kind), &stored(kind, new), Some(&stored(kind, old))))
}

fn pod(spec: Value) -> Value {
    json!({ "spec": spec })
}

fn deployment(spec: Value) -> Value {
    let mut whole = json!({
        "selector": { "matchLabels": { "a": "b" } },
        "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "a", "image": "b" }] } },
    });
    json_patch::merge(&mut whole, &spec);
    json!({ "spec": whole })
}

#[test]
fn names_follow_the_rule_of_their_kind() {
    let named = |kind: &str, name: &str| wrong(kind, json!({ "metadata": { "name": name } }));
    assert_eq!(named("Namespace", "a.b"), [r#"metadata.name: Invalid value: "a.b": must not contain dots"#]);
    assert_eq!(named("ConfigMap", "a.b"), [""; 0]);
    assert!(
        named("ConfigMap", "A_b")[0].starts_with(r#"metadata.name: Invalid value: "A_b": a lowercase RFC 1123 sub"#)
    );
    assert_eq!(named("ClusterRole", "system:A_b"), [""; 0]);
    assert_eq!(named("ClusterRole", "a%b"), [r#"metadata.name: Invalid value: "a%b": may not contain '%'"#]);
    let generated = json!({ "metadata": { "generateName": "A_", "name": "a" } });
    assert!(wrong("ConfigMap", generated)[0].starts_with(r#"metadata.generateName: Invalid value: "A_": a lower"#));
    assert_eq!(wrong("ConfigMap", json!({ "metadata": { "generateName": "a-" } })), [""; 0]);
}

#[test]
fn metadata_is_checked_for_every_kind() {
    let owner = |name: &str| json!({ "apiVersion": "v1", "kind": "Pod", "name": name, "uid": "1", "controller": true });
    let metadata = json!({
        "labels": { "a b": "-" },
        "annotations": { "A B": "x", "Capital/Fine": "" },
        "ownerReferences": [owner("a"), owner("b"), { "apiVersion": "", "kind": "", "name": "", "uid": "" }],
        "finalizers": ["x", "a/b", "foregroundDeletion", "orphan"],
    });
    let found = wrong("ConfigMap", json!({ "metadata": metadata }));
    let value = "a valid label must be an empty string or consist of alphanumeric characters";
    let expected = [
        format!(r#"metadata.labels: Invalid value: "a b": {LABEL_NAME}"#),
        format!(r#"metadata.labels: Invalid value: "-": {value}"#),
        format!(r#"metadata.annotations: Invalid value: "A B": {LABEL_NAME}"#),
        "metadata.ownerReferences: Invalid value: [".into(),
        r#"metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty"#.into(),
        r#"metadata.ownerReferences.kind: Invalid value: "": must not be empty"#.into(),
        r#"metadata.ownerReferences.name: Invalid value: "": must not be empty"#.into(),
        r#"metadata.ownerReferences.uid: Invalid value: "": must not be empty"#.into(),
        "metadata.finalizers: Invalid value: [".into(),
        r#"metadata.finalizers[0]: Invalid value: "x": name is neither a standard finalizer name nor is it fully qualified"#
            .into(),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(&expected), "{found}\nis not\n{expected}");
    }
    assert!(found[3].ends_with(r#"Found "true" in references for Pod/a and Pod/b"#));
    let large = json!({ "metadata": { "annotations": { "a": "x".repeat(256 * 1024) } } });
    assert_eq!(wrong("Secret", large), ["metadata.annotations: Too long: may not be more than 262144 bytes"]);
}

#[test]
fn a_pod_needs_containers_with_names_of_their_own_and_images() {
    assert_eq!(wrong("Pod", json!({})), ["spec.containers: Required value"]);
    let containers = json!([
        { "name": "A", "image": "" },
        { "name": "x", "image": "y" },
        { "name": "x", "image": " y" },
        { "image": "z" },
    ]);
    let init = json!([{ "name": "x", "image": "y" }]);
    let expected = [
        &format!(r#"spec.containers[0].name: Invalid value: "A": {DNS_LABEL}"#),
        "spec.containers[0].image: Required value",
        r#"spec.containers[2].name: Duplicate value: "x""#,
        "spec.containers[3].name: Required value",
        r#"spec.containers[2].image: Invalid value: " y": must not have leading or trailing whitespace"#,
        r#"spec.initContainers[0].name: Duplicate value: "x""#,
    ];
    assert_eq!(wrong("Pod", pod(json!({ "containers": containers, "initContainers": init }))), expected);
}

#[test]
fn what_a_container_refers_to_is_checked() {
    let container = json!({
        "name": "a", "image": "x", "imagePullPolicy": "Z",
        "ports": [{ "containerPort": 0 }, { "containerPort": 80, "protocol": "FOO", "name": "A_" }, { "containerPort": 99999 }],
        "env": [
            { "name": "a=b" }, { "name": "" }, { "name": "x", "valueFrom": {} },
            { "name": "y", "valueFrom": { "secretKeyRef": { "name": "s", "key": "" } } },
        ],
        "envFrom": [{}],
        "volumeMounts": [{ "name": "nope", "mountPath": "/a" }, { "name": "v" }, { "name": "v", "mountPath": "/a" }],
        "livenessProbe": { "periodSeconds": -1 },
        "resources": { "limits": { "cpu": "1" }, "requests": { "cpu": "1500m" } },
    });
    let volumes = json!([
        { "name": "v" }, { "name": "v", "secret": {} }, { "name": "B" },
        { "name": "c", "secret": { "secretName": "s" }, "emptyDir": {} },
        { "name": "d", "secret": { "secretName": "s", "items": [{ "key": "", "path": "" }, { "key": "a", "path": "../x" }] } },
        { "name": "e", "configMap": {} },
        { "name": "f", "projected": { "sources": [{ "secret": {} }] } },
    ]);
    let spec = json!({ "restartPolicy": "X", "dnsPolicy": "Y", "containers": [container], "volumes": volumes });
    let expected = [
        "spec.volumes[1].secret.secretName: Required value",
        r#"spec.volumes[1].name: Duplicate value: "v""#,
        &format!(r#"spec.volumes[2].name: Invalid value: "B": {DNS_LABEL}"#),
        "spec.volumes[3].secret: Forbidden: may not specify more than 1 volume type",
        "spec.volumes[4].secret.items[0].key: Required value",
        "spec.volumes[4].secret.items[0].path: Required value",
        r#"spec.volumes[4].secret.items[1].path: Invalid value: "../x": must not contain '..'"#,
        "spec.volumes[5].configMap.name: Required value",
        "spec.volumes[6].projected.sources[0].secret.name: Required value",
        "spec.containers[0].ports[0].containerPort: Required value",
        r#"spec.containers[0].ports[1].name: Invalid value: "A_": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"#,
        r#"spec.containers[0].ports[1].name: Invalid value: "A_": must contain at least one letter (a-z)"#,
        r#"spec.containers[0].ports[1].protocol: Unsupported value: "FOO": supported values: "SCTP", "TCP", "UDP""#,
        "spec.containers[0].ports[2].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive",
        r#"spec.containers[0].env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than '='"#,
        "spec.containers[0].env[1].name: Required value",
        r#"spec.containers[0].env[2].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"#,
        "spec.containers[0].env[3].valueFrom.secretKeyRef.key: Required value",
        r#"spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`"#,
        r#"spec.containers[0].volumeMounts[0].name: Not found: "nope""#,
        "spec.containers[0].volumeMounts[1].mountPath: Required value",
        r#"spec.containers[0].volumeMounts[2].mountPath: Invalid value: "/a": must be unique"#,
        r#"spec.containers[0].resources.requests: Invalid value: "1500m": must be less than or equal to cpu limit of 1"#,
        r#"spec.containers[0].imagePullPolicy: Unsupported value: "Z": supported values: "Always", "IfNotPresent", "Never""#,
        "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        "spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
        r#"spec.restartPolicy: Unsupported value: "X": supported values: "Always", "OnFailure", "Never""#,
        r#"spec.dnsPolicy: Unsupported value: "Y": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None""#,
    ];
    assert_eq!(wrong("Pod", pod(spec)), expected);
}

#[test]
fn of_a_pods_spec_only_images_and_deadlines_change() {
    let old = json!({ "containers": [{ "name": "a", "image": "b" }] });
    let to = |patch: Value| {
        let mut new = old.clone();
        json_patch::merge(&mut new, &patch);
        change("Pod", pod(old.clone()), pod(new))
    };
    assert_eq!(to(json!({ "activeDeadlineSeconds": 5 })), [""; 0]);
    // The policy was defaulted from the old image, and clients send it back.
    let image = json!({ "containers": [{ "name": "a", "image": "b:1", "imagePullPolicy": "Always" }] });
    assert_eq!(to(image), [""; 0]);
    assert_eq!(to(json!({ "tolerations": [{ "key": "x", "operator": "Exists" }] })), [""; 0]);
    let found = to(json!({ "nodeName": "n", "priority": 1 }));
    assert!(
        found[0]
            .starts_with("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`")
    );
    assert!(found[0].ends_with("changed: nodeName, priority\n"), "{found:?}");
    let two = json!({ "containers": [{ "name": "a", "image": "b" }, { "name": "c", "image": "d" }] });
    assert_eq!(to(two), ["spec.containers: Forbidden: pod updates may not add or remove containers"]);
}

#[test]
fn a_deployment_must_find_its_own_pods() {
    let required = "spec.selector: Required value";
    let labels = "spec.template.metadata.labels: Invalid value";
    let mismatch = "`selector` does not match template `labels`";
    let expected = [required, &format!("{labels}: null: {mismatch}"), "spec.template.spec.containers: Required value"];
    assert_eq!(wrong("Deployment", json!({})), expected);
    assert_eq!(wrong("ReplicaSet", json!({})), expected);
    assert_eq!(wrong("Deployment", deployment(json!({}))), [""; 0]);
    let other = deployment(json!({ "replicas": -1, "template": { "metadata": { "labels": { "a": "c" } } } }));
    let replicas = "spec.replicas: Invalid value: -1: must be greater than or equal to 0";
    assert_eq!(wrong("Deployment", other), [replicas, &format!(r#"{labels}: {{"a":"c"}}: {mismatch}"#)]);
    let expressions =
        json!([{ "key": "a", "operator": "In", "values": ["b"] }, { "key": "x", "operator": "DoesNotExist" }]);
    assert_eq!(wrong("Deployment", deployment(json!({ "selector": { "matchExpressions": expressions } }))), [""; 0]);
    let policy = deployment(json!({ "template": { "spec": { "restartPolicy": "Never" } } }));
    let expected = r#"spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#;
    assert_eq!(wrong("Deployment", policy), [expected]);
}

#[test]
fn a_deployments_strategy_must_make_progress() {
    let strategy = |strategy: Value| wrong("Deployment", deployment(json!({ "strategy": strategy })));
    let field = "spec.strategy.rollingUpdate.maxUnavailable: Invalid value";
    let none = json!({ "rollingUpdate": { "maxSurge": 0, "maxUnavailable": "0%" } });
    assert_eq!(strategy(none), [format!(r#"{field}: "0%": may not be 0 when `maxSurge` is 0"#)]);
    let much = json!({ "rollingUpdate": { "maxUnavailable": "200%" } });
    assert_eq!(strategy(much), [format!(r#"{field}: "200%": must not be greater than 100%"#)]);
    let both = json!({ "type": "Recreate", "rollingUpdate": { "maxSurge": 1 } });
    let expected = "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'";
    assert_eq!(strategy(both), [expected]);
    let late = deployment(json!({ "progressDeadlineSeconds": 5, "minReadySeconds": 6 }));
    let expected = "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds";
    assert_eq!(wrong("Deployment", late), [expected]);
}

#[test]
fn what_others_rely_on_is_immutable() {
    let labels = json!({ "a": "x" });
    let other =
        deployment(json!({ "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels } } }));
    let expected = r#"spec.selector: Invalid value: {"matchLabels":{"a":"x"}}: field is immutable"#;
    assert_eq!(change("Deployment", deployment(json!({})), other), [expected]);

    let secret = json!({ "data": { "a": "" }, "immutable": true });
    let expected = [r#"type: Invalid value: "x": field is immutable"#];
    assert_eq!(change("Secret", json!({}), json!({ "type": "x" })), expected);
    let why = "Forbidden: field is immutable when `immutable` is set";
    let expected = [format!("immutable: {why}"), format!("data: {why}")];
    assert_eq!(change("Secret", secret.clone(), json!({ "data": { "a": "eA==" } })), expected);
    assert_eq!(change("Secret", secret.clone(), secret), [""; 0]);
    let map = json!({ "data": { "a": "" }, "immutable": true });
    let expected = [format!("data: {why}"), format!("binaryData: {why}")];
    assert_eq!(change("ConfigMap", map, json!({ "binaryData": { "b": "" }, "immutable": true })), expected);

    let binding = |name: &str| json!({ "roleRef": { "kind": "Role", "name": name } });
    let found = change("RoleBinding", binding("x"), binding("y"));
    assert!(found[0].starts_with("roleRef: Invalid value: {") && found[0].ends_with("}: cannot change roleRef"));
}

#[test]
fn a_secret_has_what_its_type_asks_for() {
    let data_key = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
        'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    let tls = json!({ "type": "kubernetes.io/tls", "data": { "a/b": "", "..x": "" } });
    let expected = [
        r#"data[..x]: Invalid value: "..x": must not start with '..'"#,
        &format!(r#"data[a/b]: Invalid value: "a/b": {data_key}"#),
        "data[tls.crt]: Required value",
        "data[tls.key]: Required value",
    ];
    assert_eq!(wrong("Secret", tls), expected);
    let basic = json!({ "type": "kubernetes.io/basic-auth" });
    assert_eq!(wrong("Secret", basic), ["data[username]: Required value", "data[password]: Required value"]);
    let docker = json!({ "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": "x" } });
    let field = r#"data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": "#;
    assert!(wrong("Secret", docker)[0].starts_with(field));
    let docker = json!({ "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": "{}" } });
    assert_eq!(wrong("Secret", docker), [""; 0]);
    let token = json!({ "type": "kubernetes.io/service-account-token" });
    assert_eq!(wrong("Secret", token), ["metadata.annotations[kubernetes.io/service-account.name]: Required value"]);
    let large = json!({ "stringData": { "a": "x".repeat(MEBIBYTE + 1) } });
    assert_eq!(wrong("Secret", large), ["data: Too long: may not be more than 1048576 bytes"]);
    let largest = json!({ "stringData": { "a": "x".repeat(MEBIBYTE) } });
    assert_eq!(wrong("Secret", largest), [""; 0]);
    let large = json!({ "data": { "a": "x".repeat(MEBIBYTE + 1) } });
    assert_eq!(wrong("ConfigMap", large), ["[]: Too long: may not be more than 1048576 bytes"]);
    let twice = json!({ "data": { "a": "" }, "binaryData": { "a": "" } });
    assert_eq!(wrong("ConfigMap", twice), [r#"data[a]: Invalid value: "a": duplicate of key present in binaryData"#]);
}

#[test]
fn an_event_is_in_the_namespace_of_what_it_is_about() {
    let about = |namespace: &str| wrong("Event", json!({ "involvedObject": { "namespace": namespace } }));
    assert_eq!(about("default"), [""; 0]);
    assert_eq!(about(""), [""; 0]);
    let expected = r#"involvedObject.namespace: Invalid value: "other": does not match event.namespace"#;
    assert_eq!(about("other"), [expected]);
    let new = json!({ "eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "x.com/y" });
    let expected = ["reportingInstance: Required value", "action: Required value", "reason: Required value"];
    assert_eq!(wrong("Event", new), expected);
}

#[test]
fn roles_and_bindings_say_what_they_grant_to_whom() {
    let role = json!({ "rules": [{ "verbs": [] }, { "verbs": ["get"], "nonResourceURLs": ["/x"] }] });
    let expected = [
        "rules[0].verbs: Required value: verbs must contain at least one value",
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        "rules[0].resources: Required value: resource rules must supply at least one resource",
        r#"rules[1].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs"#,
    ];
    assert_eq!(wrong("Role", role.clone()), expected);
    assert_eq!(wrong("ClusterRole", role), expected[..3]);
    let subjects = json!([{ "kind": "User", "name": "" }, { "kind": "ServiceAccount", "name": "a", "apiGroup": "x" }, { "kind": "X", "name": "y" }]);
    let binding = json!({ "roleRef": { "apiGroup": "x", "kind": "Foo", "name": "" }, "subjects": subjects });
    let expected = [
        r#"roleRef.apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io""#,
        r#"roleRef.kind: Unsupported value: "Foo": supported values: "Role", "ClusterRole""#,
        "roleRef.name: Required value",
        "subjects[0].name: Required value",
        r#"subjects[1].apiGroup: Unsupported value: "x": supported values: """#,
        r#"subjects[2].kind: Unsupported value: "X": supported values: "ServiceAccount", "User", "Group""#,
    ];
    assert_eq!(wrong("RoleBinding", binding), expected);
    let account = json!({ "roleRef": { "kind": "ClusterRole", "name": "x" }, "subjects": [{ "kind": "ServiceAccount", "name": "a" }] });
    assert_eq!(wrong("ClusterRoleBinding", account), ["subjects[0].namespace: Required value"]);
}

#[test]
fn leases_and_budgets_have_sound_numbers() {
    let lease = json!({ "spec": { "leaseDurationSeconds": 0, "leaseTransitions": -1 } });
    let expected = [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
    ];
    assert_eq!(wrong("Lease", lease), expected);
    let budget = json!({ "spec": { "minAvailable": 1, "maxUnavailable": 1 } });
    assert!(wrong("PodDisruptionBudget", budget)[0].ends_with("minAvailable and maxUnavailable cannot be both set"));
}
