//! The plugin `exec`: a long-lived child process that reads one JSON line per event and answers with one.
//!
//! Reading order: [`Settings`], `protocol` (the lines), `child` (the process), then [`Exec`] here. Its promises:
//!
//! * **One event at a time**, in the order in which the workers bring them.
//! * **Bounded**: a child that is silent longer than `timeout`, exits or answers nonsense is killed with its process group. Its
//!   event has failed ([`ReconcileError::Transient`]), and the next event starts another child, after 0.8 s, doubling to 5 s.
//! * **An answer belongs to its event**: a child that did not answer in time is never asked again.
//! * **Nothing is left behind**: dropping the future or the [`Exec`] kills the process group.
//!
//! Known limits: lines carry no ID, so a second line that arrives after the next event was sent is taken as its answer. A process
//! that left the group (`setsid`) is not killed.

use std::{collections::BTreeMap, time::Duration};

use daemon::args::positive_duration;
use demo_controller::{informer::Backoff, worker::ReconcileError};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Config, Event, Level, Plugin};

mod child;
mod protocol;
#[cfg(test)]
mod tests;

use child::Child;
pub use child::ChildGroup;

/// Changes to the environment that the child inherits. None: without this variable.
pub type Environment = BTreeMap<&'static str, Option<String>>;

/// The longest wait before a start. All events wait, not only the one that failed.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long an idle child may take to exit after its stdin is closed.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The keys of `[plugin_exec]` about the child itself. Every other key is for the child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A path, or a name that is on the PATH.
    pub program: String,
    /// Not logged: they may contain a password.
    pub arguments: Vec<String>,
    /// The longest time from the first byte of an event to the last one of its answer.
    pub timeout: Duration,
}

impl Settings {
    /// Reads `command` and `timeout`.
    ///
    /// # Errors
    /// The key and what is accepted. Not the command: it may contain a password.
    pub fn read(config: &Config) -> Result<Self, String> {
        let command = config.get("command").map(String::as_str).unwrap_or_default();
        let mut words = shlex::split(command).unwrap_or_default().into_iter();
        let program = words.next().filter(|program| !program.is_empty());
        let program =
            program.ok_or("[plugin_exec] command: expected a program and its arguments, quoted as for a shell")?;
        let timeout = positive_duration(config.get("timeout").map_or("10s", String::as_str));
        let timeout = timeout.map_err(|why| format!("[plugin_exec] timeout: {why}"))?;
        Ok(Settings { program, arguments: words.collect(), timeout })
    }

    /// Returns the longest time of a reconcile with this many workers: they take turns, and each turn may include a wait for a
    /// child and a time-out.
    pub fn longest_reconcile(&self, workers: usize) -> Duration {
        let turn = self.timeout + LONGEST_WAIT + child::KILL_TIMEOUT;
        turn.saturating_mul(u32::try_from(workers).unwrap_or(u32::MAX))
    }
}

/// See the module.
pub struct Exec {
    settings: Settings,
    environment: Environment,
    group: ChildGroup,
    stop: CancellationToken,
    /// A tokio lock, because it is held while the child is asked; it is fair.
    slot: Mutex<ChildSlot>,
}

#[derive(Default)]
struct ChildSlot {
    /// A child that has answered every event. It is taken out while it is asked: cancellation drops and so kills it.
    idle: Option<Child>,
    backoff: Backoff,
    /// Another child is not started before.
    next_start: Option<Instant>,
}

impl Exec {
    /// Starts nothing: the first event does. `group` kills the child from outside. After `stop` no event is sent any more; the
    /// one in progress is finished.
    pub fn new(settings: Settings, environment: Environment, group: ChildGroup, stop: CancellationToken) -> Self {
        Exec { settings, environment, group, stop, slot: Mutex::default() }
    }

    /// Closes the child's stdin, waits at most 5 s for its exit and kills what is left. For when the workers have ended.
    ///
    /// Cancellation: kills at once.
    pub async fn shut_down(&self) {
        if let Some(child) = self.slot.lock().await.idle.take() {
            child.finish(EXIT_TIMEOUT).await;
        }
    }

    /// Returns the idle child, or starts another one.
    async fn child(&self, slot: &mut ChildSlot) -> Result<Child, ReconcileError> {
        // A new child is waited for here, not in the queue: the next event would have to wait as well.
        let wait = async {
            if let (None, Some(start)) = (&slot.idle, slot.next_start) {
                sleep_until(start).await;
            }
        };
        if self.stop.is_cancelled() || self.stop.run_until_cancelled(wait).await.is_none() {
            return Err(ReconcileError::Unavailable("plugin exec: no event is sent during the shutdown".to_owned()));
        }
        if let Some(child) = slot.idle.take() {
            return Ok(child);
        }
        Child::start(&self.settings, &self.environment, &self.group).map_err(|e| {
            slot.failed();
            // Retry without a limit: the event is not at fault.
            ReconcileError::Unavailable(format!("plugin exec: {} cannot be started: {e}", self.settings.program))
        })
    }
}

impl ChildSlot {
    fn failed(&mut self) {
        self.next_start = Some(Instant::now() + self.backoff.next(rand::random()).min(LONGEST_WAIT));
    }
}

impl Plugin for Exec {
    /// Cancellation: kills the child that is being asked.
    async fn handle_event(&self, event: &Event, config: &Config) -> Result<(String, Level), ReconcileError> {
        let line = protocol::request(event, config)
            .map_err(|e| ReconcileError::Permanent { why: format!("plugin exec: {e}"), requeue_after: None })?;
        let mut slot = self.slot.lock().await;
        let mut child = self.child(&mut slot).await?;
        let answer = timeout(self.settings.timeout, child.ask(&line)).await;
        match answer.unwrap_or_else(|_| Err(format!("the child was silent for {:?}", self.settings.timeout))) {
            Ok(answer) => {
                *slot = ChildSlot::default();
                match child.unread() {
                    None => slot.idle = Some(child),
                    Some(more) => {
                        tracing::warn!(more, "plugin exec: the child wrote more than its answer and is replaced")
                    }
                }
                Ok(answer)
            }
            Err(why) => {
                slot.failed();
                let status = child.kill().await;
                // Retry a limited number of times: it may be this event that the child cannot handle.
                Err(ReconcileError::Transient(format!("plugin exec: {why}{status}")))
            }
        }
    }
}
