//! The plugin `exec`: a long-lived child process that reads one JSON line per event and writes one in response.
//!
//! Reading order: [`ExecSettings`], `protocol` (the lines), `child` (the process), then [`Exec`]. Its promises:
//!
//! * **One event at a time**, in the order in which the workers send them.
//! * **Bounded**: a child that is silent longer than `timeout`, exits or writes an invalid response is killed with its
//!   process group. The event fails ([`ReconcileError::Transient`]), and the next event starts another child, after 0.8 s,
//!   doubling to 5 s.
//! * **A response belongs to its event**: a child that did not respond in time gets no other event.
//! * **No process is left**: dropping the future or the [`Exec`] kills the process group.
//!
//! Known limits: lines carry no ID, so a second line that arrives after the next event was sent is taken as its
//! response. A process that left the group (`setsid`) is not killed.

use std::{collections::BTreeMap, time::Duration};

use daemon::{args::parse_positive_duration, child::ChildGroup};
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

/// Changes to the child's environment. None removes the variable.
pub type Environment = BTreeMap<&'static str, Option<String>>;

/// The longest wait before a start. All events wait, not only the failed one.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Time limit for the exit of an idle child after its stdin is closed.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The settings in `[plugin_exec]` for `exec` itself. All other keys are for the child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecSettings {
    /// A path, or a name on the PATH.
    pub program: String,
    /// Never logged: they may contain a password.
    pub arguments: Vec<String>,
    /// Time limit from the first byte of an event to the last byte of its response.
    pub timeout: Duration,
}

impl ExecSettings {
    /// Parses `command` and `timeout`.
    ///
    /// # Errors
    /// The key and the accepted form. Not the command: it may contain a password.
    pub fn parse(config: &Config) -> Result<Self, String> {
        let command = config.get("command").map(String::as_str).unwrap_or_default();
        let mut words = shlex::split(command).unwrap_or_default().into_iter();
        let program = words.next().filter(|program| !program.is_empty());
        let program =
            program.ok_or("[plugin_exec] command: expected a program and its arguments, quoted as for a shell")?;
        let timeout = parse_positive_duration(config.get("timeout").map_or("10s", String::as_str));
        let timeout = timeout.map_err(|why| format!("[plugin_exec] timeout: {why}"))?;
        Ok(ExecSettings { program, arguments: words.collect(), timeout })
    }

    /// Returns the longest time of a reconcile. The workers share one child, and each event may need a backoff.
    pub fn max_reconcile_time(&self, workers: usize) -> Duration {
        let per_event = self.timeout + MAX_BACKOFF + child::KILL_TIMEOUT;
        per_event.saturating_mul(u32::try_from(workers).unwrap_or(u32::MAX))
    }
}

/// The plugin `exec`, see the module.
pub struct Exec {
    settings: ExecSettings,
    environment: Environment,
    group: ChildGroup,
    stop: CancellationToken,
    /// A tokio lock, because it is held while the child handles an event. It is fair.
    slot: Mutex<ChildSlot>,
}

#[derive(Default)]
struct ChildSlot {
    /// A child that has responded to every event. Taken out while it handles one, so that cancellation kills it.
    idle: Option<Child>,
    backoff: Backoff,
    /// Earliest start of the next child.
    next_start: Option<Instant>,
}

impl Exec {
    /// Creates the plugin. The first event starts the child; `group` can kill it. After `stop` no new event is sent.
    pub fn new(settings: ExecSettings, environment: Environment, group: ChildGroup, stop: CancellationToken) -> Self {
        Exec { settings, environment, group, stop, slot: Mutex::default() }
    }

    /// Closes the child's stdin, waits at most 5 s for its exit, then kills the process group.
    ///
    /// Cancellation: kills the group at once.
    pub async fn shut_down(&self) {
        if let Some(child) = self.slot.lock().await.idle.take() {
            child.close(EXIT_TIMEOUT).await;
        }
    }

    /// Takes the idle child, or starts another one.
    async fn take_child(&self, slot: &mut ChildSlot) -> Result<Child, ReconcileError> {
        // The wait is here, not in the queue, because the next event needs the child, too.
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
            slot.record_failure();
            // The worker logs a retry only from the tenth failure of one event on.
            tracing::warn!(program = self.settings.program, error = %e, "plugin exec: the program cannot be started");
            // Retry without a limit: the event is not at fault.
            ReconcileError::Unavailable(format!("plugin exec: {} cannot be started: {e}", self.settings.program))
        })
    }
}

impl ChildSlot {
    fn record_failure(&mut self) {
        self.next_start = Some(Instant::now() + self.backoff.next(rand::random()).min(MAX_BACKOFF));
    }
}

impl Plugin for Exec {
    /// Cancellation: kills the child.
    async fn handle_event(&self, event: &Event, config: &Config) -> Result<(String, Level), ReconcileError> {
        let line = protocol::format_request(event, config)
            .map_err(|e| ReconcileError::Permanent { why: format!("plugin exec: {e}"), requeue_after: None })?;
        let mut slot = self.slot.lock().await;
        let mut child = self.take_child(&mut slot).await?;
        let response = timeout(self.settings.timeout, child.request(&line)).await;
        match response.unwrap_or_else(|_| Err(format!("the child was silent for {:?}", self.settings.timeout))) {
            Ok(response) => {
                *slot = ChildSlot::default();
                match child.unread() {
                    None => slot.idle = Some(child),
                    Some(more) => {
                        tracing::warn!(more, "plugin exec: the child wrote more than one line and is replaced");
                    }
                }
                Ok(response)
            }
            Err(why) => {
                slot.record_failure();
                let status = child.kill().await;
                // Limited retries: the event may be at fault.
                Err(ReconcileError::Transient(format!("plugin exec: {why}{status}")))
            }
        }
    }
}
