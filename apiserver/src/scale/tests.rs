use super::*;

fn deployment() -> Value {
    json!({
        "kind": "Deployment", "apiVersion": "apps/v1",
        "metadata": {
            "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z", "labels": { "x": "y" },
        },
        "spec": { "replicas": 2, "paused": true, "selector": { "matchLabels": { "app": "a" } } },
        "status": { "replicas": 1, "readyReplicas": 1 },
    })
}

fn deployments() -> std::sync::Arc<Resource> {
    crate::catalog::Catalog::built_in().find("apps", "v1", "deployments").unwrap()
}

#[test]
fn a_scale_is_the_object_s_name_version_and_numbers() {
    let metadata = json!({
        "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z",
    });
    let mut object = deployment();
    let expected = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": { "replicas": 2 }, "status": { "replicas": 1, "selector": "app=a" },
    });
    assert_eq!(of(&object), expected);
    object["spec"]["replicas"] = json!(0);
    object["status"] = json!({});
    let none = of(&object);
    assert_eq!((&none["spec"], &none["status"]["replicas"]), (&json!({}), &json!(0)));
}

#[test]
fn applied_it_changes_replicas_and_says_which_version_is_meant() {
    let metadata = json!({ "name": "a", "namespace": "n" });
    let labelled = json!({ "name": "a", "namespace": "n", "labels": { "no": "no" } });
    let scale = json!({ "metadata": labelled, "spec": { "replicas": 5 }, "status": { "replicas": 6 } });
    let mut expected = deployment();
    expected["spec"]["replicas"] = json!(5);
    expected["metadata"]["resourceVersion"] = json!("");
    assert_eq!(apply(&deployments(), &scale, &deployment()), Ok(expected));
    let nothing = apply(&deployments(), &json!({ "metadata": metadata }), &deployment()).unwrap();
    assert_eq!(nothing["spec"]["replicas"], 0);
}

#[test]
fn the_scale_of_another_object_is_a_conflict() {
    let scale = json!({ "metadata": { "name": "a", "namespace": "n", "uid": "v" }, "spec": { "replicas": 5 } });
    let refusal = apply(&deployments(), &scale, &deployment()).unwrap_err();
    let expected = "Operation cannot be fulfilled on deployments/scale.apps \"a\": Precondition failed: UID in \
                    precondition: v, UID in object meta: u";
    assert_eq!((refusal.code, refusal.message.as_str()), (409, expected));
}
