//! The use case of the project: two applications, and a typo in the Pki of one.

use serde_json::Value;
use testkit::{
    log::text,
    objects::{meta, pki_path, ready, secret_path},
    repo_file,
    wait::{eventually, expect},
};

use crate::{controller::Controller, test_env::TestEnv};

const MESSAGE: &str = "ServiceName: appp1 in pki: app1-pki is not found in allowedNames: [app1 app2]";

pub fn owner_reads_the_event_and_fixes_the_typo(env: &mut TestEnv) {
    let kubectl = env.servers.kubectl().expect("the scenario needs kubectl");
    // Without `--allowed-names`, the names of the sample are allowed, with a warning.
    let controller = Controller::start(env, "");
    assert_eq!(text(&controller.wait_line("app1 and app2"), "level"), "WARN");

    for file in ["examples/app2.yaml", "examples/app1.yaml"] {
        kubectl.apply(&repo_file(file));
    }
    wait_pod(env, "app2", "runs", |pod| pod["status"]["phase"] == "Running");
    env.wait_pki("app2", "app2-pki", "Issued");
    assert_eq!(env.wait_event("app2", "Pki/app2-pki", "Issued")["type"], "Normal");

    // The pod of app1 waits for its Secret, and `kubectl describe pod` shows the reason.
    let waiting =
        |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating";
    let pod = wait_pod(env, "app1", "waits", waiting);
    let describe = format!("describe pod {} -n app1", meta(&pod, "name"));
    let words = ["Warning", "pki ServiceName error", "controlplane", MESSAGE];
    eventually("kubectl describe pod shows the line", || {
        let text = kubectl.run(&describe);
        let found = text.lines().any(|line| words.iter().all(|word| line.contains(word)));
        expect(found, text)
    });
    let event = env.wait_event("app1", "Pki/app1-pki", "pki ServiceName error");
    assert_eq!((&event["type"], &event["message"]), (&"Warning".into(), &MESSAGE.into()));
    let pki = env.wait_pki("app1", "app1-pki", "NameNotAllowed");
    assert_eq!(ready(&pki, "message"), MESSAGE);
    assert_eq!(env.find(&secret_path("app1", "app1-pki")), None);

    let table = kubectl.run("get pkis -A");
    let row = |namespace: &str| {
        let line = table.lines().find(|line| line.starts_with(namespace)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("NAMESPACE"), ["NAMESPACE", "NAME", "SERVICE", "READY", "REASON", "EXPIRES", "AGE"], "{table}");
    assert_eq!(row("app1")[..5], ["app1", "app1-pki", "appp1", "False", "NameNotAllowed"], "{table}");
    let issued = row("app2");
    assert_eq!(issued[..5], ["app2", "app2-pki", "app2", "True", "Issued"], "{table}");
    let expires = env.find(&pki_path("app2", "app2-pki")).unwrap_or_default()["status"]["notAfter"].clone();
    assert_eq!(expires, issued[5], "{table}");

    let fix = r#"{"spec":{"serviceName":"app1"}}"#;
    kubectl.run_args(&["patch", "pki", "app1-pki", "-n", "app1", "--type", "merge", "-p", fix]);
    wait_pod(env, "app1", "runs", |pod| pod["status"]["phase"] == "Running");
    env.wait_pki("app1", "app1-pki", "Issued");
}

fn wait_pod(env: &TestEnv, namespace: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    eventually(format!("the pod of {namespace} {what}"), || {
        let pods = env.api.list(&format!("/api/v1/namespaces/{namespace}/pods"))?;
        pods.iter().find(|pod| condition(pod)).cloned().ok_or_else(|| format!("{pods:#?}"))
    })
}
