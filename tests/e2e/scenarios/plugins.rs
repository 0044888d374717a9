//! `watch` with the plugin `exec`, which does all that a plugin should not.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    daemon::{Daemon, Line},
    objects::{Is, pod_mounting},
    servers::Kind,
    stage::Stage,
    wait::{eventually, expect, within},
    watcher::{Watcher, grant, told, wait_told},
};

/// A watcher of the pods of a namespace of this name, whose plugin is in this mode. Also its folder.
fn exec<'a>(stage: &'a Stage, namespace: &str, mode: &str, flags: &str) -> (Watcher<'a>, PathBuf) {
    stage.namespace(namespace);
    let watcher = Watcher::new(stage).kubeconfig();
    let dir = watcher.dir.clone();
    fs::write(dir.join("mode"), mode).unwrap();
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/plugin.sh");
    let config = format!(
        "[global]\nk8s_resource = pods\nk8s_namespace = {namespace}\nwatcher_plugin = exec\n\n\
         [plugin_exec]\ncommand = sh '{}'\ntimeout = 500ms\ncolour = blue\n",
        plugin.display()
    );
    let name = dir.display().to_string();
    (watcher.config(&config).env("DIR", &name).flags(flags), dir)
}

/// Before it is started.
fn set_timeout(dir: &Path, timeout: &str) {
    let file = dir.join("config.ini");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("500ms", timeout)).unwrap();
}

/// A watcher whose plugin has been handed an event, has started a process of its own, and hangs. Also its folder.
fn hanging(stage: &Stage, namespace: &str, flags: &str) -> (Daemon, PathBuf) {
    let (watcher, dir) = exec(stage, namespace, "hang", flags);
    set_timeout(&dir, "60s");
    let watcher = watcher.ready();
    create(stage, namespace, "web");
    eventually("the plugin hangs", || {
        let id = fs::read_to_string(dir.join("grandchild")).unwrap_or_default();
        expect(id.ends_with('\n'), "not yet")
    });
    (watcher, dir)
}

/// Puts the plugin in another mode, all at once.
fn set(dir: &Path, mode: &str) {
    fs::write(dir.join("next"), mode).unwrap();
    fs::rename(dir.join("next"), dir.join("mode")).unwrap();
}

fn create(stage: &Stage, namespace: &str, name: &str) -> Value {
    stage.create_pod(&pod_mounting(namespace, name, "none"))
}

/// What the plugin was given, line by line. The last one may be half written yet.
fn heard(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("heard")).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).expect("one line of JSON per event")).collect()
}

/// Waits until the process whose id is in this file is gone, or a zombie.
#[track_caller]
fn wait_gone(file: &Path) {
    let pid = fs::read_to_string(file).expect("a process id").trim().to_owned();
    assert!(!pid.is_empty(), "no process id in {}", file.display());
    eventually(format!("process {pid} is gone"), || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let state = status.lines().find(|line| line.starts_with("State:")).unwrap_or_default();
        expect(state.is_empty() || state.contains('Z'), state)
    });
}

pub fn a_plugin_is_handed_whole_objects_and_its_own_settings(stage: &mut Stage) {
    let (watcher, dir) = exec(stage, "handed", "fine", "--resource po --max-retries 7");
    create(stage, "handed", "before");
    let other = watcher.env("K8S_API_ENDPOINT", "other:1").env("K8S_CA", "other.pem").env("K8S_TOKEN", "s3cret");
    let mut watcher = other.ready();
    wait_told(&watcher, "handed/before", "ADDED");
    let pod = create(stage, "handed", "web");
    wait_told(&watcher, "handed/web", "ADDED");
    stage.delete(&format!("{}?gracePeriodSeconds=0", pod.path()));
    watcher.wait_line("handled");
    eventually("its end is told", || {
        let all = told(&watcher, "handed/web");
        expect(all.ends_with("DELETED"), all)
    });
    let events = heard(&dir);
    let first = &events[0];
    assert_eq!((&first["event"]["type"], &first["config"]["colour"]), (&json!("ADDED"), &json!("blue")));
    for event in &events {
        let object = &event["event"]["object"];
        assert_eq!((&object["apiVersion"], &object["kind"]), (&json!("v1"), &json!("Pod")), "from a list, too");
        assert_eq!(object["spec"]["containers"][0]["image"], "web");
    }
    // The settings are the effective ones, wherever they stand.
    let settings = fs::read_to_string(dir.join("settings")).unwrap();
    assert_eq!(settings, format!("127.0.0.1:{} handed po 7\n", stage.servers.port()));
    // It has the whole environment of the controller, but for the token and what the flags overrule.
    let environment = fs::read_to_string(dir.join("environment")).unwrap();
    assert!(environment.contains("CONFIG_FILE="), "{environment}");
    assert!(!environment.contains("s3cret") && !environment.contains("other"), "{environment}");
    assert_eq!(watcher.terminate(), Some(0));
    wait_gone(&dir.join("pid"));
}

pub fn whatever_a_plugin_does_it_is_started_again_and_nothing_is_lost(stage: &mut Stage) {
    let (watcher, dir) = exec(stage, "misbehaves", "fine", "--log-level debug");
    let mut watcher = watcher.ready();
    for (mode, complaint) in [
        ("hang", "the child was silent for 500ms"),
        ("crash", "the child left without an answer"),
        ("garbage", "Traceback"),
        ("level", "LOUD"),
        ("late", "the child was silent for 500ms"),
    ] {
        set(&dir, mode);
        create(stage, "misbehaves", mode);
        let key = format!("misbehaves/{mode}");
        eventually(format!("it is said what is wrong with {mode}"), || {
            let said = |line: &Line| line.text("key") == key && line.text("error").contains(complaint);
            expect(watcher.lines().iter().any(said), watcher.log())
        });
        set(&dir, "fine");
        if mode == "late" {
            // Now it may answer, if it is still there.
            fs::write(dir.join("go"), "").unwrap();
        }
        wait_told(&watcher, &format!("misbehaves/{mode}"), "ADDED");
    }
    wait_gone(&dir.join("grandchild"));
    assert!(!watcher.log().contains("too late"), "the answer of a child that was given up");

    assert_eq!(watcher.terminate(), Some(0));
}

pub fn a_flood_that_a_plugin_writes_to_stderr_keeps_no_answer_back(stage: &mut Stage) {
    let (watcher, _) = exec(stage, "flooded", "flood", "");
    let mut watcher = watcher.ready();
    create(stage, "flooded", "web");
    wait_told(&watcher, "flooded/web", "ADDED");
    eventually("what it wrote to stderr is in the log", || expect(watcher.log().contains("xxxxxxxx"), "not yet"));
    assert_eq!(watcher.terminate(), Some(0));
}

pub fn an_event_that_kills_the_plugin_is_given_up_and_stops_no_other(stage: &mut Stage) {
    let (watcher, dir) = exec(stage, "poisoned", "fine", "--max-retries 1");
    let mut watcher = watcher.ready();
    create(stage, "poisoned", "poison");
    create(stage, "poisoned", "healthy");
    let line = watcher.wait_line("given up");
    assert_eq!((line.text("level").as_str(), line.text("key").as_str()), ("ERROR", "poisoned/poison"));
    wait_told(&watcher, "poisoned/healthy", "ADDED");
    let tries = heard(&dir).iter().filter(|event| event["event"]["object"].name() == "poison").count();
    assert_eq!(tries, 2, "once, and one retry");
    assert_eq!(watcher.terminate(), Some(0));
}

pub fn a_call_that_is_in_progress_at_sigterm_is_finished(stage: &mut Stage) {
    let (watcher, dir) = exec(stage, "finished", "gate", "--explain");
    set_timeout(&dir, "20s");
    let mut watcher = watcher.ready();
    create(stage, "finished", "first");
    eventually("the plugin is called", || expect(!heard(&dir).is_empty(), "not yet"));
    for name in ["second", "third", "fourth"] {
        create(stage, "finished", name);
    }
    eventually("each of the workers has one, and three wait for their turn", || {
        let of_watch = &[("name", "watch")];
        let added = watcher.count("workqueue_adds_total", of_watch);
        let left = watcher.count("workqueue_depth", of_watch);
        expect(added >= 4.0 && left == 0.0, format!("{added} keys added, {left} of them left"))
    });
    watcher.signal("TERM");
    // That it has heard the signal is said a moment before the queues hear of it.
    watcher.wait_line("nothing new is taken from the queues");
    fs::write(dir.join("go"), "").unwrap();
    assert_eq!(watcher.wait_end(), Some(0));
    assert_eq!((told(&watcher, "finished/first").as_str(), told(&watcher, "finished/second").as_str()), ("ADDED", ""));
    assert_eq!(heard(&dir).len(), 1, "nothing new is begun");
    wait_gone(&dir.join("pid"));
}

pub fn a_plugin_that_outlasts_the_grace_is_ended_with_all_that_it_started(stage: &mut Stage) {
    let (mut watcher, dir) = hanging(stage, "outlasts", "--shutdown-grace 500ms");
    assert_eq!(watcher.terminate(), Some(1));
    watcher.wait_line("still unfinished after the grace of 500ms: outlasts/web");
    wait_gone(&dir.join("pid"));
    wait_gone(&dir.join("grandchild"));
}

pub fn a_second_signal_leaves_nothing_of_a_plugin_that_hangs(stage: &mut Stage) {
    let (mut watcher, dir) = hanging(stage, "abandoned", "");
    watcher.signal("INT");
    watcher.wait_line("shutting down");
    watcher.signal("INT");
    assert_eq!(watcher.wait_end(), Some(128 + 2));
    wait_gone(&dir.join("pid"));
    wait_gone(&dir.join("grandchild"));
}

/// Resident memory, in MiB.
fn memory(watcher: &Daemon) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", watcher.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("kB") / 1024
}

pub fn a_plugin_that_is_slower_than_the_changes_costs_no_memory(stage: &mut Stage) {
    const OBJECTS: usize = 4;
    const CHANGES: usize = 30;
    grant(stage, "", "configmaps");
    let (watcher, dir) = exec(stage, "slow", "gate", "--resource configmaps");
    set_timeout(&dir, "60s");
    let mut watcher = watcher.ready();
    let text = "x".repeat(40_000);
    let path = |n: usize| format!("/api/v1/namespaces/slow/configmaps/c{n}");
    stage.create_many(
        "/api/v1/namespaces/slow/configmaps",
        OBJECTS,
        |n| json!({ "metadata": { "name": format!("c{n}") }, "data": { "text": text, "n": "0" } }),
    );
    // So slow that it does not answer the first one before the last change.
    eventually("the plugin is called", || expect(!heard(&dir).is_empty(), "not yet"));
    let before = memory(&watcher);
    let (api, path) = (&stage.api, &path);
    thread::scope(|scope| {
        for n in 0..OBJECTS {
            scope.spawn(move || {
                for change in 1..=CHANGES {
                    api.patch(&path(n), &json!({ "data": { "n": change.to_string() } })).expect("it is changed");
                }
            });
        }
    });
    let items = || watcher.count("reflector_items", &[("resource", "configmaps")]);
    let known = items();
    stage.create("/api/v1/namespaces/slow/configmaps", &json!({ "metadata": { "name": "last" } }));
    eventually("it has heard of every change", || expect(items() > known, items()));
    let of_watch = &[("name", "watch")];
    let depth = watcher.count("workqueue_depth", of_watch);
    assert!(depth <= OBJECTS as f64 + 1.0, "{depth} keys in the queue for {OBJECTS} objects");
    // All versions together are 5 MB. At most three of each object are held: the plugin's, the last one, one on its way.
    let after = memory(&watcher);
    assert!(after < before + 3, "{before} MiB before {CHANGES} changes of {OBJECTS} objects, {after} MiB after");
    fs::write(dir.join("go"), "").unwrap();
    eventually("there is nothing left to tell", || {
        let left = watcher.count("workqueue_depth", of_watch);
        let doing = watcher.count("workqueue_unfinished_work_seconds", of_watch);
        expect(left + doing == 0.0, format!("{left} keys, {doing} s of work"))
    });
    let events = heard(&dir);
    for n in 0..OBJECTS {
        let last = events.iter().rfind(|event| event["event"]["object"].name() == format!("c{n}"));
        assert_eq!(last.map(|event| &event["event"]["object"]["data"]["n"]), Some(&json!(CHANGES.to_string())), "c{n}");
    }
    assert!(events.len() < OBJECTS * CHANGES, "states in between were skipped");
    assert_eq!(watcher.terminate(), Some(0));
}

pub fn thousands_of_objects_go_through_simple_and_a_tenth_of_them_through_exec(stage: &mut Stage) {
    // On the embedded server more than two pages of a list, which is what can be seen in a second.
    let all = if Kind::chosen() == Kind::Real { 10_000 } else { 1050 };
    let some = all / 10;
    grant(stage, "", "configmaps");
    stage.namespace("many");
    stage.create_many(
        "/api/v1/namespaces/many/configmaps",
        all,
        |n| json!({ "metadata": { "name": format!("c{n}"), "labels": { "some": (n < some).to_string() } } }),
    );
    let (exec, _) = exec(stage, "many-handed", "fine", "--resource configmaps -n many -l some=true");
    let simple = Watcher::new(stage).kubeconfig().flags("--resource configmaps -n many");
    for (watcher, wanted) in [(simple.ready(), all), (exec.ready(), some)] {
        let mut watcher = watcher;
        let done = || watcher.count("reconcile_total", &[("queue", "watch"), ("result", "success")]) as usize;
        within(Duration::from_secs(60), format!("{wanted} objects are told"), || {
            let done = done();
            expect(done == wanted, format!("{done}"))
        });
        let mut told: Vec<String> = watcher.lines().iter().map(|line| line.text("object")).collect();
        told.retain(|object| !object.is_empty());
        told.sort();
        told.dedup();
        assert_eq!(told.len(), wanted, "each of them");
        assert_eq!(watcher.terminate(), Some(0));
    }
}
