//! The metrics of the reflectors.

use std::{
    sync::{OnceLock, atomic::AtomicU64},
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

/// The label: the resource.
type ResourceLabel = [(&'static str, &'static str); 1];

/// The counters of all reflectors of a process, with the label `resource`.
#[derive(Clone, Default)]
pub struct ReflectorMetrics {
    lists: Family<ResourceLabel, Counter>,
    watches: Family<ResourceLabel, Counter>,
    errors: Family<[(&'static str, &'static str); 2], Counter>,
    items: Family<ResourceLabel, Gauge>,
    synced: Family<ResourceLabel, Gauge>,
    last_event: Family<ResourceLabel, Gauge<f64, AtomicU64>>,
}

impl daemon::Metrics for ReflectorMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register("reflector_lists", "Lists begun; the pages of one list count once", self.lists.clone());
        registry.register("reflector_watches", "Watches opened, failed attempts included", self.watches.clone());
        let help = "Lists and watches that failed, and objects that could not be decoded, by reason";
        registry.register("reflector_watch_errors", help, self.errors.clone());
        registry.register("reflector_items", "Objects in the cache", self.items.clone());
        registry.register("reflector_synced", "1 once the first list is in the cache, 0 before", self.synced.clone());
        let help = "Time of the last response of the API server for the resource: a list, an event or a bookmark";
        registry.register_with_unit("reflector_last_event_timestamp", help, Unit::Seconds, self.last_event.clone());
    }
}

impl ReflectorMetrics {
    /// Returns the metrics of one resource, looked up once.
    pub(super) fn of(&self, resource: &'static str) -> ResourceMetrics {
        let label = [("resource", resource)];
        ResourceMetrics {
            lists: self.lists.get_or_create_owned(&label),
            watches: self.watches.get_or_create_owned(&label),
            items: self.items.get_or_create_owned(&label),
            synced: self.synced.get_or_create_owned(&label),
            last_event: OnceLock::new(),
            all: self.clone(),
            resource,
        }
    }
}

/// The metrics of one reflector.
pub(super) struct ResourceMetrics {
    pub lists: Counter,
    pub watches: Counter,
    pub items: Gauge,
    pub synced: Gauge,
    /// Created by the first response. Before it, the value would be 0: the year 1970.
    last_event: OnceLock<Gauge<f64, AtomicU64>>,
    all: ReflectorMetrics,
    resource: &'static str,
}

impl ResourceMetrics {
    pub fn error(&self, reason: &'static str) {
        self.all.errors.get_or_create(&[("resource", self.resource), ("reason", reason)]).inc();
    }

    /// Records the time of a response of the API server. Called for each event.
    pub fn record_response(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let last_event = || self.all.last_event.get_or_create_owned(&[("resource", self.resource)]);
        self.last_event.get_or_init(last_event).set(now.as_secs_f64());
    }
}
