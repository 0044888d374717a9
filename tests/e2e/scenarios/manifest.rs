//! The manifests, as the API server accepts them.

use serde_json::json;
use testkit::{objects::documents, repo, repo_file};

use crate::test_env::TestEnv;

/// The manifests and their namespaces.
const MANIFESTS: [(&str, &str); 2] =
    [("demo-controller.yaml", "controlplane"), ("event-controller/event-controller.yaml", "event-controller")];

pub fn manifest_is_installed_by_one_kubectl_create(env: &mut TestEnv) {
    let kubectl = env.servers.kubectl().expect("the scenario needs kubectl");
    for (file, _) in MANIFESTS {
        let path = repo().join(file).display().to_string();
        let printed = kubectl.run_args(&["create", "-f", &path]);
        let created = printed.lines().filter(|line| line.ends_with(" created")).count();
        assert_eq!(created, documents(&repo_file(file)).len(), "{printed}");
    }
    // kubectl asks the API server to reject unknown fields. Otherwise this manifest would be accepted:
    let manifest = repo_file("demo-controller.yaml");
    let misspelt = manifest.replace("terminationGracePeriodSeconds:", "terminationGraceSeconds:");
    let args = ["create", "--dry-run=server", "-f", "-"];
    let error = kubectl.run_with_input(&args, &misspelt).expect_err("an unknown field");
    assert!(error.contains(r#"unknown field "spec.template.spec.terminationGraceSeconds""#), "{error}");
}

pub fn namespace_admits_only_restricted_pods(env: &mut TestEnv) {
    for (file, namespace) in MANIFESTS {
        env.install(file);
        let pods = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        let deployment = documents(&repo_file(file)).into_iter().find(|object| object["kind"] == "Deployment");
        let spec = deployment.expect("a Deployment")["spec"]["template"]["spec"].clone();
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "tried" }, "spec": spec });
        env.api.post(&pods, &pod).unwrap_or_else(|error| panic!("{file}: {error}"));
        for (word, pointer, value) in [
            ("runAsNonRoot", "/spec/securityContext/runAsNonRoot", json!(false)),
            ("seccompProfile", "/spec/securityContext/seccompProfile/type", json!("Unconfined")),
            ("allowPrivilegeEscalation", "/spec/containers/0/securityContext/allowPrivilegeEscalation", json!(true)),
            ("unrestricted capabilities", "/spec/containers/0/securityContext/capabilities/drop", json!([])),
        ] {
            let mut worse = pod.clone();
            *worse.pointer_mut(pointer).unwrap_or_else(|| panic!("{file} has no {pointer}")) = value;
            let message = env.api.post(&pods, &worse).expect_err(word).message;
            let violates = message.contains(r#"violates PodSecurity "restricted"#);
            assert!(violates && message.contains(word), "{word}: {message}");
        }
    }
}
