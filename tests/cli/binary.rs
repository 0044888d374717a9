//! The built binary: how to start it, what it says, how it ends.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything may take before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The binary in an empty environment, at home in this directory, on a system without CA certificates (as an image from
/// scratch).
pub fn controller(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo-controller"));
    command
        .env_clear()
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", "/nowhere")
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

/// A running binary, ended when dropped.
pub struct Running {
    pub child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Running { child, lines }
    }

    /// The first log line with this message.
    pub fn line(&self, message: &str) -> Value {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|e| panic!("waiting for {message:?}: {e}"));
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?} is no JSON: {e}"));
            if line["message"] == message {
                return line;
            }
        }
    }

    pub fn signal(&self, name: &str) {
        kill(name, self.child.id());
    }

    pub fn ended(&mut self) -> ExitStatus {
        wait_for("the end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn kill(signal: &str, process: u32) {
    let sent = Command::new("kill").args([format!("-{signal}"), process.to_string()]).stderr(Stdio::null()).status();
    sent.expect("the kill command");
}

/// Asks again and again until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        match ask() {
            Some(answer) => return answer,
            None if Instant::now() > until => panic!("{what} did not come within {DEADLINE:?}"),
            None => thread::yield_now(),
        }
    }
}

/// The one line that the binary left on stderr, without its `error: `.
pub fn one_line(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "exactly one line: {stderr:?}");
    assert!(output.stdout.is_empty());
    stderr.trim_end().strip_prefix("error: ").unwrap_or_else(|| panic!("{stderr:?}")).to_owned()
}

/// Connected to nobody, with health on a free port. Returns the port's address too.
pub fn running(command: &mut Command) -> (Running, String, Value) {
    started(command, "demo-controller starts")
}

/// The same for a command that begins with other words.
pub fn started(command: &mut Command, words: &str) -> (Running, String, Value) {
    let running = Running::start(command.args(["--listen", "127.0.0.1:0"]));
    let line = running.line(words);
    let address = line["listen"].as_str().unwrap().to_owned();
    (running, address, line)
}

pub fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Of the contexts, all but the first are wrong in one way each.
pub const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: dev
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1", insecure-skip-tls-verify: true}},
           {name: proxied, cluster: {server: "https://127.0.0.1:1", proxy-url: "http://proxy:3128"}},
           {name: badca, cluster: {server: "https://127.0.0.1:1", certificate-authority: nowhere.crt}}]
users: [{name: u, user: {token: kube-s3cret}}, {name: filed, user: {tokenFile: nowhere.token}},
        {name: plugged, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never}}}]
contexts: [{name: dev, context: {cluster: c, user: u, namespace: team}}, {name: proxied, context: {cluster: proxied, user: u}},
           {name: badca, context: {cluster: badca, user: u}}, {name: lost, context: {cluster: gone, user: u}},
           {name: filed, context: {cluster: c, user: filed}}, {name: plugged, context: {cluster: c, user: plugged}}]
"#;
