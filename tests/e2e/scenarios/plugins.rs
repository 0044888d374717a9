//! event-controller with its own manifest, the original's file, and a plugin that hangs.

use std::{fs, path::PathBuf, thread, time::Duration};

use serde_json::json;
use testkit::{
    Process,
    log::{handled, text},
    objects::documents,
    wait::{eventually, expect},
};

use crate::{
    event_controller::{Start, token, wait_handled},
    objects::{pod, pod_path},
    stage::{Stage, repo_file},
};

pub fn manifest_settings_and_rights_are_enough(stage: &mut Stage) {
    let manifest = documents(&repo_file("event-controller/event-controller.yaml"));
    let config = manifest.iter().find_map(|object| object["stringData"]["config.ini"].as_str()).expect("a config.ini");
    let mut process = Start::new(stage).kubeconfig().config(config).ready();
    stage.namespace("manifest");
    stage.create(&pod("manifest", "web", "none"));
    wait_handled(&process, "manifest/web", "ADDED");
    stage.patch(&pod_path("manifest", "web"), &json!({ "metadata": { "labels": { "touched": "yes" } } }));
    wait_handled(&process, "manifest/web", "ADDED MODIFIED");
    stage.delete(&format!("{}?gracePeriodSeconds=0", pod_path("manifest", "web")));
    let line = process.wait_line("Kind: Pod; Name: web; Event Type: DELETED");
    assert_eq!(text(&line, "object"), "manifest/web");
    assert!(handled(&process.lines(), "manifest/web").ends_with("DELETED"), "the last known object");
    assert_eq!(process.terminate(), Some(0));
}

pub fn original_sample_file_is_enough(stage: &mut Stage) {
    stage.namespace("sample");
    stage.create(&pod("sample", "web", "none"));
    let server = stage.servers.cluster();
    let field = |field: &str| server[field].as_str().unwrap_or_default().to_owned();
    let mut file = repo_file("event-controller/config.ini.sample");
    for (key, value) in [
        ("k8s_api_endpoint", field("server")),
        ("k8s_token", token(stage)),
        ("k8s_ca", field("certificate-authority")),
        ("k8s_namespaced", "True".to_owned()),
        ("k8s_namespace", "sample".to_owned()),
        ("k8s_api_group", "api".to_owned()),
        ("k8s_api_version", "v1".to_owned()),
        ("k8s_resource", "pods".to_owned()),
    ] {
        let line = file.lines().find(|line| line.replace(' ', "").starts_with(&format!("{key}="))).map(str::to_owned);
        let line = line.unwrap_or_else(|| panic!("the sample has no line for {key}"));
        file = file.replacen(&format!("\n{line}\n"), &format!("\n{key} = {value}\n"), 1);
    }
    let process = Start::new(stage).config(&file).ready();
    wait_handled(&process, "sample/web", "ADDED");
}

/// A process whose plugin has got an event, has started a process of its own, and hangs. Also its folder.
fn hanging(stage: &Stage, namespace: &str, flags: &str) -> (Process, PathBuf) {
    stage.namespace(namespace);
    let start = Start::new(stage).kubeconfig();
    let dir = start.dir.clone();
    let script = "echo $$ > \"$DIR/child\"\nread -r line\nsleep 1000 &\necho $! > \"$DIR/grandchild\"\nwait\n";
    fs::write(dir.join("plugin.sh"), script).unwrap();
    let config = format!(
        "[global]\nk8s_resource = pods\nk8s_namespace = {namespace}\nwatcher_plugin = exec\n\n\
         [plugin_exec]\ncommand = sh '{}'\ntimeout = 60s\n",
        dir.join("plugin.sh").display()
    );
    let process = start.config(&config).env("DIR", &dir.display().to_string()).flags(flags).ready();
    stage.create(&pod(namespace, "web", "none"));
    eventually("the plugin hangs", || {
        let id = fs::read_to_string(dir.join("grandchild")).unwrap_or_default();
        expect(id.ends_with('\n'), "not yet")
    });
    (process, dir)
}

/// Waits until the plugin and its child have ended (or are zombies).
#[track_caller]
fn wait_ended(dir: &std::path::Path) {
    for file in ["child", "grandchild"] {
        let pid = fs::read_to_string(dir.join(file)).expect("a process id").trim().to_owned();
        assert!(!pid.is_empty(), "no process id in {file}");
        eventually(format!("the {file} {pid} has ended"), || {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let state = status.lines().find(|line| line.starts_with("State:")).unwrap_or_default();
            expect(state.is_empty() || state.contains('Z'), state)
        });
    }
}

pub fn plugin_ends_with_the_grace_and_all_its_children(stage: &mut Stage) {
    let (mut process, dir) = hanging(stage, "outlasts", "--shutdown-grace 500ms");
    assert_eq!(process.terminate(), Some(1));
    process.wait_line("outlasts/web");
    wait_ended(&dir);
}

pub fn plugin_ends_with_the_second_signal(stage: &mut Stage) {
    let (mut process, dir) = hanging(stage, "abandoned", "");
    process.signal("INT");
    process.wait_line("shutting down");
    thread::sleep(Duration::from_millis(1100));
    process.signal("INT");
    assert_eq!(process.wait_end(), Some(128 + 2));
    wait_ended(&dir);
}
