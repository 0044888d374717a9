//! What is missing is waited for: the definition of a Pki, and the rights.

use std::process::Command;

use jiff::Timestamp;
use serde_json::json;

use crate::{
    audit::Request,
    controller::{Controller, Setup},
    stage::{Stage, repo_file},
    wait::{eventually, expect},
};

/// What the ServiceAccount needs, but for the definition of a Pki.
fn rights(stage: &Stage) {
    let manifest = repo_file("demo-controller.yaml");
    // What is there already, and the Deployment, whose part the built binary plays.
    let without = ["CustomResourceDefinition", "Namespace", "ServiceAccount", "Deployment"];
    let stays = |document: &&str| !without.iter().any(|kind| document.contains(&format!("\nkind: {kind}\n")));
    let rest: Vec<&str> = manifest.split("\n---\n").filter(stays).collect();
    stage.apply(&rest.join("\n---\n"));
}

/// A controller that has neither rights nor a definition, and says so.
fn start_without_rights(stage: &Stage) -> Controller {
    stage.namespace("controlplane");
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "demo-controller" } });
    stage.create("/api/v1/namespaces/controlplane/serviceaccounts", &account);
    let controller = Controller::start(stage, Setup::default());
    wait_unready(&controller, &[("pkis: not synced", "403"), ("pods: not synced", "403")]);
    assert_eq!(controller.page("/healthz").map(|(code, _)| code), Ok(200), "waiting is not dying");
    controller
}

/// Waits until it says that there is no definition, and that pods are in the cache.
#[track_caller]
fn wait_without_definition(controller: &Controller) {
    wait_unready(controller, &[("pkis: not synced", "404")]);
    eventually("pods are not waited for any more", || {
        let (_, body) = controller.readyz()?;
        expect(!body.contains("pods"), body)
    });
}

pub fn missing_rights_and_a_missing_definition_are_named(stage: &mut Stage) {
    drop(start_without_rights(stage));
    rights(stage);
    wait_without_definition(&Controller::start(stage, Setup::default()));
}

pub fn missing_rights_and_a_missing_definition_are_waited_for(stage: &mut Stage) {
    let mut controller = start_without_rights(stage);
    rights(stage);
    wait_without_definition(&controller);

    // The definition, as the program itself prints it.
    let printed = Command::new(env!("CARGO_BIN_EXE_demo-controller")).arg("crd").output().expect("it runs");
    stage.apply(&String::from_utf8(printed.stdout).expect("text"));
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

pub fn with_a_namespace_it_looks_nowhere_else(stage: &mut Stage) {
    for ns in ["inside", "outside"] {
        stage.namespace(ns);
        stage.create_pki(ns, "web", json!({ "serviceName": "app1" }));
    }
    let mark = stage.servers.audit().len();
    let _controller = Controller::ready(stage, Setup { flags: "--namespace inside", ..Setup::default() });
    stage.wait_pki("inside", "web", "Issued");
    let elsewhere = |request: &Request| request.namespace != "inside" && request.namespace != "controlplane";
    stage.servers.audit().since(mark).only(elsewhere).assert_none("requests about another namespace");
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
