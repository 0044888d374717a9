//! What is missing is waited for: the definition of a Pki, and the rights.

use jiff::Timestamp;
use serde_json::json;

use crate::{
    controller::{Controller, Setup},
    stage::{Stage, repo_file},
    wait::{eventually, expect},
};

pub fn missing_rights_and_a_missing_definition_are_waited_for_and_named(stage: &mut Stage) {
    let kubectl = &stage.plane.kubectl;
    kubectl.run("create namespace controlplane");
    kubectl.run("create serviceaccount demo-controller -n controlplane");
    let mut controller = Controller::start(stage, Setup::default());
    wait_unready(&controller, &[("pkis: not synced", "403"), ("pods: not synced", "403")]);
    assert_eq!(controller.page("/healthz").map(|(code, _)| code), Ok(200), "waiting is not dying");

    // The rights, but not yet the definition.
    let manifest = repo_file("demo-controller.yaml");
    let documents: Vec<&str> = manifest.split("\n---\n").collect();
    let is_definition = |document: &&&str| document.contains("kind: CustomResourceDefinition");
    let definition: Vec<&str> = documents.iter().filter(is_definition).copied().collect();
    let rest: Vec<&str> = documents.iter().filter(|document| !is_definition(document)).copied().collect();
    assert_eq!(definition.len(), 1);
    kubectl.apply(&rest.join("\n---\n"));
    kubectl.run("delete deployment --all -n controlplane");
    wait_unready(&controller, &[("pkis: not synced", "404")]);
    eventually("pods are not waited for any more", || {
        let (_, body) = controller.readyz()?;
        expect(!body.contains("pods"), body)
    });

    kubectl.apply(definition[0]);
    controller.wait_ready();
    stage.namespace("at-last");
    stage.create_pki("at-last", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("at-last", "web", "Issued");

    // One clear line each, and no faster than the backoff: 0.8 s at first.
    for resource in ["pkis", "pods"] {
        let lines: Vec<_> = controller.lines().into_iter().filter(|line| line.text("resource") == resource).collect();
        let troubles: Vec<_> = lines.iter().filter(|line| line.text("level") == "WARN").collect();
        assert!(troubles.iter().any(|line| line.0.to_string().contains("403")), "{troubles:?}");
        let times: Vec<Timestamp> = troubles.iter().map(|line| line.text("timestamp").parse().unwrap()).collect();
        for pair in times.windows(2) {
            let apart = pair[1].duration_since(pair[0]).as_secs_f64();
            assert!(apart >= 0.79, "{resource}: two lines {apart} s apart: {troubles:?}");
        }
    }
}

/// Waits until `/readyz` has a line for each of these, which begins so and contains that.
#[track_caller]
fn wait_unready(controller: &Controller, wanted: &[(&str, &str)]) {
    eventually(format!("/readyz says {wanted:?}"), || {
        let (code, body) = controller.readyz()?;
        let told = |(begin, words): &(&str, &str)| body.lines().any(|l| l.starts_with(begin) && l.contains(words));
        expect(code == 503 && wanted.iter().all(told), format!("{code} {body}"))
    });
}
