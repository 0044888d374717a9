//! The manifests, as an operator's kubectl hands them to the API server.
//!
//! What a manifest promises about itself cannot be seen by looking at it: that each of its fields exists, that its pod is
//! one that `restricted` lets in, that its budget lets a node be drained.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    kubectl::Kubectl,
    objects::{Is, pki_path, pod_path},
    stage::{Stage, documents, repo_file},
    wait::{eventually, expect},
};

/// The manifests, and the namespaces that they make.
const MANIFESTS: [(&str, &str); 2] =
    [("demo-controller.yaml", "controlplane"), ("examples/watch.yaml", "event-controller")];

pub fn one_create_on_an_empty_cluster_is_enough(stage: &mut Stage) {
    for (file, _) in MANIFESTS {
        let printed = kubectl(stage).run_args(&["create", "-f", &path(file)]);
        let created = printed.lines().filter(|line| line.ends_with(" created")).count();
        assert_eq!(created, documents(&repo_file(file)).len(), "{printed}");
    }
    // kubectl has every field checked by the server (fieldValidation=Strict). Else this would pass:
    let misspelt =
        repo_file("demo-controller.yaml").replace("terminationGracePeriodSeconds:", "terminationGraceSeconds:");
    let strict = ["create", "--dry-run=server", "-f", "-"];
    let why = kubectl(stage).feed(&strict, &misspelt).expect_err("a field that does not exist is refused");
    assert!(why.contains(r#"unknown field "spec.template.spec.terminationGraceSeconds""#), "{why}");
}

pub fn the_namespace_lets_our_pod_in_and_none_with_more_rights(stage: &mut Stage) {
    for (file, namespace) in MANIFESTS {
        let pods = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        let deployment = documents(&repo_file(file)).into_iter().find(|object| object["kind"] == "Deployment");
        let template = deployment.expect("a Deployment")["spec"]["template"].clone();
        let pod =
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "tried" }, "spec": template["spec"] });
        stage.create(&pods, &pod);
        for (what, at, value) in [
            ("runAsNonRoot", "/spec/securityContext/runAsNonRoot", json!(false)),
            ("runAsUser=0", "/spec/securityContext/runAsUser", json!(0)),
            ("seccompProfile", "/spec/securityContext/seccompProfile/type", json!("Unconfined")),
            ("allowPrivilegeEscalation", "/spec/containers/0/securityContext/allowPrivilegeEscalation", json!(true)),
            ("unrestricted capabilities", "/spec/containers/0/securityContext/capabilities/drop", json!([])),
            ("restricted volume types", "/spec/volumes/0", json!({ "name": "v", "hostPath": { "path": "/" } })),
        ] {
            let mut worse = pod.clone();
            *worse.pointer_mut(at).unwrap_or_else(|| panic!("{file} has no {at}")) = value;
            if at.starts_with("/spec/volumes") {
                worse["spec"]["containers"][0]["volumeMounts"] = json!([]);
            }
            let why = stage.api.post(&pods, &worse).expect_err(what).why;
            assert!(why.contains(r#"violates PodSecurity "restricted"#) && why.contains(what), "{what}: {why}");
        }
    }
}

/// With `minAvailable: 1` this would never end: of one replica none may be missing then.
pub fn a_node_can_be_drained(stage: &mut Stage) {
    stage.run_pods();
    let budget = "/apis/policy/v1/namespaces/controlplane/poddisruptionbudgets/demo-controller";
    stage.wait_for(budget, "allows one disruption", |budget| budget["status"]["disruptionsAllowed"] == 1);
    let pod = only_pod(stage, |pod| pod.ready("status") == "True");
    let metadata = json!({ "name": pod.name(), "namespace": pod.namespace() });
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata });
    stage.create(&format!("{}/eviction", pod.path()), &eviction);
    stage.wait_for(&pod_path("controlplane", pod.name()), "goes", |pod| !pod.meta("deletionTimestamp").is_empty());
}

/// [`one_create_on_an_empty_cluster_is_enough`] was how the version before was installed.
pub fn the_version_before_is_upgraded_by_apply_and_there_is_a_way_back(stage: &mut Stage) {
    let kubectl = kubectl(stage);
    let (before, now) = (path("tests/e2e/before/demo-controller.yaml"), path("demo-controller.yaml"));
    kubectl.run_args(&["create", "-f", &before]);
    eventually("Pkis are served", || stage.api.list("/apis/box.com/v1/pkis"));
    stage.namespace("upgrade");
    let pki = stage.create_pki("upgrade", "web", json!({ "serviceName": "app1" }));
    for file in [&now, &before, &now] {
        kubectl.run_args(&["apply", "-f", file]);
    }
    // What is as it should be is left alone: nothing is rolled out a second time.
    let again = kubectl.run_args(&["apply", "-f", &now]);
    assert!(again.contains("deployment.apps/demo-controller unchanged"), "{again}");
    assert!(again.contains("poddisruptionbudget.policy/demo-controller"), "{again}");
    let found = stage.find(&pki_path("upgrade", "web")).unwrap_or_default();
    assert_eq!(found.uid(), pki.uid());
}

fn only_pod(stage: &Stage, holds: impl Fn(&Value) -> bool) -> Value {
    eventually("the controller's pod is as it should be", || {
        let mut pods = stage.api.list("/api/v1/namespaces/controlplane/pods")?;
        expect(pods.len() == 1 && holds(&pods[0]), format!("{pods:?}"))?;
        Ok::<_, String>(pods.remove(0))
    })
}

fn kubectl(stage: &Stage) -> &Kubectl {
    stage.servers.kubectl().expect("this scenario runs where there is a kubectl")
}

fn path(file: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file).display().to_string()
}
