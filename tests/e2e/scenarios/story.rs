//! The story that the project comes from: two applications, and a typo in one of them.

use serde_json::Value;

use crate::{
    controller::{Controller, Setup},
    objects::{Is, pki_path, secret_path},
    stage::{Stage, repo_file},
    wait::{eventually, expect},
};

/// The line that the owner of app1 has to find.
const MESSAGE: &str = "ServiceName: appp1 in pki: app1-pki is not found in allowedNames: [app1 app2]";

pub fn the_owner_of_app1_reads_what_is_wrong_and_fixes_it(stage: &mut Stage) {
    let kubectl = stage.servers.kubectl().expect("this scenario runs where there is a kubectl");
    // Without a list of names, the sample's are allowed, and the operator is warned that it is so.
    let controller = Controller::ready(stage, Setup { names: None, ..Setup::default() });
    assert_eq!(controller.wait_line("app1 and app2").text("level"), "WARN");

    // app2 has made no mistake.
    kubectl.apply(&repo_file("examples/app2.yaml"));
    kubectl.apply(&repo_file("examples/app1.yaml"));
    wait_pod(stage, "app2", "runs", |pod| pod["status"]["phase"] == "Running");
    assert_eq!(stage.wait_pki("app2", "app2-pki", "Issued").ready("status"), "True");
    assert_eq!(stage.wait_event("app2", "Pki", "app2-pki", "Issued", 1)["type"], "Normal");

    // app1's pod waits for a Secret that does not come, and says why.
    let waiting =
        |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating";
    let pod = wait_pod(stage, "app1", "waits", waiting);
    let describe = format!("describe pod {} -n app1", pod.name());
    let words = ["Warning", "pki ServiceName error", "controlplane", MESSAGE];
    eventually("kubectl describe pod shows the line", || {
        let text = kubectl.run(&describe);
        let found = text.lines().any(|line| words.iter().all(|word| line.contains(word)));
        expect(found, text)
    });
    let event = stage.wait_event("app1", "Pod", pod.name(), "pki ServiceName error", 1);
    assert_eq!(event["message"], MESSAGE);
    assert_eq!(event["involvedObject"]["uid"], pod.uid());

    // The Pki says the same, and no Secret was made.
    let event = stage.wait_event("app1", "Pki", "app1-pki", "pki ServiceName error", 1);
    assert_eq!((&event["type"], &event["message"]), (&"Warning".into(), &MESSAGE.into()));
    let pki = stage.wait_pki("app1", "app1-pki", "NameNotAllowed");
    assert_eq!(pki.ready("message"), MESSAGE);
    assert_eq!(stage.find(&secret_path("app1", "app1-pki")), None);

    // What kubectl get prints.
    let table = kubectl.run("get pkis -A");
    let row = |namespace: &str| {
        let line = table.lines().find(|line| line.starts_with(namespace)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("NAMESPACE"), ["NAMESPACE", "NAME", "SERVICE", "READY", "REASON", "EXPIRES", "AGE"], "{table}");
    assert_eq!(row("app1")[..5], ["app1", "app1-pki", "appp1", "False", "NameNotAllowed"], "{table}");
    let issued = row("app2");
    assert_eq!(issued[..5], ["app2", "app2-pki", "app2", "True", "Issued"], "{table}");
    let expires = stage.find(&pki_path("app2", "app2-pki")).unwrap_or_default()["status"]["notAfter"].clone();
    assert_eq!(expires, issued[5], "{table}");

    // The typo is fixed, and app1 comes up.
    let fix = r#"{"spec":{"serviceName":"app1"}}"#;
    kubectl.run_args(&["patch", "pki", "app1-pki", "-n", "app1", "--type", "merge", "-p", fix]);
    wait_pod(stage, "app1", "runs", |pod| pod["status"]["phase"] == "Running");
    assert_eq!(stage.wait_pki("app1", "app1-pki", "Issued").ready("status"), "True");
    assert_eq!(stage.secret("app1", "app1-pki")["type"], "kubernetes.io/tls");
}

fn wait_pod(stage: &Stage, namespace: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    eventually(format!("the pod of {namespace} {what}"), || {
        let pods = stage.api.list(&format!("/api/v1/namespaces/{namespace}/pods"))?;
        pods.iter().find(|pod| holds(pod)).cloned().ok_or_else(|| format!("{pods:#?}"))
    })
}
