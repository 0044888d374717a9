//! event-controller with its own manifest, with the original's settings file, and with a plugin that hangs.

use std::{fs, path::PathBuf, process::Command, thread, time::Duration};

use serde_json::json;
use testkit::{
    Process,
    log::{handled, text},
    objects::{documents, pod_mounting, pod_path},
    repo_file,
    wait::{eventually, expect},
};

use crate::{
    event_controller::{EventController, create_token, wait_handled},
    test_env::TestEnv,
};

pub fn manifest_settings_and_rights_are_enough(env: &mut TestEnv) {
    let manifest = documents(&repo_file("event-controller/event-controller.yaml"));
    let config = manifest.iter().find_map(|object| object["stringData"]["config.ini"].as_str()).expect("a config.ini");
    let mut process = EventController::new(env).kubeconfig().config(config).start();
    env.create_namespace("manifest");
    env.create(&pod_mounting("manifest", "web", "none"));
    wait_handled(&process, "manifest/web", "ADDED");
    env.patch(&pod_path("manifest", "web"), &json!({ "metadata": { "labels": { "touched": "yes" } } }));
    wait_handled(&process, "manifest/web", "ADDED MODIFIED");
    env.delete(&format!("{}?gracePeriodSeconds=0", pod_path("manifest", "web")));
    let line = process.wait_line("Kind: Pod; Name: web; Event Type: DELETED");
    assert_eq!(text(&line, "object"), "manifest/web");
    assert!(handled(&process.lines(), "manifest/web").ends_with("DELETED"), "the plugin gets the last known object");
    assert_eq!(process.terminate(), Some(0));
}

pub fn original_sample_file_is_enough(env: &mut TestEnv) {
    env.create_namespace("sample");
    env.create(&pod_mounting("sample", "web", "none"));
    let server = env.servers.cluster();
    let field = |field: &str| server[field].as_str().unwrap_or_default().to_owned();
    let mut file = repo_file("event-controller/config.ini.sample");
    for (key, value) in [
        ("k8s_api_endpoint", field("server")),
        ("k8s_token", create_token(env)),
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
    let process = EventController::new(env).config(&file).start();
    wait_handled(&process, "sample/web", "ADDED");
}

/// Starts event-controller with a plugin that has started a child process and hangs. Also returns its folder.
fn start_hanging(env: &TestEnv, namespace: &str, flags: &str) -> (Process, PathBuf) {
    env.create_namespace(namespace);
    let builder = EventController::new(env).kubeconfig();
    let dir = builder.dir.clone();
    let script = "echo $$ > \"$DIR/child\"\nread -r line\nsleep 1000 &\necho $! > \"$DIR/grandchild\"\nwait\n";
    fs::write(dir.join("plugin.sh"), script).unwrap();
    let config = format!(
        "[global]\nk8s_resource = pods\nk8s_namespace = {namespace}\nwatcher_plugin = exec\n\n\
         [plugin_exec]\ncommand = sh '{}'\ntimeout = 60s\n",
        dir.join("plugin.sh").display()
    );
    let process = builder.config(&config).env("DIR", &dir.display().to_string()).flags(flags).start();
    env.create(&pod_mounting(namespace, "web", "none"));
    eventually("the plugin hangs", || {
        let id = fs::read_to_string(dir.join("grandchild")).unwrap_or_default();
        expect(id.ends_with('\n'), "not yet")
    });
    (process, dir)
}

/// Waits until the plugin and its child have ended or are zombies.
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

pub fn expired_grace_ends_the_plugin_and_its_children(env: &mut TestEnv) {
    let (mut process, dir) = start_hanging(env, "outlasts", "--shutdown-grace 500ms");
    assert_eq!(process.terminate(), Some(1));
    process.wait_line("outlasts/web");
    wait_ended(&dir);
}

pub fn second_signal_ends_the_plugin_and_its_children(env: &mut TestEnv) {
    let (mut process, dir) = start_hanging(env, "abandoned", "");
    process.signal("INT");
    process.wait_line("shutting down");
    // Real time: within a second, a signal counts as a repetition of the first one.
    thread::sleep(Duration::from_millis(1100));
    process.signal("INT");
    assert_eq!(process.wait_end(), Some(128 + 2));
    wait_ended(&dir);
}

pub fn process_1_reaps_what_the_plugin_leaves(env: &mut TestEnv) {
    let can_unshare = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).output();
    if !can_unshare.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a process ID namespace needs root and unshare");
        return;
    }
    let namespace = "process-1";
    env.create_namespace(namespace);
    let builder = EventController::as_process_1(env).kubeconfig();
    // Each background process outlives its shell.
    let script = "while read -r line; do (sleep 0.1 &); echo '{\"message\":\"seen\",\"level\":\"INFO\"}'; done";
    let file = builder.dir.join("plugin.sh");
    fs::write(&file, script).unwrap();
    let config = format!(
        "[global]\nk8s_resource = pods\nk8s_namespace = {namespace}\nwatcher_plugin = exec\n\n\
         [plugin_exec]\ncommand = sh '{}'\n",
        file.display()
    );
    let mut process = builder.config(&config).start();
    for n in 0..20 {
        env.create(&pod_mounting(namespace, &format!("web-{n}"), "none"));
    }
    (0..20).for_each(|n| wait_handled(&process, &format!("{namespace}/web-{n}"), "ADDED"));
    let process_1 = children(process.pid()).pop().expect("unshare has a child");
    eventually("process 1 has one child, the controller", || {
        let children = children(process_1);
        expect(children.len() == 1, format!("{children:?}"))
    });
    testkit::server::signal(process_1, "TERM");
    assert_eq!(process.wait_end(), Some(0), "the signal and the exit code are forwarded");
}

/// Returns the children of a process, zombies included.
fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
