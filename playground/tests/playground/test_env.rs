//! Runs the built binary in a temporary folder, and reads its output.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use testkit::Folder;

/// The limit of each wait.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The working directory and the temporary folder of the binary.
pub struct WorkDir(pub Folder);

impl WorkDir {
    pub fn new(name: &str) -> Self {
        WorkDir(Folder::new(name))
    }

    pub fn start(&self, args: &str) -> TestEnv {
        let mut child = self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (Lines::of(child.stdout.take().unwrap()), Lines::of(child.stderr.take().unwrap()));
        TestEnv { child, stdout, stderr }
    }

    /// The environment is empty, so it names no kubeconfig.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_playground"));
        command.args(args.split_whitespace()).env_clear().env("TMPDIR", &*self.0).current_dir(&*self.0);
        command.stdin(Stdio::null());
        command
    }

    pub fn files(&self) -> Vec<PathBuf> {
        self.0.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

/// The running binary: an API server, the simulated cluster and the controller. Killed when dropped.
pub struct TestEnv {
    pub child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
}

impl TestEnv {
    /// Returns the address of the API server, from the introduction.
    pub fn server(&mut self) -> String {
        let line = self.stdout.wait_for("http://127.0.0.1:");
        let address = line.split_once("http://").unwrap().1;
        address.split(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ':')).next().unwrap().to_owned()
    }

    pub fn kubeconfig(&mut self) -> PathBuf {
        self.stdout.wait_for("export KUBECONFIG=").split('\'').nth(1).unwrap().into()
    }

    pub fn signal(&self, name: &str) {
        testkit::server::signal(self.child.id(), name);
    }

    /// Waits for the end. Returns the exit code, stdout and stderr.
    pub fn wait(&mut self) -> (Option<i32>, String, String) {
        let deadline = Instant::now() + TIMEOUT;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "still running: {:#?}", self.stdout.seen),
            }
            thread::sleep(Duration::from_millis(5));
        };
        (status.code(), self.stdout.rest(), self.stderr.rest())
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe.
pub struct Lines {
    receiver: Receiver<String>,
    pub seen: Vec<String>,
}

impl Lines {
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        let lines = BufReader::new(pipe).lines().map_while(Result::ok);
        thread::spawn(move || lines.into_iter().try_for_each(|line| sender.send(line)));
        Lines { receiver, seen: Vec::new() }
    }

    /// Returns the next line that contains this text.
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.receiver.recv_timeout(left).unwrap_or_else(|e| panic!("{text:?}: {e}; {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for a line with each of these texts, in any order.
    pub fn wait_for_all(&mut self, texts: &[&str]) {
        let mut left = texts.to_vec();
        while !left.is_empty() {
            let line = self.wait_for("");
            left.retain(|text| !line.contains(text));
        }
    }

    fn rest(&mut self) -> String {
        self.seen.extend(self.receiver.iter());
        self.seen.join("\n")
    }
}

/// Sends a request. Returns the status code and the body.
pub fn http(server: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let content_type = if method == "PATCH" { "application/strategic-merge-patch+json" } else { "application/json" };
    let mut stream = TcpStream::connect(server).unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
