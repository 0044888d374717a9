//! The child process and its process group, which is killed as a whole.

use std::{
    io,
    num::NonZeroU32,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use daemon::LogThrottle;
use governor::{Quota, RateLimiter};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{self, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{Environment, Settings, protocol};
use crate::plugin::Level;

/// How long a killed child may take to be gone.
pub const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest answer, in bytes: it is a message for the log.
const LONGEST_ANSWER: u64 = 64 << 10;

/// A longer line of stderr is logged in parts of this many bytes.
const LONGEST_LINE: u64 = 4 << 10;

/// Lines of stderr that are logged: 50 a second, 500 at once.
const LINES: Quota = Quota::per_second(NonZeroU32::new(50).unwrap()).allow_burst(NonZeroU32::new(500).unwrap());

/// The process group of the child, 0 for none. Clones share it: the process may kill the child when it exits at once.
#[derive(Clone, Debug, Default)]
pub struct ChildGroup(Arc<AtomicI32>);

impl ChildGroup {
    /// Kills every process in the group. Does not block.
    pub fn kill(&self) {
        let group = self.0.swap(0, Ordering::SeqCst);
        if group > 0 {
            // An error means that no process is left.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

/// A child that runs. Dropping it kills it, with every process that it has started; tokio reaps it.
pub struct Child {
    group: KillOnDrop,
    process: process::Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

struct KillOnDrop(ChildGroup);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}

impl Child {
    /// Starts the child in a process group of its own, so that Ctrl-C at a terminal does not reach it.
    ///
    /// # Errors
    /// Those of the system: no such program, no permission.
    pub fn start(settings: &Settings, environment: &Environment, group: &ChildGroup) -> io::Result<Self> {
        let mut command = Command::new(&settings.program);
        command.args(&settings.arguments).process_group(0).env_remove("K8S_TOKEN");
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let pid = process.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        group.0.store(pid, Ordering::SeqCst);
        let group = KillOnDrop(group.clone());
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else { return Err(io::Error::other("no pipes")) };
        tokio::spawn(log_stderr(stderr));
        tracing::info!(program = settings.program, pid, "plugin exec: the child has started");
        Ok(Child { group, process, stdin, stdout: BufReader::new(stdout) })
    }

    /// Writes the line and reads the answer, concurrently: a child may answer before it has read everything.
    ///
    /// Cancellation: the child is in an unknown state and has to be killed.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&mut self, line: &str) -> Result<(String, Level), String> {
        let mut answer = Vec::new();
        let mut stdout = (&mut self.stdout).take(LONGEST_ANSWER + 1);
        let written = self.stdin.write_all(line.as_bytes());
        let read = stdout.read_until(b'\n', &mut answer);
        let exited = || "the child exited without an answer".to_owned();
        tokio::try_join!(written, read).map_err(|_| exited())?;
        match answer.pop() {
            Some(b'\n') => protocol::parse_response(&answer).map_err(|why| format!("the child answered {why}")),
            Some(_) if answer.len() as u64 >= LONGEST_ANSWER => {
                Err("the child answered with more than 64 KiB".to_owned())
            }
            _ => Err(exited()),
        }
    }

    /// Returns what the child wrote after its answer.
    pub fn unread(&self) -> Option<String> {
        let more = self.stdout.buffer();
        (!more.is_empty()).then(|| String::from_utf8_lossy(more).chars().take(100).collect())
    }

    /// Kills the child and returns how it ended, for an error message.
    pub async fn kill(mut self) -> String {
        self.group.0.kill();
        match timeout(KILL_TIMEOUT, self.process.wait()).await {
            Ok(Ok(status)) => format!(" ({status})"),
            _ => String::new(),
        }
    }

    /// Closes stdin and waits for the exit, for at most `grace`.
    pub async fn finish(self, grace: Duration) {
        let Child { mut process, stdin, group: _kill_the_rest, .. } = self;
        drop(stdin);
        let _ = timeout(grace, process.wait()).await;
    }
}

/// Logs what the child writes to stderr, until it is closed. What exceeds the limit is dropped: a child that waits for the log
/// would not answer.
async fn log_stderr(stderr: ChildStderr) {
    let mut stderr = BufReader::new(stderr);
    let limit = RateLimiter::direct(LINES);
    let (mut line, throttle) = (Vec::new(), LogThrottle::default());
    while let Ok(1..) = (&mut stderr).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
        if limit.check().is_ok() {
            tracing::info!(plugin = "exec", stream = "stderr", "{}", String::from_utf8_lossy(&line).trim_end());
        } else if let Some(permit) = throttle.allow() {
            tracing::warn!(suppressed = permit.suppressed, "plugin exec: too much on stderr, lines are dropped");
        }
        line.clear();
    }
}
