//! TELL: the event recorder.
//!
//! A controller has two audiences. Its operator reads its log and its metrics. The application's owner reads neither,
//! and often may not: she sees that her pod does not start and runs `kubectl describe pod`. So what she has to fix is
//! said there, in an Event about her pod.
//!
//! Writing one is a request, and requests are slow and fail. A reconcile must not wait for it: the work at hand is the
//! certificate, not the talk about it. So [`Recorder::record`] only notes what to say, and something else says it
//! later. That something is the pattern of this whole project once more, in small:
//!
//! ```text
//! record --> pending (the desired state) --key--> WorkQueue --> worker --> Reconciler --POST, PATCH--> API server
//! ```
//!
//! The key is the namespace and name of the Event object that must exist, and the name follows from what is said (see
//! `note.rs`). So repeats of one event meet in one key, the queue makes one write of many, no key is written twice at
//! once, and a retry is the queue's business. The rooms `workqueue` and `worker` are used as they are. Read `note.rs`
//! (what is said), `pending.rs` (what is still to be said), `writer.rs` (the reconciler), `attempt.rs` (its requests),
//! `spam.rs` (limits).
//!
//! # Promises
//!
//! * **Never in the way**: `record` neither blocks nor awaits, however slow the server is.
//! * **One object, not many**: the same words about the same object are one Event whose `count` goes up, after a
//!   restart too, and after the Event has expired as long as this process remembers it.
//! * **Bounded**: in memory ([`MAX_PENDING`] on their way, three quarters of them in one namespace: what is over is
//!   dropped), per object (25 at once, then one in five minutes: the rest is dropped) and per namespace (200 at once,
//!   then five a second: the rest waits, other namespaces do not).
//! * **Honest**: what is given up is counted, logged, and known to its [`Ticket`], so that the caller can tell it
//!   again.
//! * **Stubborn, not endless**: an attempt that says nothing about the event (no connection, 429) is repeated as long
//!   as the process lives, one that failed in itself at most [`MAX_TRIES`] times.
//!
//! # What it does not promise
//!
//! Events are best effort, here and everywhere in Kubernetes. The API server forgets one an hour after its last repeat
//! (`--event-ttl`). What is on its way is lost when the process dies. A write whose answer is lost in that very moment
//! may be counted twice by the next process. Never let a program depend on an Event: that is what `status` is for.
//!
//! # Why core/v1 and not events.k8s.io
//!
//! Both are views of the same stored objects. The newer one wants an action and an instance with every event, which say
//! nothing to the application's owner, and counts in a `series`; `source`, `count` and `firstTimestamp` are deprecated
//! there. They are what this project's originals wrote and what a `kubectl` of any age prints: `x24 over 1d` under Age,
//! `controlplane` under From.
//!
//! # Pitfalls
//!
//! Pitfall: awaiting the write of an event in a reconcile. A slow server then stops the workers, and a namespace that
//! is being deleted makes a reconcile fail that has nothing else to do.
//!
//! Pitfall: a time, a counter or a random word in the message. Each repeat is then another event, and none is a repeat.
//!
//! Pitfall: an event for each reconcile. A resync would then be told to everyone. An event tells of a change, or of an
//! error that a person has to fix.

mod attempt;
mod known;
mod metrics;
mod note;
mod pending;
mod spam;
mod writer;

#[cfg(test)]
mod failure_tests;
#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod pure_tests;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;

pub use metrics::Metrics;
pub use note::{Kind, MESSAGE_LIMIT, ObjectRef};
pub use pending::Ticket;

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::worker::Hush;
use crate::{
    informer::Key,
    worker::{self, Policy},
    workqueue::{self, WorkQueue},
};
use known::Known;
use note::Note;
use pending::Pending;
use spam::Buckets;

/// The queue's name, in logs and metrics.
const QUEUE: &str = "events";

/// How many events are written at the same time. More than one, so that one slow answer does not stop all.
const WORKERS: usize = 4;

/// How often an event is tried that fails for a reason of its own, before it is dropped.
pub const MAX_TRIES: u32 = 12;

/// Most events on their way; repeats of one event count once.
pub const MAX_PENDING: usize = Pending::LIMIT;

/// How events are sent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who says it: `source.component` of the Event.
    pub component: String,
    /// Server-side dry run: the server checks each Event and keeps none.
    pub dry_run: bool,
}

/// Tells people about objects. A clone is another handle to the same recorder.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    client: kube::Client,
    settings: Settings,
    metrics: Metrics,
    queue: WorkQueue<Key>,
    /// A std Mutex: it is held for a few lookups and never across an await.
    state: Mutex<State>,
    /// Changes whenever an event was sent or dropped.
    settled: watch::Sender<()>,
}

struct State {
    pending: Pending,
    known: Known,
    per_object: Buckets,
    per_namespace: Buckets,
    hush: Hush,
    /// The process ends: nothing waits for its namespace's limit any more.
    flushing: bool,
}

impl Recorder {
    /// A recorder, and the task that does its writing, to be spawned. Must be called inside a tokio runtime.
    ///
    /// The task ends only by being dropped. At shutdown, call [`Recorder::flush`] first.
    pub fn new(
        client: kube::Client,
        settings: Settings,
        metrics: Metrics,
        queue_metrics: &workqueue::Metrics,
        worker_metrics: &worker::Metrics,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let inner = Arc::new(Inner {
            client,
            settings,
            metrics,
            queue: WorkQueue::new(QUEUE, queue_metrics),
            state: Mutex::new(State {
                pending: Pending::default(),
                known: Known::default(),
                per_object: Buckets::new(spam::PER_OBJECT),
                per_namespace: Buckets::new(spam::PER_NAMESPACE),
                hush: Hush::default(),
                flushing: false,
            }),
            settled: watch::Sender::new(()),
        });
        // The policy counts what comes after the first try.
        let policy = Policy { max_retries: MAX_TRIES - 1 };
        let workers = (0..WORKERS).map(|_| {
            let never = CancellationToken::new();
            worker::run(inner.queue.clone(), inner.clone(), policy, worker_metrics.clone(), never)
        });
        let workers = futures::future::join_all(workers.collect::<Vec<_>>());
        (Recorder(inner), async move {
            workers.await;
        })
    }

    /// Says something about an object, soon. Never blocks and never waits; what came of it is in the [`Ticket`].
    ///
    /// `reason` is one or a few fixed words that a program could look for, `message` is for a person and is cut to
    /// [`MESSAGE_LIMIT`] bytes. Both are part of the event's identity: keep what changes by itself out of them.
    pub fn record(&self, about: &ObjectRef, kind: Kind, reason: &str, message: &str) -> Ticket {
        let inner = &*self.0;
        let note = Note::new(about, kind, reason, message);
        let key = note.key(&inner.settings.component);
        let mut state = inner.state();
        // Room first: an event that finds none must not use up what may be said about its object.
        let (dropped, why) = if !state.pending.has_room(&key) {
            (&inner.metrics.queue_full, "too many events are on their way")
        } else if state.per_object.take(&about.uid).is_err() {
            (&inner.metrics.spam, "too many events about this object")
        } else {
            let ticket = state.pending.add(&key, note, Timestamp::now());
            drop(state);
            inner.queue.add(key);
            return ticket;
        };
        dropped.inc();
        let line = state.hush.speak(Instant::now());
        drop(state);
        if let Some(unlogged) = line {
            let unlogged = Some(unlogged).filter(|n| *n > 0);
            warn!(event = %key, reason, unlogged, "event dropped: {why}");
        }
        Ticket::new(true)
    }

    /// How many events are on their way; repeats of one count once.
    pub fn pending(&self) -> usize {
        self.0.state().pending.len()
    }

    /// The Event that is being written for the longest time, and for how long: for `/healthz`.
    pub fn oldest(&self) -> Option<(Key, Duration)> {
        self.0.queue.oldest()
    }

    /// Sends what is left, at the end of the process: returns when everything that was recorded before the call has
    /// been sent or dropped.
    ///
    /// The limit of the namespaces is lifted: what waits for it would not be sent later but never, and there is no
    /// flood to hold back any more. Retries hold as before, and without a server it takes for ever: the caller
    /// limits it by the shutdown grace. Dropping the future does no harm.
    pub async fn flush(&self) {
        let mut settled = self.0.settled.subscribe();
        let (last, waiting) = {
            let mut state = self.0.state();
            state.flushing = true;
            (state.pending.recorded(), state.pending.keys())
        };
        waiting.into_iter().for_each(|key| self.0.queue.add(key));
        while self.0.state().pending.oldest().is_some_and(|oldest| oldest <= last) {
            // It cannot fail: the sender lives in `self`.
            let _ = settled.changed().await;
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves at worst one event half noted. No reason to stop telling the others.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
