//! `watch` with the plugin `exec`, which does all that a plugin should not: `tests/e2e/plugin.sh`, as in the scenarios of
//! `tests/e2e/scenarios/plugins.rs`.
//!
//! A child process knows no other clock than the wall's, so this one runs. What it is to wait for without a child, the
//! time-out and the backoff before the next child, is jumped over.

use std::{fs, path::Path, time::Duration};

use demo_controller::{
    cli::{PluginChoice, Watch},
    watch::exec,
};
use serde_json::{Value, json};
use tokio::time;
use tracing::Level;

use testkit::{Folder, Log};

use crate::{
    resources::simple,
    said::{lines, said, text, told},
    world::{World, soon},
};

/// What a child may take. So long that no machine is too slow, and half of what [`soon`] waits: a jump that came before
/// the child was asked for its answer is made up for by the clock itself.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than any wait before a child is started, and much shorter than [`TIMEOUT`].
const BACKOFF: Duration = Duration::from_secs(6);

/// A watcher of pods, and the folder in which its plugin finds its mode and leaves what it was given.
struct Plugin {
    log: Log,
    world: World,
    dir: Folder,
}

impl Plugin {
    async fn start(name: &str, max_retries: u32) -> Plugin {
        // Failures in a row are quieter than the first.
        let (log, mut world) = (Log::start(Level::DEBUG), World::new(1).await);
        let dir = Folder::new(name);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/plugin.sh");
        let words = [("command", format!("sh '{}'", script.display())), ("timeout", format!("{}s", TIMEOUT.as_secs()))];
        let config = words.map(|(key, value)| (key.to_owned(), value)).into();
        let child = exec::Settings::read(&config).expect("settings");
        let environment = [("DIR".to_owned(), Some(dir.display().to_string()))].into();
        let plugin = PluginChoice::Exec { child, environment };
        dir.file("mode", "fine");
        world.namespace("ns").await;
        world.watch(Watch { plugin, config, max_retries, ..simple("pods") }).await;
        Plugin { log, world, dir }
    }

    /// Puts the plugin in another mode, all at once.
    fn set(&self, mode: &str) {
        fs::write(self.dir.join("next"), mode).expect("a mode can be written");
        fs::rename(self.dir.join("next"), self.dir.join("mode")).expect("a file can be renamed");
    }

    /// How often the plugin was given this pod.
    fn heard(&self, pod: &str) -> usize {
        let text = fs::read_to_string(self.dir.join("heard")).unwrap_or_default();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["event"]["object"]["metadata"]["name"] == pod).count()
    }

    /// The errors of attempts at this pod.
    fn failures(&self, pod: &str) -> Vec<String> {
        let key = format!("ns/{pod}");
        let of_it = lines(&self.log).into_iter().filter(|line| line["key"] == key);
        of_it.map(|line| text(&line, "error")).filter(|error| !error.is_empty()).collect()
    }
}

/// Just this was told of a pod: that it is there.
fn is_told(plugin: &Plugin, pod: &str) -> Result<(), String> {
    let now = told(&plugin.log, &format!("ns/{pod}"));
    if now == "ADDED" { Ok(()) } else { Err(now) }
}

/// So much time passes at once.
async fn jump(over: Duration) {
    time::pause();
    time::advance(over).await;
    time::resume();
}

#[tokio::test]
async fn whatever_a_plugin_does_it_is_started_again_and_nothing_is_lost() {
    let plugin = Plugin::start("misbehaves", 5).await;
    for (mode, complaint) in [
        ("hang", "the child was silent for 30s"),
        ("crash", "the child left without an answer"),
        ("garbage", "Traceback"),
        ("level", "LOUD"),
        ("late", "the child was silent for 30s"),
    ] {
        plugin.set(mode);
        plugin.world.create_pod("ns", mode).await;
        soon(async || (plugin.heard(mode) > 0).then_some(()).ok_or("it is not called")).await;
        if mode == "hang" {
            soon(async || {
                let id = fs::read_to_string(plugin.dir.join("grandchild")).unwrap_or_default();
                if id.ends_with('\n') { Ok(()) } else { Err("it has not started another") }
            })
            .await;
        }
        if complaint.contains("silent") {
            jump(TIMEOUT).await;
        }
        soon(async || {
            let failures = plugin.failures(mode);
            if failures.iter().any(|error| error.contains(complaint)) { Ok(()) } else { Err(failures) }
        })
        .await;
        plugin.set("fine");
        if mode == "late" {
            // Now it may answer, if it is still there.
            plugin.dir.file("go", "");
        }
        jump(BACKOFF).await;
        soon(async || is_told(&plugin, mode)).await;
    }
    let grandchild = fs::read_to_string(plugin.dir.join("grandchild")).expect("a process id");
    assert!(!grandchild.trim().is_empty());
    let status = format!("/proc/{}/status", grandchild.trim());
    let gone = async || {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let state = status.lines().find(|line| line.starts_with("State:")).unwrap_or_default();
        if state.is_empty() || state.contains('Z') { Ok(()) } else { Err(state.to_owned()) }
    };
    soon(gone).await;
    assert!(said(&plugin.log, "too late").is_err(), "the answer of a child that was given up");
    plugin.world.end().await;
}

#[tokio::test]
async fn an_event_that_kills_the_plugin_is_given_up_and_stops_no_other() {
    let plugin = Plugin::start("poisoned", 1).await;
    for name in ["poison", "healthy"] {
        plugin.world.create_pod("ns", name).await;
    }
    for attempt in 1..=2 {
        soon(async || (plugin.failures("poison").len() >= attempt).then_some(()).ok_or("it has not failed")).await;
        jump(BACKOFF).await;
    }
    let line = soon(async || said(&plugin.log, "given up")).await;
    assert_eq!((&line["level"], &line["key"]), (&json!("ERROR"), &json!("ns/poison")));
    soon(async || is_told(&plugin, "healthy")).await;
    assert_eq!(plugin.heard("poison"), 2, "once, and one retry");
    plugin.world.end().await;
}
