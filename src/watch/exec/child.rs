//! The child: a process group that is killed as a whole, and always before its number is given back.

use std::{
    fmt, io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{ChildStderr, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tracing::info;

use super::{
    Settings,
    protocol::{self, NoAnswer},
};
use crate::{text::one_line, watch::Level};

/// A longer line on stderr is logged in pieces.
const LONGEST_LINE: usize = 8 * 1024;
/// How long a killed group gets to be gone. A process that hangs in the kernel is not waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A child that runs. Dropping it kills its group, at whatever await point that happens.
pub struct Child {
    process: tokio::process::Child,
    /// Its process group, which has its own number. None once it was killed.
    group: Option<Pid>,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: JoinHandle<()>,
}

/// What a child did that was not asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Unasked {
    /// It wrote something.
    Spoke,
    /// It closed its stdout: as a rule, it is gone.
    Left,
}

impl fmt::Display for Unasked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unasked::Spoke => "it spoke without being asked",
            Unasked::Left => "it ended without being asked",
        })
    }
}

impl Child {
    /// Starts one.
    ///
    /// # Errors
    /// Whatever the system says: no such program, no permission, too many processes.
    pub fn start(settings: &Settings, environment: &[(String, String)]) -> io::Result<Self> {
        let mut process = Command::new(&settings.program)
            .args(&settings.arguments)
            .env_remove("K8S_TOKEN")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            // A group of its own, so that what it starts can be ended with it. And so that Ctrl-C in a terminal reaches
            // us alone: the child may finish what it is at.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let group = process.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("no pipes"));
        };
        info!(
            plugin = "exec",
            program = settings.program,
            pid = group.map(Pid::as_raw),
            "the plugin's child is started"
        );
        let stderr = tokio::spawn(log(stderr));
        Ok(Child { process, group, stdin, stdout: BufReader::new(stdout), stderr })
    }

    /// Whether it did something while nobody asked it. Asks the pipe itself, not the runtime: that learns of it later.
    pub fn unasked(&self) -> Option<Unasked> {
        if !self.stdout.buffer().is_empty() {
            return Some(Unasked::Spoke);
        }
        // The byte is lost, but then so is the child.
        match nix::unistd::read(self.stdout.get_ref(), &mut [0]) {
            Err(Errno::EAGAIN | Errno::EINTR) => None,
            Ok(0) | Err(_) => Some(Unasked::Left),
            Ok(_) => Some(Unasked::Spoke),
        }
    }

    /// Writes the line and reads the answer, both at once: a child that answers before it has read all would else wait
    /// for us to read while we wait for it to read.
    ///
    /// Cancellation: nobody knows how much it has read. It has to be ended.
    pub async fn ask(&mut self, line: &[u8]) -> Result<(String, Level), NoAnswer> {
        let write = async { self.stdin.write_all(line).await.map_err(|_: io::Error| NoAnswer::Gone) };
        let ((), answer) = tokio::try_join!(write, protocol::answer(&mut self.stdout))?;
        Ok(answer)
    }

    /// Ends it: closes its stdin, which is the polite request; waits until nobody holds its stdout any more, itself or
    /// what it has started, but not longer than `until`; kills what is left.
    pub async fn finish(mut self, until: Instant) -> Option<ExitStatus> {
        let _ = self.stdin.shutdown().await;
        let gone = async {
            loop {
                match self.stdout.fill_buf().await {
                    Ok([]) | Err(_) => return,
                    Ok(some) => {
                        let n = some.len();
                        self.stdout.consume(n);
                    }
                }
            }
        };
        let _ = timeout_at(until, gone).await;
        self.end().await
    }

    /// Kills it with all that it has started, and takes note of its end. None if that does not come.
    pub async fn end(mut self) -> Option<ExitStatus> {
        self.kill();
        let gone = async { tokio::join!(self.process.wait(), &mut self.stderr) };
        let status = timeout(LAST_WORDS, gone).await.ok().and_then(|(status, _)| status.ok());
        info!(plugin = "exec", status = status.map(tracing::field::display), "the plugin's child has ended");
        status
    }

    fn kill(&mut self) {
        // Once only, and before the process is waited for: then its number may be someone else's.
        if let Some(group) = self.group.take() {
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        self.stderr.abort();
    }
}

/// Logs what the child says on stderr.
async fn log(stderr: ChildStderr) {
    let mut stderr = BufReader::with_capacity(LONGEST_LINE, stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut stderr).take(LONGEST_LINE as u64).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => info!(plugin = "exec", stream = "stderr", "{}", one_line(&String::from_utf8_lossy(&line))),
        }
    }
}
