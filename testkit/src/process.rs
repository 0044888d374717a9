//! A built binary as a child process.

use std::{
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    MetricsPage, http,
    log::text,
    server::{signal, tail},
    wait::{DEADLINE, eventually, expect, within},
};

/// A running process that logs JSON and serves HTTP at `port`. Dropping it kills it, and prints the end of its log if the
/// test fails.
pub struct Process {
    child: Child,
    port: u16,
    log: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts the process without waiting until it is ready.
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

    /// Returns the status code and the body of a page.
    pub fn page(&self, path: &str) -> Result<(u16, String), String> {
        http::get(self.port, path)
    }

    /// Returns the sum of a counter or gauge, 0 if it cannot be read.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.page("/metrics").map_or(0.0, |(_, text)| MetricsPage(text).sum(name, labels))
    }

    /// Its log.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The JSON lines of its log. Only a panic prints other lines.
    pub fn lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for a line with `words` in the message or in another field.
    #[track_caller]
    pub fn wait_line(&self, words: &str) -> Value {
        let matches =
            |line: &Value| line.as_object().is_some_and(|all| all.keys().any(|f| text(line, f).contains(words)));
        eventually(format!("a log line contains {words:?}"), || {
            self.lines().into_iter().find(matches).ok_or_else(|| tail(&self.log(), 10))
        })
    }

    /// Sends a signal: `TERM`, `INT`, `STOP`.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Sends SIGTERM, then [`Process::wait_end`].
    #[track_caller]
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait_end()
    }

    /// Waits until it has ended and its log is complete. Returns the exit code.
    #[track_caller]
    pub fn wait_end(&mut self) -> Option<i32> {
        let status = wait_exit(&mut self.child);
        self.reader.take().into_iter().for_each(|reader| drop(reader.join()));
        status.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the end of the log of the process:\n{}", tail(&self.log(), 40));
        }
    }
}
/// Returns the path of a program in a folder of the PATH.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Waits until a child process has ended.
#[track_caller]
pub fn wait_exit(child: &mut Child) -> ExitStatus {
    eventually("the process ends", || match child.try_wait() {
        Ok(Some(status)) => Ok(status),
        other => Err(format!("{other:?}")),
    })
}

/// Runs a command to its end and returns its output, as [`Command::output`] does, but with a deadline.
///
/// # Panics
/// The command still runs after [`DEADLINE`]. The message has its output.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let (pid, (sender, receiver)) = (child.id(), mpsc::channel());
    thread::spawn(move || sender.send(child.wait_with_output()));
    let received = receiver.recv_timeout(DEADLINE);
    let has_ended = received.is_ok();
    if !has_ended {
        signal(pid, "KILL");
    }
    let output = received.or_else(|_| receiver.recv()).expect("the thread sends").expect("its output can be read");
    assert!(has_ended, "{command:?} has not ended within {DEADLINE:?}: {output:?}");
    output
}
