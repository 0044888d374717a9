//! The plugins in `examples/plugins/`, driven by the protocol of `exec` over pipes.
//!
//! They need python3, and sh with curl and jq. Where a program is missing, its tests print that they were skipped.

mod adapter;
mod alert;
mod exec;
mod guide;

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// How long anything may take before a test fails.
const DEADLINE: Duration = Duration::from_secs(30);

/// Returns whether all these programs are installed. If not, prints that where the test harness does not hide it.
fn have(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|program| !runs(program)).collect();
    if !missing.is_empty() {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let line = format!("{test}: skipped, {} not found\n", missing.join(", "));
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    missing.is_empty()
}

fn runs(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// A file of the repository.
fn file(path: &str) -> String {
    format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))
}

/// A running plugin, ended when dropped.
struct Plugin {
    child: Child,
    /// None once nothing more is to come.
    stdin: Option<ChildStdin>,
    answers: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

impl Plugin {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a plugin");
        let stdin = child.stdin.take();
        let (sender, answers) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut stderr = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut all = Vec::new();
            stderr.read_to_end(&mut all).unwrap();
            String::from_utf8_lossy(&all).into_owned()
        });
        Plugin { child, stdin, answers, stderr: Some(stderr) }
    }

    fn send(&mut self, event: &Value, config: &Value) {
        let line = json!({"event": event, "config": config}).to_string() + "\n";
        self.stdin.as_mut().unwrap().write_all(line.as_bytes()).expect("a plugin that reads");
    }

    /// Message and level of the answer to this event. Panics, with what the plugin wrote to stderr, if there is none.
    fn ask(&mut self, event: &Value, config: &Value) -> (String, String) {
        self.send(event, config);
        let Ok(line) = self.answers.recv_timeout(DEADLINE) else {
            panic!("no answer, but {:?}", self.end());
        };
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?} is no JSON: {e}"));
        let word = |key: &str| answer[key].as_str().unwrap_or_else(|| panic!("{line:?} has no {key}")).to_owned();
        (word("message"), word("level"))
    }

    /// How it ends when its input does, and what it wrote to stderr. Panics if it still has something to say.
    fn end(&mut self) -> (ExitStatus, String) {
        self.stdin = None;
        self.left()
    }

    /// Waits until it leaves.
    fn left(&mut self) -> (ExitStatus, String) {
        match self.answers.recv_timeout(DEADLINE) {
            Err(RecvTimeoutError::Disconnected) => {}
            Ok(line) => panic!("one answer for one event, but there is {line:?}"),
            Err(RecvTimeoutError::Timeout) => panic!("the plugin does not end"),
        }
        let until = Instant::now() + DEADLINE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > until => panic!("the plugin has closed its stdout, but does not end"),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        (status, self.stderr.take().map(|stderr| stderr.join().unwrap()).unwrap_or_default())
    }

    /// How it dies of this event without an answer: exit code and stderr.
    fn dies_of(&mut self, event: &Value, config: &Value) -> (Option<i32>, String) {
        self.send(event, config);
        let (status, stderr) = self.left();
        (status.code(), stderr)
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An event as `exec` writes it.
fn event(r#type: &str, object: &Value) -> Value {
    json!({"type": r#type, "object": object})
}

/// A Route `shop/web`.
fn route() -> Value {
    json!({
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {"namespace": "shop", "name": "web", "uid": "u1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"host": "web.apps.example.com"},
    })
}
