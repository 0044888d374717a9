//! The child: a process group that is killed as a whole, and never after its number was given back.

use std::{
    collections::BTreeSet,
    io,
    process::{ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{self, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};
use tracing::info;

use super::{
    Environment, Settings,
    protocol::{self, NoAnswer},
};
use crate::{text::quoted, watch::Level};

/// How long a killed child gets to be gone, and its last words to be logged. One that hangs in the kernel is not waited
/// for; tokio takes note of its end when it comes.
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// The process groups of all children that run, for [`kill_all`]. What a process leaves behind when it exits is a matter
/// of the whole process, hence a static.
static RUNNING: Mutex<BTreeSet<Pid>> = Mutex::new(BTreeSet::new());

fn running() -> MutexGuard<'static, BTreeSet<Pid>> {
    // A panic while it was held leaves a whole set.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills the children of this process, with all that they have started: for when it is about to exit with nothing
/// dropped. Does not wait. One that is just being started is missed, so see to it first that there is none: cancel the
/// token that [`Exec`](super::Exec) was given.
pub fn kill_all() {
    for group in std::mem::take(&mut *running()) {
        let _ = killpg(group, Signal::SIGKILL);
    }
}

/// A child that runs. Dropping it kills it, with all that it has started.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    /// Its process group, which has its own number. None once it was killed.
    group: Option<Pid>,
    /// None: told that there is nothing more to come.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: JoinHandle<()>,
}

impl Child {
    /// Starts one.
    ///
    /// # Errors
    /// Whatever the system says: no such program, no permission, too many processes.
    pub fn start(settings: &Settings, environment: &Environment) -> io::Result<Self> {
        let mut process = command(settings, environment).spawn()?;
        let pid = process.id();
        let group = pid.and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (stdin, Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("there are no pipes to it"));
        };
        running().extend(group);
        // Not its arguments: one may be a password.
        info!(plugin = "exec", program = settings.program, pid, "the plugin's child starts");
        let stderr = tokio::spawn(super::stderr::log(stderr));
        Ok(Child { process, group, stdin, stdout: BufReader::new(stdout), stderr })
    }

    /// What it did while nobody asked it for anything, if it did: it spoke, or it ended.
    ///
    /// The pipe itself is looked at. The runtime learns what is in a pipe only when it looks for something to do, so
    /// that it may not know yet of something that has been there for long.
    pub fn unasked(&self) -> Option<String> {
        let spoke = |said| {
            let said = quoted(&String::from_utf8_lossy(said));
            Some(format!("it wrote to its stdout without being asked: {said} (what is not an answer goes to stderr)"))
        };
        if !self.stdout.buffer().is_empty() {
            return spoke(self.stdout.buffer());
        }
        // What is read here nobody else will read, but then it is this child's last.
        let mut said = [0; 256];
        match nix::unistd::read(self.stdout.get_ref(), &mut said) {
            Err(Errno::EAGAIN | Errno::EINTR) => None,
            Ok(0) | Err(_) => Some("it ended without being asked".to_owned()),
            Ok(n) => spoke(said.get(..n).unwrap_or_default()),
        }
    }

    /// Writes the line and reads the answer, both at once: a child that answers before it has read all would otherwise
    /// wait for us to read, while we wait for it to read. The answer counts when the whole line is written.
    ///
    /// Cancellation: nobody knows how much of it was read by then. The child has to be ended.
    pub async fn ask(&mut self, line: &[u8]) -> Result<(String, Level), NoAnswer> {
        let Some(stdin) = &mut self.stdin else { return Err(NoAnswer::Gone) };
        let write = async { stdin.write_all(line).await.map_err(|_: io::Error| NoAnswer::Gone) };
        let ((), answer) = tokio::try_join!(write, protocol::answer(&mut self.stdout))?;
        Ok(answer)
    }

    /// Asks it to end, by closing its stdin, waits for that until then, and ends what is left of it.
    ///
    /// It has ended when nobody holds its stdout and stderr any more, neither itself nor what it has started, so that a
    /// `curl &` of a shell's last lines may come to its end as well. The road not taken: to wait for the process. To be
    /// told of its end is to give its number back, and with it the right to kill what it leaves behind.
    pub async fn finish(mut self, until: Instant) {
        self.stdin = None;
        let ended = async {
            // It may have more to say, to nobody.
            while let Ok(rest) = self.stdout.fill_buf().await
                && !rest.is_empty()
            {
                let length = rest.len();
                self.stdout.consume(length);
            }
            let _ = (&mut self.stderr).await;
        };
        let _ = timeout_at(until, ended).await;
        self.end().await;
    }

    /// Kills it, with all that it has started, and says how it ended. None if that takes too long.
    pub async fn end(mut self) -> Option<ExitStatus> {
        let (pid, group) = (self.process.id(), self.group);
        self.kill();
        let until = Instant::now() + LAST_WORDS;
        let status = timeout_at(until, self.process.wait()).await.ok().and_then(Result::ok);
        // Before the wait for stderr, which takes all of that time if somebody who has left the group holds it.
        if let (Some(group), Some(_)) = (group, status) {
            bury(group, until).await;
        }
        // Whatever it wrote is in the pipe by now, and then comes the end of it.
        if !self.stderr.is_finished() {
            let _ = timeout_at(until, &mut self.stderr).await;
        }
        info!(plugin = "exec", pid, status = status.map(tracing::field::display), "the plugin's child has ended");
        status
    }

    /// The group's number is the leader's process id, which may be given to another process as soon as somebody waits
    /// for the leader. So it is killed once, and before that, and nobody may look at the others in between.
    fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            let mut running = running();
            // It fails when there is nobody left, and that is what it is for.
            let _ = killpg(group, Signal::SIGKILL);
            running.remove(&group);
        }
    }
}

impl Drop for Child {
    /// The process itself is waited for by tokio.
    fn drop(&mut self) {
        self.kill();
        self.stderr.abort();
    }
}

/// Takes note of the end of all that the child had started. As a rule that is somebody else's business, and this finds
/// nobody. But orphans belong to process 1, which in a container is this one, and one of whom nobody takes note keeps
/// its entry in the table of processes for ever: there are only so many.
///
/// Not before the child itself is known to have ended: it is of this group too, and until then what it has started
/// belongs to it and not to us.
async fn bury(group: Pid, until: Instant) {
    // A number below zero stands for a group.
    let group = Pid::from_raw(-group.as_raw());
    while let Ok(status) = waitpid(group, Some(WaitPidFlag::WNOHANG))
        && Instant::now() < until
    {
        if status == WaitStatus::StillAlive {
            // Killed, but not dead yet.
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn command(settings: &Settings, environment: &Environment) -> Command {
    let mut command = Command::new(&settings.program);
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .args(&settings.arguments)
        // It has no business with our token.
        .env_remove("K8S_TOKEN")
        // A group of its own, so that what it starts can be killed with it. And so that Ctrl-C at a terminal reaches
        // only us: the child may finish what it is at.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_token_nor_what_is_not_in_use_is_handed_on() {
        let settings = Settings { program: "sh".into(), arguments: Vec::new(), timeout: LAST_WORDS };
        let given = [("A", Some("1")), ("B", None), ("K8S_TOKEN", Some("s3cret"))];
        let given = given.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).into();
        let command = command(&settings, &given);
        let environment: Vec<_> = command.as_std().get_envs().map(|(name, value)| (name.to_str(), value)).collect();
        assert_eq!(environment, [(Some("A"), Some("1".as_ref())), (Some("B"), None), (Some("K8S_TOKEN"), None)]);
    }

    #[tokio::test]
    async fn whoever_ends_the_process_at_once_knows_of_a_child_for_as_long_as_its_number_is_its_own() {
        let settings = Settings { program: "cat".into(), arguments: Vec::new(), timeout: LAST_WORDS };
        for drop_it in [true, false] {
            let child = Child::start(&settings, &Environment::new()).unwrap();
            let group = child.group.unwrap();
            assert!(running().contains(&group));
            if drop_it {
                drop(child);
            } else {
                child.end().await;
            }
            assert!(!running().contains(&group));
        }
    }
}
