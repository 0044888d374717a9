//! A folder for each test, the running binary, and its lines.

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

/// How long anything may take before a test fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// The working directory and the temporary folder of the binary.
pub struct Home(pub Folder);

impl Home {
    pub fn new(name: &str) -> Self {
        Home(Folder::new(name))
    }

    pub fn playground(&self, args: &str) -> Playground {
        let mut child = self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (Lines::of(child.stdout.take().unwrap()), Lines::of(child.stderr.take().unwrap()));
        Playground { child, stdout, stderr }
    }

    /// In an empty environment, so without a kubeconfig.
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

/// The running binary, killed when dropped.
pub struct Playground {
    pub child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
}

impl Playground {
    /// The address of the API server, from the first paragraph.
    pub fn server(&mut self) -> String {
        let line = self.stdout.until("http://127.0.0.1:");
        let address = line.split_once("http://").unwrap().1;
        address.split(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ':')).next().unwrap().to_owned()
    }

    pub fn kubeconfig(&mut self) -> PathBuf {
        self.stdout.until("export KUBECONFIG=").split('\'').nth(1).unwrap().into()
    }

    pub fn signal(&self, name: &str) {
        testkit::server::signal(self.child.id(), name);
    }

    /// Waits for the end. Returns the exit code and what it printed.
    pub fn end(&mut self) -> (Option<i32>, String, String) {
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < deadline, "it does not end: {:#?}", self.stdout.seen),
            }
            thread::sleep(Duration::from_millis(5));
        };
        (status.code(), self.stdout.rest(), self.stderr.rest())
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe, as they come.
pub struct Lines {
    from: Receiver<String>,
    pub seen: Vec<String>,
}

impl Lines {
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, from) = channel();
        let lines = BufReader::new(pipe).lines().map_while(Result::ok);
        thread::spawn(move || lines.into_iter().try_for_each(|line| sender.send(line)));
        Lines { from, seen: Vec::new() }
    }

    /// Returns the next line with this text.
    pub fn until(&mut self, text: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.from.recv_timeout(left).unwrap_or_else(|e| panic!("{text:?}: {e}; {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Returns after a line with each of these texts, in any order.
    pub fn until_all(&mut self, texts: &[&str]) {
        let mut left = texts.to_vec();
        while !left.is_empty() {
            let line = self.until("");
            left.retain(|text| !line.contains(text));
        }
    }

    fn rest(&mut self) -> String {
        self.seen.extend(self.from.iter());
        self.seen.join("\n")
    }
}

/// A request as curl sends it. Returns the code and the body.
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
