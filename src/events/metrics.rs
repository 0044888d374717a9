//! Counts recorded events by result.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// The API server has the event.
pub(super) const SENT: &str = "sent";
/// The queue was full.
pub(super) const QUEUE_FULL: &str = "dropped_queue_full";
/// There were too many events about the object.
pub(super) const SPAM: &str = "dropped_spam";
/// The API server refused the event, or all attempts failed.
pub(super) const FAILED: &str = "dropped_failed";
/// The namespace is being deleted, and the object with it.
pub(super) const NAMESPACE_DELETED: &str = "dropped_namespace_deleted";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    result: &'static str,
}

/// `events_total{result}`: counts each recorded event once.
#[derive(Clone, Debug, Default)]
pub(super) struct EventMetrics(Family<Labels, Counter>);

impl EventMetrics {
    pub fn count(&self, result: &'static str) {
        self.0.get_or_create(&Labels { result }).inc();
    }
}

impl daemon::Metrics for EventMetrics {
    fn register(&self, registry: &mut Registry) {
        // Each result is exported from the start, at zero, so that an alert can compare it.
        for result in [SENT, QUEUE_FULL, SPAM, FAILED, NAMESPACE_DELETED] {
            self.0.get_or_create(&Labels { result }).inc_by(0);
        }
        registry.register("events", "Recorded events by result", self.0.clone());
    }
}
