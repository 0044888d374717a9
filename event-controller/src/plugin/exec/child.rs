//! The child process and its process group. The whole group is killed.

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

use super::{Environment, ExecSettings, protocol};
use crate::plugin::Level;

/// Time limit for the exit of a killed child.
pub const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// Size limit of a response, which is a message for the log.
const MAX_RESPONSE_BYTES: u64 = 64 << 10;

/// A longer line of stderr is logged in parts of this size.
const MAX_LINE_BYTES: u64 = 4 << 10;

/// Limit for logged lines of stderr: 50 per second, 500 at once.
const STDERR_QUOTA: Quota = Quota::per_second(NonZeroU32::new(50).unwrap()).allow_burst(NonZeroU32::new(500).unwrap());

/// The process group of the child, 0 for none. Clones share it, so that a second signal can kill the child.
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

/// A running child. Dropping it kills its process group; tokio reaps it.
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
    /// Starts the child in its own process group, so that Ctrl-C at a terminal does not end it.
    ///
    /// # Errors
    /// The system cannot start the program.
    pub fn start(settings: &ExecSettings, environment: &Environment, group: &ChildGroup) -> io::Result<Self> {
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
        tracing::info!(program = settings.program, pid, "plugin exec: started the child");
        Ok(Child { group, process, stdin, stdout: BufReader::new(stdout) })
    }

    /// Writes the line and reads the response, concurrently: a child may respond before it has read everything.
    ///
    /// Cancellation: the child is in an unknown state and has to be killed.
    ///
    /// # Errors
    /// Why there is no valid response.
    pub async fn request(&mut self, line: &str) -> Result<(String, Level), String> {
        let mut response = Vec::new();
        let mut stdout = (&mut self.stdout).take(MAX_RESPONSE_BYTES + 1);
        let written = self.stdin.write_all(line.as_bytes());
        let read = stdout.read_until(b'\n', &mut response);
        let exited = || "the child exited without a response".to_owned();
        tokio::try_join!(written, read).map_err(|_| exited())?;
        match response.pop() {
            Some(b'\n') => protocol::parse_response(&response).map_err(|why| format!("the child wrote {why}")),
            Some(_) if response.len() as u64 >= MAX_RESPONSE_BYTES => {
                Err("the child wrote more than 64 KiB".to_owned())
            }
            _ => Err(exited()),
        }
    }

    /// Returns the text that the child wrote after its response, if any.
    pub fn unread(&self) -> Option<String> {
        let more = self.stdout.buffer();
        (!more.is_empty()).then(|| String::from_utf8_lossy(more).chars().take(100).collect())
    }

    /// Kills the child and returns its exit status for an error message.
    pub async fn kill(mut self) -> String {
        self.group.0.kill();
        match timeout(KILL_TIMEOUT, self.process.wait()).await {
            Ok(Ok(status)) => format!(" ({status})"),
            _ => String::new(),
        }
    }

    /// Closes stdin, waits at most `grace` for the exit, then kills the group.
    pub async fn close(self, grace: Duration) {
        let Child { mut process, stdin, group: _kill_on_drop, .. } = self;
        drop(stdin);
        let _ = timeout(grace, process.wait()).await;
    }
}

/// Logs stderr of the child until it is closed. Lines beyond the limit are dropped: a child that waits for the log
/// would not respond.
async fn log_stderr(stderr: ChildStderr) {
    let mut stderr = BufReader::new(stderr);
    let limit = RateLimiter::direct(STDERR_QUOTA);
    let (mut line, throttle) = (Vec::new(), LogThrottle::default());
    while let Ok(1..) = (&mut stderr).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await {
        if limit.check().is_ok() {
            tracing::info!(plugin = "exec", stream = "stderr", "{}", String::from_utf8_lossy(&line).trim_end());
        } else if let Some(permit) = throttle.allow() {
            tracing::warn!(suppressed = permit.suppressed, "plugin exec: too many lines on stderr, some are dropped");
        }
        line.clear();
    }
}
