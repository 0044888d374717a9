//! The chapter that follows one change: what it prints is a run of the built binary.

use std::{fmt::Write, process::Command};

use serde_json::{Value, json};
use testkit::{
    Folder, Loopback, Process,
    book::check_output,
    objects::{key, pki, pki_path, pod_mounting, ready},
    wait::{eventually, expect},
};

const CHAPTER: &str = "docs/trace.md";

#[test]
fn chapter_shows_one_real_change() {
    let server = Loopback::start("controlplane/demo-controller", &testkit::repo_file("demo-controller.yaml"));
    let (runtime, cluster) = (&server.runtime, &server.cluster);
    let folder = Folder::new("trace").with(&[("allowed-names", "app1\napp2\n")]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo-controller"));
    command.env_clear().env("KUBECONFIG", &server.kubeconfig).current_dir(&*folder);
    command.args(["--explain", "-n", "app1", "--allowed-names", "allowed-names", "--log-format", "text"]);
    command.args(["--listen", "off", "--workers", "1"]);
    let app1 = pki("app1", "app1-pki", json!({ "serviceName": "appp1" }));
    runtime.block_on(async {
        cluster.create_namespace("app1").await;
        cluster.create(&pod_mounting("app1", "app1-65db96c7f7-gllpr", "app1-pki")).await;
        cluster.create(&pki("app1", "app2-pki", json!({ "serviceName": "app2" }))).await;
        cluster.create(&app1).await;
    });
    let process = Process::start(command, 0);
    let user = cluster.user();
    let requests = || {
        let mut text = String::new();
        for request in cluster.server.requests().iter().filter(|request| request.user == user) {
            let _ = writeln!(text, "{} {} {}", request.code, request.verb, request.uri);
        }
        text
    };
    let pki_of = |name: &str| runtime.block_on(cluster.get(&pki_path("app1", name)));
    let wait_for = |name: &str, reason: &str, events: usize| {
        eventually(format!("{name} is {reason}"), || {
            let (now, seen) = (pki_of(name), runtime.block_on(cluster.list("/api/v1/namespaces/app1/events")));
            expect(ready(&now, "reason") == reason && seen.len() == events, format!("{now} {seen:?}"))
        });
    };
    // The CA exists, and app1's error is on the Pki and on the pod.
    wait_for("app2-pki", "Issued", 3);
    wait_for("app1-pki", "NameNotAllowed", 3);
    let (lines, sent, version) = (process.log().len(), requests().len(), cluster.server.revision());

    runtime.block_on(cluster.patch(&app1, json!({ "spec": { "serviceName": "app1" } })));
    wait_for("app1-pki", "Issued", 4);
    let watched = runtime.block_on(cluster.watch_events("/apis/box.com/v1/namespaces/app1/pkis", version));
    let watched: String = watched.iter().map(shorten_event).collect();
    check_output(CHAPTER, "trace before", || shorten_log(&process.log()[..lines]));
    check_output(CHAPTER, "trace watch", || watched.clone());
    check_output(CHAPTER, "trace log", || shorten_log(&process.log()[lines..]));
    // Another task writes the event, before or after the status.
    check_output(CHAPTER, "trace requests", || requests()[sent..].to_owned());
    check_output(CHAPTER, "trace event", || requests()[sent..].to_owned());
}

/// The log without what the chapter does not need: the date, the level, and where to read.
fn shorten_log(log: &str) -> String {
    let mut short = String::new();
    for line in log.lines() {
        let (time, rest) = line.split_once('T').and_then(|(_, line)| line.split_once("Z ")).unwrap_or(("", line));
        let words = rest.split(' ').filter(|word| !word.is_empty() && *word != "INFO");
        let words = words.filter(|word| !["read=", "serial="].iter().any(|field| word.starts_with(field)));
        let _ = writeln!(short, "{time} {}", words.collect::<Vec<_>>().join(" "));
    }
    short
}

fn shorten_event(event: &Value) -> String {
    let (object, kind) = (&event["object"], event["type"].as_str().unwrap_or_default());
    let (metadata, reason) = (&object["metadata"], ready(object, "reason"));
    let (version, generation) = (&metadata["resourceVersion"], &metadata["generation"]);
    let observed = &object["status"]["observedGeneration"];
    format!(
        "{kind} {} resourceVersion={version} generation={generation} observedGeneration={observed} reason={reason}\n",
        key(object)
    )
}
