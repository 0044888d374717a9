//! The plugin `exec`: one long-lived child process.

use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Config, Event, Level, Plugin};
use crate::{informer::Backoff, worker::Error};

mod child;
mod protocol;
mod settings;

pub use settings::Settings;

use child::Child;
use protocol::NoAnswer;

/// See the module.
pub struct Exec {
    settings: Settings,
    environment: Vec<(String, String)>,
    /// No child is started any more.
    stop: CancellationToken,
    /// The turn to speak with the child.
    turn: Mutex<Turn>,
}

/// What whoever has the turn finds.
#[derive(Default)]
struct Turn {
    /// A child that has answered everything that it was asked.
    idle: Option<Child>,
    backoff: Backoff,
    /// Not before this is another child started.
    next_start: Option<Instant>,
}

impl Exec {
    /// Starts nothing yet: the first event does. `environment` is added to this process's own, which the child
    /// inherits without `K8S_TOKEN`. When `stop` is cancelled no child is started any more: an event that would need
    /// one fails at once ([`Error::Unavailable`]), while a child that runs goes on until it is [ended](Exec::end).
    pub fn new(settings: Settings, environment: Vec<(String, String)>, stop: CancellationToken) -> Self {
        Exec { settings, environment, stop, turn: Mutex::default() }
    }

    /// Ends the child, politely at first: closes its stdin, waits for it until then, and kills what is left of its
    /// process group.
    pub async fn end(&self, until: Instant) {
        let Ok(mut turn) = timeout_at(until, self.turn.lock()).await else { return };
        if let Some(child) = turn.idle.take() {
            child.finish(until).await;
        }
    }

    /// A child that waits to be asked: the one that there is, or a new one.
    async fn child(&self, turn: &mut Turn) -> Result<Child, Error> {
        if let Some(child) = turn.idle.take() {
            let Some(what) = child.unasked() else { return Ok(child) };
            warn!(plugin = "exec", "the plugin's child is ended: {what}");
            turn.failed();
            child.end().await;
        }
        if let Some(start) = turn.next_start {
            let _ = self.stop.run_until_cancelled(sleep_until(start)).await;
        }
        if self.stop.is_cancelled() {
            return Err(Error::Unavailable("plugin exec: shutting down, no child is started any more".to_owned()));
        }
        Child::start(&self.settings, &self.environment).map_err(|e| {
            turn.failed();
            Error::Unavailable(format!("plugin exec: {} cannot be started: {e}", self.settings.program))
        })
    }
}

impl Turn {
    fn failed(&mut self) {
        self.next_start = Some(Instant::now() + self.backoff.next(rand::random()));
    }
}

impl Plugin for Exec {
    async fn handle_event(&self, event: &Event, config: &Config) -> Result<(String, Level), Error> {
        let line =
            protocol::line(event, config).map_err(|e| Error::Permanent { why: e.to_string(), requeue_after: None })?;
        let mut turn = self.turn.lock().await;
        // Out of its place: dropped here, in the middle of a call, it is killed.
        let mut child = self.child(&mut turn).await?;
        let why = match timeout(self.settings.timeout, child.ask(&line)).await {
            Ok(Ok(answer)) => {
                turn.backoff.reset();
                turn.next_start = None;
                turn.idle = Some(child);
                return Ok(answer);
            }
            Ok(Err(NoAnswer::Nonsense(what))) => format!("the child's answer is nonsense: {what}"),
            Ok(Err(NoAnswer::Gone)) => "the child went away without an answer".to_owned(),
            Err(_) => format!("no answer from the child within {:?}", self.settings.timeout),
        };
        turn.failed();
        child.end().await;
        Err(Error::Transient(format!("plugin exec: {why}")))
    }
}
