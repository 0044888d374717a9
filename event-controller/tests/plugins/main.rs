//! Tests of the plugins in `examples/plugins/`, with the protocol of `exec` over pipes.
//!
//! They need python3, and sh with curl and jq. If a program is missing, its tests are skipped with a message.

mod adapter;
mod alert;
mod exec;
mod guide;

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::{self, JoinHandle},
};

use serde_json::{Value, json};
use testkit::{
    process::{find_program, wait_exit},
    repo,
    wait::DEADLINE,
};

/// Returns whether all these programs are installed. If not, prints a message that cargo does not capture.
fn are_installed(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|program| find_program(program).is_none()).collect();
    if !missing.is_empty() {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let line = format!("{test}: skipped, {} not found\n", missing.join(", "));
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    missing.is_empty()
}

/// Returns the path of a file of the repository.
fn repo_path(path: &str) -> String {
    repo().join(path).display().to_string()
}

/// A running plugin, killed when dropped.
struct PluginProcess {
    child: Child,
    /// None after the last event.
    stdin: Option<ChildStdin>,
    responses: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

impl PluginProcess {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a plugin");
        let stdin = child.stdin.take();
        let (sender, responses) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut stderr = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut all = Vec::new();
            stderr.read_to_end(&mut all).unwrap();
            String::from_utf8_lossy(&all).into_owned()
        });
        PluginProcess { child, stdin, responses, stderr: Some(stderr) }
    }

    fn send(&mut self, event: &Value, config: &Value) {
        let line = json!({"event": event, "config": config}).to_string() + "\n";
        self.stdin.as_mut().unwrap().write_all(line.as_bytes()).expect("a plugin that reads");
    }

    /// Sends an event and returns the message and level of the response. Panics without a response.
    fn request(&mut self, event: &Value, config: &Value) -> (String, String) {
        self.send(event, config);
        let Ok(line) = self.responses.recv_timeout(DEADLINE) else {
            panic!("no response, but {:?}", self.close());
        };
        let response: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?} is not JSON: {e}"));
        let text = |key: &str| response[key].as_str().unwrap_or_else(|| panic!("{line:?} has no {key}")).to_owned();
        (text("message"), text("level"))
    }

    /// Closes stdin, and returns the exit status and stderr. Panics on another response.
    fn close(&mut self) -> (ExitStatus, String) {
        self.stdin = None;
        self.wait()
    }

    /// Waits for the exit.
    fn wait(&mut self) -> (ExitStatus, String) {
        match self.responses.recv_timeout(DEADLINE) {
            Err(RecvTimeoutError::Disconnected) => {}
            Ok(line) => panic!("one response per event, but there is {line:?}"),
            Err(RecvTimeoutError::Timeout) => panic!("the plugin does not exit"),
        }
        (wait_exit(&mut self.child), self.stderr.take().map(|stderr| stderr.join().unwrap()).unwrap_or_default())
    }

    /// Sends an event that ends the plugin without a response, and returns the exit code and stderr.
    fn fail_on(&mut self, event: &Value, config: &Value) -> (Option<i32>, String) {
        self.send(event, config);
        let (status, stderr) = self.wait();
        (status.code(), stderr)
    }
}

impl Drop for PluginProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns an event as `exec` writes it.
fn event(r#type: &str, object: &Value) -> Value {
    json!({"type": r#type, "object": object})
}

/// Returns a Route `shop/web`.
fn route() -> Value {
    json!({
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {"namespace": "shop", "name": "web", "uid": "u1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"host": "web.apps.example.com"},
    })
}
