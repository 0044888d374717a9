use serde_json::json;

use super::*;
use crate::catalog::Catalog;

fn resource(plural: &str) -> std::sync::Arc<Resource> {
    Catalog::built_in().all().iter().find(|resource| resource.plural == plural).cloned().expect("built in")
}

#[test]
fn each_resource_has_its_own_fields() {
    let pod = json!({
        "metadata": { "name": "a", "namespace": "n" },
        "spec": { "nodeName": "x", "restartPolicy": "Always" },
        "status": { "phase": "Running", "podIP": "10.0.0.1", "podIPs": [{ "ip": "10.0.0.1" }] },
    });
    let event = json!({
        "metadata": { "name": "e", "namespace": "n" },
        "involvedObject": { "kind": "Pod", "name": "a" }, "reason": "Killed", "type": "Warning", "reportingComponent": "kubelet",
    });
    for (plural, object, selector, expected) in [
        ("pods", &pod, "metadata.name=a,metadata.namespace==n", true),
        ("pods", &pod, "metadata.name!=a", false),
        ("pods", &pod, "spec.nodeName=x,status.phase=Running,spec.restartPolicy=Always", true),
        ("pods", &pod, "spec.host=x", true),
        ("pods", &pod, "status.podIP=10.0.0.1", true),
        ("pods", &pod, "spec.hostNetwork=false", true),
        ("pods", &pod, "spec.schedulerName=,status.nominatedNodeName=", true),
        ("pods", &pod, ",,", true),
        ("events", &event, "involvedObject.kind=Pod,involvedObject.name=a,type=Warning,reason!=x", true),
        ("events", &event, "source=kubelet,involvedObject.uid=", true),
        ("secrets", &json!({ "type": "Opaque" }), "type!=kubernetes.io/tls", true),
        ("namespaces", &json!({ "status": { "phase": "Active" } }), "status.phase=Active", true),
        ("deployments", &json!({ "metadata": { "name": "a" } }), "metadata.name=b", false),
    ] {
        let fields = Fields::parse(&resource(plural), selector).expect("is a selector");
        assert_eq!(fields.matches(object), expected, "{plural} {selector}");
    }
}

#[test]
fn a_custom_resource_is_selected_by_the_fields_that_its_definition_names() {
    let definition = json!({ "spec": {
        "group": "x.com", "scope": "Namespaced", "names": { "plural": "foos", "kind": "Foo" },
        "versions": [{
            "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } },
            "selectableFields": [{ "jsonPath": ".spec.color" }, { "jsonPath": ".spec.size" }],
        }],
    } });
    let foos = crate::custom::resources(&definition).pop().expect("one version is served");
    let fields = Fields::parse(&foos, "spec.color=red,spec.size!=1").expect("is a selector");
    assert!(fields.matches(&json!({ "spec": { "color": "red", "size": 2 } })));
    assert!(!fields.matches(&json!({ "spec": { "color": "red", "size": 1 } })));
    let status = Fields::parse(&foos, "spec.shape=x").expect_err("is refused");
    assert_eq!(status.message, "field label not supported: spec.shape");
}
