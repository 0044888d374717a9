//! The story that the project comes from: two applications, and a typo in one of them.

use serde_json::Value;
use testkit::{
    log::text,
    objects::{meta, ready},
    wait::{eventually, expect},
};

use crate::{
    controller::Controller,
    objects::{pki_path, secret_path},
    stage::{Stage, repo_file},
};

const MESSAGE: &str = "ServiceName: appp1 in pki: app1-pki is not found in allowedNames: [app1 app2]";

pub fn owner_reads_what_is_wrong_and_fixes_it(stage: &mut Stage) {
    let kubectl = stage.servers.kubectl().expect("the scenario needs kubectl");
    // Without a list of names, those of the sample are allowed, with a warning.
    let controller = Controller::start(stage, "");
    assert_eq!(text(&controller.wait_line("app1 and app2"), "level"), "WARN");

    for file in ["examples/app2.yaml", "examples/app1.yaml"] {
        kubectl.apply(&repo_file(file));
    }
    wait_pod(stage, "app2", "runs", |pod| pod["status"]["phase"] == "Running");
    stage.wait_pki("app2", "app2-pki", "Issued");
    assert_eq!(stage.wait_event("app2", "Pki/app2-pki", "Issued")["type"], "Normal");

    // app1's pod waits for a Secret, and its description has the reason.
    let waiting =
        |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating";
    let pod = wait_pod(stage, "app1", "waits", waiting);
    let describe = format!("describe pod {} -n app1", meta(&pod, "name"));
    let words = ["Warning", "pki ServiceName error", "controlplane", MESSAGE];
    eventually("kubectl describe pod shows the line", || {
        let text = kubectl.run(&describe);
        let found = text.lines().any(|line| words.iter().all(|word| line.contains(word)));
        expect(found, text)
    });
    let event = stage.wait_event("app1", "Pki/app1-pki", "pki ServiceName error");
    assert_eq!((&event["type"], &event["message"]), (&"Warning".into(), &MESSAGE.into()));
    let pki = stage.wait_pki("app1", "app1-pki", "NameNotAllowed");
    assert_eq!(ready(&pki, "message"), MESSAGE);
    assert_eq!(stage.find(&secret_path("app1", "app1-pki")), None);

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

    let fix = r#"{"spec":{"serviceName":"app1"}}"#;
    kubectl.run_args(&["patch", "pki", "app1-pki", "-n", "app1", "--type", "merge", "-p", fix]);
    wait_pod(stage, "app1", "runs", |pod| pod["status"]["phase"] == "Running");
    stage.wait_pki("app1", "app1-pki", "Issued");
}

fn wait_pod(stage: &Stage, namespace: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    eventually(format!("the pod of {namespace} {what}"), || {
        let pods = stage.api.list(&format!("/api/v1/namespaces/{namespace}/pods"))?;
        pods.iter().find(|pod| holds(pod)).cloned().ok_or_else(|| format!("{pods:#?}"))
    })
}
