//! A server on loopback, and the real kubectl as its client.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{LazyLock, Once, mpsc},
    thread,
};

use apiserver::{ApiServer, Settings};
use testkit::{Folder, control_plane::asset, wait::DEADLINE};
use tokio::runtime::Runtime;

/// Runs all servers. The tests are blocking code.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// An empty server, and the home folder of kubectl.
pub struct TestEnv {
    kubectl: PathBuf,
    url: String,
    home: Folder,
}

impl TestEnv {
    /// Returns None without kubectl, and reports that once.
    pub fn start() -> Option<TestEnv> {
        static REPORTED: Once = Once::new();
        let kubectl = asset("kubectl");
        if !kubectl.exists() {
            // The test harness captures the output of eprintln.
            REPORTED.call_once(|| {
                drop(writeln!(std::io::stderr(), "kubectl: skipped, there is no $KUBEBUILDER_ASSETS/kubectl"));
            });
            return None;
        }
        let listener = RUNTIME.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = ApiServer::new(Settings::default());
        RUNTIME.spawn(server.serve(listener, std::future::pending()));
        Some(TestEnv { kubectl, url, home: Folder::new("kubectl") })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.env_clear().env("HOME", &*self.home).env("KUBECONFIG", self.home.join("none"));
        command.args(["--server", &self.url]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs kubectl with the words of `line` as arguments, and returns its output.
    pub fn kubectl(&self, line: &str) -> String {
        self.kubectl_args(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// [`TestEnv::kubectl`] for arguments that contain blanks.
    pub fn kubectl_args(&self, arguments: &[&str]) -> String {
        stdout(arguments, self.run(arguments, ""))
    }

    /// [`TestEnv::kubectl`] with `-f -`.
    pub fn kubectl_with_input(&self, line: &str, yaml: &str) -> String {
        let arguments: Vec<&str> = line.split_whitespace().chain(["-f", "-"]).collect();
        stdout(&arguments, self.run(&arguments, yaml))
    }

    /// Asserts that kubectl fails, and returns its error output. With `-f -` if there is any `yaml`.
    pub fn kubectl_error(&self, line: &str, yaml: &str) -> String {
        let mut arguments: Vec<&str> = line.split_whitespace().collect();
        if !yaml.is_empty() {
            arguments.extend(["-f", "-"]);
        }
        let output = self.run(&arguments, yaml);
        assert!(!output.status.success(), "kubectl {arguments:?} did not fail");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Starts a kubectl that keeps running.
    pub fn spawn_kubectl(&self, line: &str) -> RunningKubectl {
        let mut child = self.command(&line.split_whitespace().collect::<Vec<_>>()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, lines) = mpsc::channel();
        // Ends with the output, or when the receiver is dropped.
        thread::spawn(move || output.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        RunningKubectl { child, lines }
    }
}

fn stdout(arguments: &[&str], output: Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// A running kubectl. Dropping it kills the process.
pub struct RunningKubectl {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl RunningKubectl {
    /// Waits for the next line. Blanks are as in [`single_spaced`].
    pub fn next_line(&mut self) -> String {
        single_spaced(&self.lines.recv_timeout(DEADLINE).expect("a line in time"))
    }
}

impl Drop for RunningKubectl {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Replaces each group of blanks by one, because the width of columns varies.
pub fn single_spaced(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// [`single_spaced`] of every line.
pub fn lines(text: &str) -> Vec<String> {
    text.lines().map(single_spaced).collect()
}
