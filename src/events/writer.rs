//! The worker's side of the recorder: whose turn it is, and what an answer means for the event.

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::counter::Counter;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::{Inner, attempt::Attempt, known::Seen, note::Note, pending::Batch, spam::PER_NAMESPACE};
use crate::{
    informer::Key,
    request::Failure,
    worker::{Error, Outcome, Reconciler},
};

/// The longest that one attempt may take. Each of its requests has a limit of its own, but it may take eleven of them
/// when somebody else changes and deletes the same Event all the time, and then a server that is slow, too, must not
/// keep a worker for longer than a process that is not stuck ever does.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(120);

/// What to do about a key.
enum Turn {
    Nothing,
    Wait(Duration),
    Write(Arc<Note>, Batch),
}

/// The recorder's own controller: makes the Event named by the key exist with the count that was recorded.
impl Reconciler<Key> for Inner {
    async fn reconcile(&self, key: &Key) -> Result<Outcome, Error> {
        let (note, batch) = match self.turn(key) {
            Turn::Nothing => return Ok(Outcome::Settled),
            Turn::Wait(time) => return Ok(Outcome::RequeueAfter(time)),
            Turn::Write(note, batch) => (note, batch),
        };
        let known = self.state().known.get(key).cloned();
        let attempt = Attempt { inner: self, key, note: &note, batch: &batch };
        match timeout(ATTEMPT_LIMIT, attempt.run(known)).await.unwrap_or(Err(Failure::Timeout(ATTEMPT_LIMIT))) {
            Ok(seen) => {
                debug!(event = %key, object = note.about.name, reason = note.reason, count = seen.count, "event sent");
                Ok(self.sent(key, &batch, seen))
            }
            Err(failure) => self.failed(key, &failure),
        }
    }

    async fn gave_up(&self, key: &Key, _why: &str) -> Result<Outcome, Error> {
        self.give_up(key, &self.metrics.failed);
        Ok(Outcome::Settled)
    }
}

impl Inner {
    fn turn(&self, key: &Key) -> Turn {
        let mut state = self.state();
        // A batch needs its namespace's leave once, not again for each retry: those have the queue's own limit.
        if !state.flushing
            && state.pending.is_fresh(key)
            && let Err(wait) = state.per_namespace.take(key.namespace())
        {
            // Governor knows when the next token comes. Whoever is in line already gets that one and the next ones.
            let before = state.pending.wait_in_line(key);
            return Turn::Wait(wait + PER_NAMESPACE.replenish_interval() * before);
        }
        state.pending.begin(key).map_or(Turn::Nothing, |(note, batch)| Turn::Write(note, batch))
    }

    fn sent(&self, key: &Key, batch: &Batch, seen: Seen) -> Outcome {
        let mut state = self.state();
        // After a dry run there is no such Event.
        if !self.settings.dry_run {
            state.known.put(key.clone(), seen);
        }
        let more = state.pending.sent(key);
        drop(state);
        self.metrics.sent.inc_by(batch.count.unsigned_abs().into());
        self.settled.send_replace(());
        // What was recorded meanwhile comes next. Its own `add` may have been spent on a retry of this batch.
        if more { Outcome::RequeueAfter(Duration::ZERO) } else { Outcome::Settled }
    }

    fn failed(&self, key: &Key, failure: &Failure) -> Result<Outcome, Error> {
        match failure.code() {
            // Says nothing about the event.
            _ if failure.is_unavailable() => Err(Error::Unavailable(failure.to_string())),
            // The namespace is going, or it is gone (an attempt returns the 404 of a POST only). Whoever would have
            // read the event goes with it, so there is nobody to tell, and nothing to complain about.
            code if code == Some(404) || failure.is_namespace_terminating() => {
                debug!(event = %key, %failure, "event dropped with its namespace");
                self.give_up(key, &self.metrics.absorbed);
                Ok(Outcome::Settled)
            }
            // The server will not take it, however often it is asked.
            Some(400..=499) => {
                self.give_up(key, &self.metrics.failed);
                warn!(event = %key, %failure, "event dropped");
                Err(Error::Permanent { why: format!("event dropped: {failure}"), requeue_after: None })
            }
            // The server had trouble with this one. Perhaps it has none the next time.
            _ => Err(Error::Transient(failure.to_string())),
        }
    }

    /// Gives an event up and says so, to its tickets and in the metrics.
    fn give_up(&self, key: &Key, counter: &Counter) {
        let repeats = self.state().pending.give_up(key);
        counter.inc_by(repeats);
        self.settled.send_replace(());
    }
}
