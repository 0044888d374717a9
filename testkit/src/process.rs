//! A built binary as a child process: its log, its pages, its end.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    Page, http,
    log::text,
    server::{signal, tail},
    wait::{eventually, expect, within},
};

/// A running process that logs JSON and serves its pages at `port`. Dropping it kills it; while a test fails, the end of
/// its log is printed.
pub struct Process {
    child: Child,
    port: u16,
    log: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts it in the environment of `command`, and waits for nothing.
    pub fn start(mut command: Command, port: u16) -> Process {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        let stderr = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
        let log: Arc<Mutex<String>> = Arc::default();
        let reader = thread::spawn({
            let log = log.clone();
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    *log.lock().unwrap_or_else(PoisonError::into_inner) += &(line + "\n");
                }
            }
        });
        Process { child, port, log, reader: Some(reader) }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `/readyz` is 200.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        within(Duration::from_secs(60), "the process is ready", || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the process has ended: {status}");
            }
            let (code, body) = self.page("/readyz")?;
            expect(code == 200, body)
        });
    }

    /// The status code and the body of a page.
    pub fn page(&self, path: &str) -> Result<(u16, String), String> {
        http::get(self.port, path)
    }

    /// The sum of a counter or gauge; 0 if there is no such metric, or no answer.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.page("/metrics").map_or(0.0, |(_, text)| Page(text).sum(name, labels))
    }

    /// Its log.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines of its log that are JSON: all of them, except those of a panic.
    pub fn lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for a line with this text in the message or in a field.
    #[track_caller]
    pub fn wait_line(&self, words: &str) -> Value {
        let holds =
            |line: &Value| line.as_object().is_some_and(|all| all.keys().any(|f| text(line, f).contains(words)));
        eventually(format!("a log line contains {words:?}"), || {
            self.lines().into_iter().find(holds).ok_or_else(|| tail(&self.log(), 10))
        })
    }

    /// Sends a signal: `TERM`, `INT`, `STOP`.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Sends SIGTERM and returns the exit code, once all of its log is read.
    #[track_caller]
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait_end()
    }

    /// Waits for its end and returns the exit code, once all of its log is read.
    #[track_caller]
    pub fn wait_end(&mut self) -> Option<i32> {
        let status = eventually("the process ends", || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?}")),
        });
        self.reader.take().into_iter().for_each(|reader| drop(reader.join()));
        status.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the end of the process's log:\n{}", tail(&self.log(), 40));
        }
    }
}
