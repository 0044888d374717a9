//! What the reflectors count.

use std::{
    sync::atomic::AtomicU64,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::request::Failure;

/// What the label `reason` of `reflector_watch_errors_total` may be: a failure of a request, or of what it brought.
const REASONS: [&[&str]; 2] = [&Failure::LABELS, &super::machine::REASONS];

/// The counters of all reflectors, with the label `resource`.
#[derive(Clone, Default)]
pub struct Metrics {
    lists: Family<Resource, Counter>,
    watches: Family<Resource, Counter>,
    errors: Family<ResourceReason, Counter>,
    items: Family<Resource, Gauge>,
    synced: Family<Resource, Gauge>,
    last_event: Family<Resource, Gauge<f64, AtomicU64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Resource {
    resource: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceReason {
    resource: &'static str,
    reason: &'static str,
}

impl daemon::Metrics for Metrics {
    fn register(&self, registry: &mut Registry) {
        registry.register("reflector_lists", "Lists begun; the pages of one list count once", self.lists.clone());
        registry.register("reflector_watches", "Watches opened, or tried to", self.watches.clone());
        let help = "Lists and watches that failed, and objects that could not be decoded, by reason";
        registry.register("reflector_watch_errors", help, self.errors.clone());
        registry.register("reflector_items", "Objects in the cache", self.items.clone());
        let help = "1 once the cache has had its first list, 0 before";
        registry.register("reflector_synced", help, self.synced.clone());
        let help = "When the API server was last heard of this resource: a list, an event or a bookmark";
        registry.register_with_unit("reflector_last_event_timestamp", help, Unit::Seconds, self.last_event.clone());
    }
}

impl Metrics {
    /// The counters of one resource, looked up once. All reasons are there from the start: a rate needs a zero to begin
    /// with. When it was last heard of is not: there is no such time yet, and 1970 is not one.
    pub(super) fn of(&self, resource: &'static str) -> ResourceMetrics {
        let label = Resource { resource };
        for reason in REASONS.into_iter().flatten().copied() {
            drop(self.errors.get_or_create(&ResourceReason { resource, reason }));
        }
        ResourceMetrics {
            lists: self.lists.get_or_create_owned(&label),
            watches: self.watches.get_or_create_owned(&label),
            items: self.items.get_or_create_owned(&label),
            synced: self.synced.get_or_create_owned(&label),
            last_event: self.last_event.clone(),
            errors: self.errors.clone(),
            resource,
        }
    }
}

/// One reflector's share of the [`Metrics`].
pub(super) struct ResourceMetrics {
    pub lists: Counter,
    pub watches: Counter,
    pub items: Gauge,
    pub synced: Gauge,
    last_event: Family<Resource, Gauge<f64, AtomicU64>>,
    errors: Family<ResourceReason, Counter>,
    resource: &'static str,
}

impl ResourceMetrics {
    pub fn error(&self, reason: &'static str) {
        self.errors.get_or_create(&ResourceReason { resource: self.resource, reason }).inc();
    }

    pub fn heard(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_event.get_or_create(&Resource { resource: self.resource }).set(now.as_secs_f64());
    }
}
