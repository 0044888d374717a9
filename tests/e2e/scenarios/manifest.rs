//! The manifests, as an API server checks them.

use std::path::Path;

use serde_json::json;
use testkit::objects::documents;

use crate::stage::{Stage, repo_file};

/// The manifests and their namespaces.
const MANIFESTS: [(&str, &str); 2] =
    [("demo-controller.yaml", "controlplane"), ("event-controller/event-controller.yaml", "event-controller")];

pub fn one_create_on_an_empty_cluster_is_enough(stage: &mut Stage) {
    let kubectl = stage.servers.kubectl().expect("the scenario needs kubectl");
    for (file, _) in MANIFESTS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file).display().to_string();
        let printed = kubectl.run_args(&["create", "-f", &path]);
        let created = printed.lines().filter(|line| line.ends_with(" created")).count();
        assert_eq!(created, documents(&repo_file(file)).len(), "{printed}");
    }
    // kubectl lets the server check every field. Otherwise this would pass:
    let manifest = repo_file("demo-controller.yaml");
    let misspelt = manifest.replace("terminationGracePeriodSeconds:", "terminationGraceSeconds:");
    let why = kubectl.feed(&["create", "--dry-run=server", "-f", "-"], &misspelt).expect_err("an unknown field");
    assert!(why.contains(r#"unknown field "spec.template.spec.terminationGraceSeconds""#), "{why}");
}

pub fn namespace_admits_only_restricted_pods(stage: &mut Stage) {
    for (file, namespace) in MANIFESTS {
        stage.install(file);
        let pods = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        let deployment = documents(&repo_file(file)).into_iter().find(|object| object["kind"] == "Deployment");
        let spec = deployment.expect("a Deployment")["spec"]["template"]["spec"].clone();
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "tried" }, "spec": spec });
        stage.api.post(&pods, &pod).unwrap_or_else(|why| panic!("{file}: {why}"));
        for (what, at, value) in [
            ("runAsNonRoot", "/spec/securityContext/runAsNonRoot", json!(false)),
            ("seccompProfile", "/spec/securityContext/seccompProfile/type", json!("Unconfined")),
            ("allowPrivilegeEscalation", "/spec/containers/0/securityContext/allowPrivilegeEscalation", json!(true)),
            ("unrestricted capabilities", "/spec/containers/0/securityContext/capabilities/drop", json!([])),
        ] {
            let mut worse = pod.clone();
            *worse.pointer_mut(at).unwrap_or_else(|| panic!("{file} has no {at}")) = value;
            let why = stage.api.post(&pods, &worse).expect_err(what).why;
            assert!(why.contains(r#"violates PodSecurity "restricted"#) && why.contains(what), "{what}: {why}");
        }
    }
}
