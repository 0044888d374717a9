//! The child process and its process group. The whole group is killed.

use std::{io, process::Stdio, time::Duration};

use daemon::child::{ChildGroup, KillOnDrop, log_stderr};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{self, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{Environment, ExecSettings, protocol};
use crate::plugin::Level;

/// Time limit for the exit of a killed child.
pub const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// Size limit of a response, which is a message for the log.
const MAX_RESPONSE_BYTES: u64 = 64 << 10;

/// A running child. Dropping it kills its process group; tokio reaps it.
pub struct Child {
    group: KillOnDrop,
    process: process::Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
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
        group.set(&process);
        let group = group.kill_on_drop();
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else { return Err(io::Error::other("no pipes")) };
        tokio::spawn(log_stderr(stderr, "exec"));
        tracing::info!(program = settings.program, pid = process.id(), "plugin exec: started the child");
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
        drop(self.group);
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
