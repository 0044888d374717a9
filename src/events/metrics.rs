//! What became of the recorded events, in numbers.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    result: &'static str,
}

/// `events_total{result}`: every recorded event ends in exactly one of these, each repeat counted by itself.
#[derive(Clone, Debug)]
pub struct Metrics {
    family: Family<Labels, Counter>,
    /// `sent`: the API server has it.
    pub(super) sent: Counter,
    /// `dropped_queue_full`: too many were on their way.
    pub(super) queue_full: Counter,
    /// `dropped_spam`: too many about this object.
    pub(super) spam: Counter,
    /// `dropped_failed`: refused by the server, or the retries were used up.
    pub(super) failed: Counter,
    /// `absorbed`: the namespace is going or gone, and whoever would have read it with it.
    pub(super) absorbed: Counter,
}

impl Metrics {
    /// All at zero: a result that has not happened yet is there to be seen, and to alert on.
    pub fn new() -> Self {
        let family = Family::<Labels, Counter>::default();
        let child = |result| family.get_or_create_owned(&Labels { result });
        Metrics {
            sent: child("sent"),
            queue_full: child("dropped_queue_full"),
            spam: child("dropped_spam"),
            failed: child("dropped_failed"),
            absorbed: child("absorbed"),
            family,
        }
    }

    /// Makes them visible.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("events", "Recorded events by what became of them", self.family.clone());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
