//! The built binary as a child process: its log, its pages, its end.

use std::{
    cell::Cell,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    http,
    metrics::Metrics,
    openmetrics,
    runner::note,
    server::{signal, tail},
    wait::{eventually, expect, within},
};

/// A running process that serves its pages at `port` and logs JSON. Dropping it kills it, and a failing scenario is told
/// the end of its log.
pub struct Daemon {
    child: Child,
    port: u16,
    log: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
    ended: Cell<Option<ExitStatus>>,
}

/// A line of its log.
#[derive(Clone, Debug)]
pub struct Line(pub Value);

impl Line {
    fn says(&self, text: &str) -> bool {
        self.0.as_str().is_some_and(|words| words.contains(text))
    }

    /// A field as text, empty if there is none.
    pub fn text(&self, field: &str) -> String {
        match &self.0[field] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// The built binary, in an environment of its own: nothing of ours leaks in, neither a KUBECONFIG nor a RUST_LOG.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo-controller"));
    command.env_clear();
    command
}

impl Daemon {
    /// Starts it, and waits for nothing.
    pub fn start(mut command: Command, port: u16) -> Daemon {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the built binary can be started");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
        let log: Arc<Mutex<String>> = Arc::default();
        let reader = thread::spawn({
            let log = log.clone();
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    *log.lock().unwrap() += &(line + "\n");
                }
            }
        });
        Daemon { child, port, log, reader: Some(reader), ended: Cell::new(None) }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `/readyz` is 200.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        within(Duration::from_secs(60), "the controller is ready", || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the controller has ended: {status}");
            }
            let (code, body) = self.readyz()?;
            expect(code == 200, body)
        });
    }

    /// The answer of `/readyz`.
    pub fn readyz(&self) -> Result<(u16, String), String> {
        http::get(self.port, "/readyz")
    }

    /// The answer of a page.
    pub fn page(&self, path: &str) -> Result<(u16, String), String> {
        http::get(self.port, path)
    }

    /// What it counts.
    ///
    /// # Panics
    /// When a collector could not read it.
    pub fn metrics(&self) -> Result<Metrics, String> {
        let (_, text) = self.page("/metrics")?;
        openmetrics::parse(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
        Ok(Metrics(text))
    }

    /// The sum of a counter or gauge. Zero where there is no such metric, or no answer.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().map_or(0.0, |metrics| metrics.sum(name, labels))
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines of its log that are JSON. All are, but for a panic.
    pub fn lines(&self) -> Vec<Line> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).map(Line).collect()
    }

    /// Waits for a line whose message or fields contain this text.
    #[track_caller]
    pub fn wait_line(&self, text: &str) -> Line {
        let holds = |line: &Line| line.0.as_object().is_some_and(|f| f.values().any(|v| Line(v.clone()).says(text)));
        eventually(format!("a log line says {text:?}"), || {
            self.lines().into_iter().find(holds).ok_or_else(|| tail(&self.log(), 10))
        })
    }

    /// Sends a signal: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Sends SIGTERM and returns the exit code, once all of its log is read.
    #[track_caller]
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait_end()
    }

    /// Waits for its end and returns the exit code.
    #[track_caller]
    pub fn wait_end(&mut self) -> Option<i32> {
        let status = eventually("the controller ends", || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?}")),
        });
        self.ended.set(Some(status));
        self.reader.take().into_iter().for_each(|reader| reader.join().unwrap());
        status.code()
    }

    /// As the out-of-memory killer does.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.ended.get().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            note(format!("the end of the controller's log:\n{}", tail(&self.log(), 40)));
        }
    }
}
