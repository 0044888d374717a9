//! What the tests stand on: a folder of their own, the running binary, its lines as they come.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use testkit::Folder;

/// How long anything may take before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A directory of this test alone, also for what the binary puts into temporary files. Gone when dropped.
pub struct Home(pub Folder);

impl Home {
    pub fn new(name: &str) -> Self {
        Home(Folder::new(name))
    }

    pub fn playground(&self, args: &str) -> Playground {
        Playground::start(self.command(args))
    }

    /// In an empty environment, so with a kubeconfig of nobody.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo-controller"));
        command.arg("playground").args(args.split_whitespace());
        command.env_clear().env("HOME", &*self.0).env("TMPDIR", &*self.0).current_dir(&*self.0).stdin(Stdio::null());
        command
    }

    pub fn files(&self) -> Vec<PathBuf> {
        self.0.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

/// A running binary, ended when dropped.
pub struct Playground {
    pub child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
}

impl Playground {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Playground { stdout: Lines::of(stdout), stderr: Lines::of(stderr), child }
    }

    /// The API server's address, from the first paragraph.
    pub fn server(&mut self) -> String {
        let line = self.stdout.until("http://127.0.0.1:");
        let rest = line.split_once("http://").unwrap().1;
        rest.split(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ':'))
            .next()
            .unwrap()
            .trim_end_matches('.')
            .to_owned()
    }

    /// The path that the learner is to export.
    pub fn kubeconfig(&mut self) -> PathBuf {
        self.stdout.until("export KUBECONFIG=").split_once('=').unwrap().1.into()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([format!("-{name}"), id]).status().unwrap().success());
    }

    /// What its first thread does: `S` is "waits".
    pub fn main_thread(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name before it is in parentheses, and may contain anything.
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap()
    }

    pub fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + DEADLINE;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() > until => panic!("it does not end; {:?}", self.stderr.seen),
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Everything that it says until its end.
    pub fn last_words(&mut self) -> (Option<i32>, String, String) {
        let code = self.ended().code();
        (code, self.stdout.rest(), self.stderr.rest())
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come.
pub struct Lines {
    from: Receiver<String>,
    pub seen: Vec<String>,
}

pub trait Pipe: Read + Send + 'static {}
impl Pipe for ChildStdout {}
impl Pipe for ChildStderr {}

impl Lines {
    pub fn of_nothing() -> Self {
        Lines { from: channel().1, seen: Vec::new() }
    }

    pub fn of(pipe: impl Pipe) -> Self {
        let (sender, from) = channel();
        let lines = BufReader::new(pipe).lines().map_while(Result::ok);
        thread::spawn(move || lines.into_iter().try_for_each(|line| sender.send(line)));
        Lines { from, seen: Vec::new() }
    }

    /// Lines that hold these words, one for each, in any order: pods are worked on side by side.
    pub fn until_all(&mut self, words: &[&str]) {
        let mut left = words.to_vec();
        while !left.is_empty() {
            let line = self.until("");
            left.retain(|words| !line.contains(words));
        }
    }

    /// The next line that holds these words.
    pub fn until(&mut self, words: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.from.recv_timeout(left).unwrap_or_else(|e| panic!("{words:?}: {e}; {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    pub fn rest(&mut self) -> String {
        self.seen.extend(self.from.iter());
        self.seen.join("\n")
    }
}

/// A request like curl's. The code and the body.
pub fn http(server: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let content_type = if method == "PATCH" { "application/strategic-merge-patch+json" } else { "application/json" };
    let mut stream = TcpStream::connect(server).unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Each of these stands in the text, behind the one before.
pub fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is missing, or too early:\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

/// Looks again and again, until it is so.
pub fn eventually(what: &str, so: impl Fn() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !so() {
        assert!(Instant::now() < until, "{what}: not within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
