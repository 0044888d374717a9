//! A server on loopback, and the real kubectl to talk to it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{
        LazyLock, Once,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use apiserver::{ApiServer, Settings};
use tokio::runtime::Runtime;

/// All servers run on it; the tests themselves wait for kubectl.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// For what a kubectl prints that goes on.
const SOON: Duration = Duration::from_secs(30);

/// One empty server, and a home for kubectl's caches.
pub struct Cluster {
    kubectl: PathBuf,
    url: String,
    home: PathBuf,
}

impl Cluster {
    /// None where there is no kubectl: said once, so that nobody takes the silence for success.
    pub fn start() -> Option<Cluster> {
        static SAID: Once = Once::new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let assets = std::env::var_os("KUBEBUILDER_ASSETS");
        let Some(kubectl) = assets.map(|folder| PathBuf::from(folder).join("kubectl")).filter(|file| file.exists())
        else {
            // Not eprintln, which the test harness swallows.
            SAID.call_once(|| {
                drop(writeln!(std::io::stderr(), "kubectl: skipped, there is no $KUBEBUILDER_ASSETS/kubectl"));
            });
            return None;
        };
        let listener = RUNTIME.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = ApiServer::new(Settings::default());
        RUNTIME.spawn(server.serve(listener, std::future::pending()));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let home = std::env::temp_dir().join(format!("kubectl-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        Some(Cluster { kubectl, url, home })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.env_clear().env("HOME", &self.home).env("KUBECONFIG", self.home.join("none"));
        command.args(["--server", &self.url]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What kubectl prints. Words are separated by blanks; see [`Cluster::args`] for words with blanks in them.
    pub fn ok(&self, line: &str) -> String {
        self.args(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub fn args(&self, arguments: &[&str]) -> String {
        printed(arguments, self.run(arguments, ""))
    }

    /// With `-f -`.
    pub fn send(&self, line: &str, yaml: &str) -> String {
        let arguments: Vec<&str> = line.split_whitespace().chain(["-f", "-"]).collect();
        printed(&arguments, self.run(&arguments, yaml))
    }

    /// What kubectl says when it fails, as it should.
    pub fn fails(&self, line: &str, yaml: &str) -> String {
        let mut arguments: Vec<&str> = line.split_whitespace().collect();
        if !yaml.is_empty() {
            arguments.extend(["-f", "-"]);
        }
        let output = self.run(&arguments, yaml);
        assert!(!output.status.success(), "kubectl {arguments:?} did not fail");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Starts a kubectl that goes on, and gives back what it prints, line by line.
    pub fn follow(&self, line: &str) -> Follow {
        let mut child = self.command(&line.split_whitespace().collect::<Vec<_>>()).spawn().unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, lines) = mpsc::channel();
        // Ends with the child's output, or when nobody wants to know any more.
        thread::spawn(move || printed.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Follow { child, lines }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.home));
    }
}

fn printed(arguments: &[&str], output: Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// A kubectl that goes on until this is dropped.
pub struct Follow {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Follow {
    /// The next line, with single blanks.
    pub fn line(&mut self) -> String {
        words(&self.lines.recv_timeout(SOON).expect("a line in time"))
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// With single blanks: columns are as wide as what is in them.
pub fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every line, with single blanks.
pub fn lines(text: &str) -> Vec<String> {
    text.lines().map(words).collect()
}
