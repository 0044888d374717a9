//! The event recorder: writes Events, which `kubectl describe` prints.
//!
//! A controller reports to two groups of people. The operator reads its log and metrics. The application's owner usually may
//! read neither: when a pod does not start, the owner runs `kubectl describe pod`. So an error that the owner has to fix is
//! recorded as an Event on that pod.
//!
//! Writing an Event is a request, and a request can be slow or fail. So [`Recorder::record`] only adds the event to a
//! bounded queue, and a task of its own writes it:
//!
//! ```text
//! record --> bounded queue --> limit per object --> writer --POST; if it exists: GET, PATCH--> API server
//! ```
//!
//! Read `event.rs` (the Event object and its name), this file (the queue and its limits), then `writer.rs` (the requests and
//! their retries). `spam_filter.rs` may be skipped. The next module is [`crate::pki`].
//!
//! # Best effort
//!
//! Events are best effort everywhere in Kubernetes: the API server deletes an Event one hour after its last change
//! (`--event-ttl`). Here an event is dropped and counted if the queue is full, if there are too many about its object, or if
//! the API server does not accept it. Events that are still queued after the grace period are lost, and `count` may be wrong
//! if the response to a write is lost. A program must not depend on an Event; it reads the object's `status`.
//!
//! # Why core/v1 and not events.k8s.io
//!
//! Both are views of the same stored objects. events.k8s.io deprecates `source`, `count` and `firstTimestamp`, but those are the
//! fields that `kubectl` prints: `x24 over 1d` under Age, `controlplane` under From.
//!
//! # Pitfalls
//!
//! * A reconcile that awaits the write of an event: a slow API server then blocks the workers.
//! * A time, a counter or a random value in the message: each repeat is then a new Event.
//! * An event per reconcile: each resync repeats it. Record a change, or an error that a person has to fix.

mod event;
mod spam_filter;
mod metrics;
mod writer;

use std::sync::Arc;

use daemon::{LogThrottle, Telemetry};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, ObjectReference};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use metrics::EventMetrics;
use spam_filter::SpamFilter;

pub use event::{EventType, MESSAGE_LIMIT, object_ref};

/// Maximum number of queued events.
const QUEUE_LIMIT: usize = 1000;

/// Records events about objects. A clone is another handle to the same recorder.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    client: kube::Client,
    component: String,
    dry_run: bool,
    queue: mpsc::Sender<Event>,
    limit: Mutex<SpamFilter>,
    /// The number of events that are neither written nor dropped.
    pending: watch::Sender<usize>,
    metrics: EventMetrics,
    throttle: LogThrottle,
}

impl Recorder {
    /// Creates a recorder, and the writer task for the caller to spawn.
    ///
    /// `component` becomes the Event's `source`. With `dry_run` the API server validates each Event and stores none. The writer
    /// never ends: call [`Recorder::flush`], then drop it.
    pub fn new(
        client: kube::Client,
        component: &str,
        dry_run: bool,
        telemetry: &Telemetry,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = mpsc::channel(QUEUE_LIMIT);
        let inner = Arc::new(Inner {
            client,
            component: component.to_owned(),
            dry_run,
            queue: sender,
            limit: Mutex::default(),
            pending: watch::Sender::default(),
            metrics: telemetry.metrics(),
            throttle: LogThrottle::default(),
        });
        (Recorder(inner.clone()), inner.run_writer(receiver))
    }

    /// Queues an event about an object, or drops it. Never blocks.
    ///
    /// `reason` is a short fixed text that a program can match, `message` is for a person and is cut to
    /// [`MESSAGE_LIMIT`] bytes. Both identify the event: a repeat raises the `count` of the same Event.
    pub fn record(&self, about: &ObjectReference, event_type: EventType, reason: &str, message: &str) {
        let inner = &*self.0;
        let event = event::new_event(&inner.component, about, event_type, reason, message, Timestamp::now());
        // First the queue: an event that does not fit must not count against the limit of its object.
        let Ok(permit) = inner.queue.try_reserve() else {
            return inner.drop_event(&event, metrics::QUEUE_FULL, "the queue is full");
        };
        if !inner.limit.lock().allow(about.uid.as_deref().unwrap_or_default()) {
            return inner.drop_event(&event, metrics::SPAM, "too many events about this object");
        }
        inner.pending.send_modify(|pending| *pending += 1);
        permit.send(event);
    }

    /// Returns the number of events that are neither written nor dropped.
    pub fn pending(&self) -> usize {
        *self.0.pending.borrow()
    }

    /// Waits until no event is pending. It has no deadline. Cancel-safe.
    pub async fn flush(&self) {
        // No error is possible: `self` owns the sender.
        let _ = self.0.pending.subscribe().wait_for(|pending| *pending == 0).await;
    }
}

impl Inner {
    /// Counts and logs a dropped event, at most one line per [`LogThrottle::INTERVAL`].
    fn drop_event(&self, event: &Event, result: &'static str, why: &str) {
        self.metrics.count(result);
        if let Some(permit) = self.throttle.allow() {
            let (event, reason) = (event::event_key(event), event.reason.as_deref());
            warn!(%event, reason, error = why, suppressed = permit.suppressed, "event dropped");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
