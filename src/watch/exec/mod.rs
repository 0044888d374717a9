//! The plugin `exec`: one long-lived child process that is told of events and answers, line by line.
//!
//! Reading order: [`Settings`], `protocol` (the lines), `child` (the process), and here who speaks with it, and what
//! becomes of a child that misbehaves.
//!
//! Promises:
//!
//! * **One event at a time**: workers take turns, in the order in which they come.
//! * **Nobody waits for ever**: an event has its answer within `timeout`, or has failed, counted from when it is sent;
//!   before that it waits for its turn, and for a child. A child that is silent for longer, ends or answers nonsense is
//!   killed, with all that it has started; its event fails ([`Error::Transient`]), and the next one starts a new child.
//!   The wait before that gets longer from failure to failure, 0.8 s doubling to 5 s, until a child answers.
//! * **An answer belongs to its event**: each child has pipes of its own, and one that has not answered in time and
//!   whole is never asked again, so that no late answer can be taken for the next. One that has spoken or ended
//!   unasked is replaced before the next event is sent, to which this is not charged.
//! * **Nothing is left behind**: whatever becomes of the future or the [`Exec`], the process group is killed. For a
//!   process that is ended at once, with nothing dropped, there is [`kill_all`].
//! * **A shutdown waits for one event at most**: the one that is being asked. Those that wait for their turn are not.
//! * **A flood on stderr costs neither memory nor answers**: it is logged line by line, up to 500 lines a second;
//!   what is more is counted.
//!
//! What remains possible. A second line for one event that comes after the next one was sent is taken for the answer to
//! that one: a number in the lines would prevent it, for the price of a plugin in shell having to parse them. A child
//! that ends while something that it started holds its pipes is missed only when it does not answer. What has left the
//! process group (`setsid`, a shell's `set -m`) is not killed. When this process itself is killed, the child is left to
//! notice that its stdin is closed. And where this is process 1, of what the child has started and abandoned no note is
//! taken before the child's own end.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt, time::Duration};

use nix::libc::SIGKILL;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Config, Event, Level, Plugin};
use crate::{informer::Backoff, worker::Error};

mod child;
mod metrics;
mod protocol;
#[cfg(test)]
mod rig;
mod settings;
mod stderr;
#[cfg(test)]
mod tests;

pub use child::kill_all;
pub use metrics::Metrics;
pub use settings::Settings;

use child::Child;
use protocol::NoAnswer;

/// What the child does not inherit as it is: variables with another value, or without one (None).
pub type Environment = BTreeMap<String, Option<String>>;

/// The longest wait before a child is started.
///
/// Shorter than the usual [`Backoff`] allows, since it is not only the event that killed the last child that waits, but
/// all of them, and one tenant's hundred bad objects would keep everybody else from being heard for hours. A child that
/// hangs costs them `timeout` each as well, so there is no point in a much shorter one; and a program that is broken for
/// good may be started every 5 s without anybody noticing.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub struct Exec {
    settings: Settings,
    environment: Environment,
    /// Nothing is asked any more.
    stop: CancellationToken,
    metrics: Metrics,
    /// Whoever holds it speaks with the child. A tokio Mutex, since that takes a while, and a fair one at that.
    turn: Mutex<Turn>,
}

#[derive(Debug, Default)]
struct Turn {
    /// A child that has answered all that it was asked. Whoever asks it something takes it out, and puts it back with
    /// the answer in hand. If they are cancelled in between, they drop it, which kills it.
    idle: Option<Child>,
    backoff: Backoff,
    /// Not before this is another child started.
    next_start: Option<Instant>,
    /// There was a child before.
    restarted: bool,
}

impl Exec {
    /// Starts nothing yet, that is for the first event to do: there may be none for days, and what a start can meet is
    /// handled in one place.
    ///
    /// `environment` changes what the child inherits of this process's own, which is all but `K8S_TOKEN`. Once `stop` is
    /// cancelled no child is started and none is asked any more. An event that waits for its turn or for a child fails
    /// ([`Error::Unavailable`]), so that a shutdown waits neither for all the workers, one after the other, nor for a
    /// backoff. The one that is being asked is finished, and its child goes on until [`end`](Exec::end).
    pub fn new(settings: Settings, environment: Environment, stop: CancellationToken) -> Self {
        // A token of its own, which `end` cancels.
        Exec { settings, environment, stop: stop.child_token(), metrics: Metrics::default(), turn: Mutex::default() }
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Ends the child, and no other is started. First it is asked: its stdin is closed. `until` then there is time for
    /// it and what it has started to end; what is left is killed. Returns at most about a second later.
    ///
    /// For when the workers have stopped. An event that is still being handled is waited for, until then; drop it to
    /// have its child killed.
    ///
    /// Cancellation: kills at once.
    pub async fn end(&self, until: Instant) {
        self.stop.cancel();
        let Ok(mut turn) = timeout_at(until, self.turn.lock()).await else { return };
        if let Some(child) = turn.idle.take() {
            child.finish(until).await;
        }
    }

    /// # Errors
    /// When nothing is to be asked any more.
    fn going(&self) -> Result<(), Error> {
        let why = || Error::Unavailable("plugin exec: nothing is asked during the shutdown".to_owned());
        if self.stop.is_cancelled() { Err(why()) } else { Ok(()) }
    }

    /// A child that waits to be asked: the one that there is, or a new one.
    async fn child(&self, turn: &mut Turn) -> Result<Child, Error> {
        if let Some(child) = turn.idle.take() {
            let Some(what) = child.unasked() else { return Ok(child) };
            warn!(plugin = "exec", "the plugin's child is replaced: {what}");
            turn.failed();
            child.end().await;
        }
        if let Some(start) = turn.next_start {
            // Here rather than by handing the event back: whoever comes next would be in the same place, and the queue
            // keeps those that wait in order.
            self.stop.run_until_cancelled(sleep_until(start)).await;
        }
        self.going()?;
        let child = Child::start(&self.settings, &self.environment).map_err(|e| {
            turn.failed();
            Error::Unavailable(format!("plugin exec: {} cannot be started: {e}", self.settings.program))
        })?;
        if std::mem::replace(&mut turn.restarted, true) {
            self.metrics.restarts.inc();
        }
        Ok(child)
    }
}

impl Turn {
    fn failed(&mut self) {
        self.next_start = Some(Instant::now() + self.backoff.next(rand::random()).min(LONGEST_WAIT));
    }
}

impl Plugin for Exec {
    /// Cancellation: the child that is being asked is killed.
    async fn handle_event(&self, event: &Event, config: &Config) -> Result<(String, Level), Error> {
        // Absorb: the same event would make the same line.
        let line = protocol::line(event, config).map_err(|e| Error::Permanent {
            why: format!("plugin exec: the event cannot be written: {e}"),
            requeue_after: None,
        })?;
        let mut turn = self.turn.lock().await;
        // It may have taken the other workers' events to come to this one.
        self.going()?;
        let mut child = self.child(&mut turn).await?;
        let begun = Instant::now();
        let answer = timeout(self.settings.timeout, child.ask(&line)).await;
        self.metrics.calls.observe(begun.elapsed().as_secs_f64());
        let why = match answer {
            Ok(Ok(answer)) => {
                turn.backoff.reset();
                turn.next_start = None;
                turn.idle = Some(child);
                return Ok(answer);
            }
            Ok(Err(why)) => why,
            Err(_) => NoAnswer::Late(self.settings.timeout),
        };
        turn.failed();
        let status = child.end().await;
        // Retry, a few times: it may be this very event that the child cannot bear.
        Err(Error::Transient(match (why, status) {
            // By us, if it had closed its pipe and lived on. Or by the kernel, for want of memory: nobody can tell.
            (NoAnswer::Gone, Some(status)) if status.signal() == Some(SIGKILL) => {
                "plugin exec: the child closed its stdin or stdout without an answer, or was killed".to_owned()
            }
            (NoAnswer::Gone, Some(status)) => format!("plugin exec: {} ({status})", NoAnswer::Gone),
            (why, _) => format!("plugin exec: {why}"),
        }))
    }
}
