//! What there is to count about the plugin's child.

use prometheus_client::{
    metrics::{counter::Counter, histogram::Histogram},
    registry::{Registry, Unit},
};

/// In seconds. A call may take as long as `timeout` says: 10 s, if nobody says anything.
const BUCKETS: [f64; 9] = [0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0];

/// Cloning copies pointers.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Calls, whatever came of them, from the event's first byte to the answer's last.
    pub(super) calls: Histogram,
    /// Children that took the place of another.
    pub(super) restarts: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics { calls: Histogram::new(BUCKETS), restarts: Counter::default() }
    }
}

impl Metrics {
    /// Makes them part of what is scraped.
    pub fn register(&self, registry: &mut Registry) {
        let help = "How long a call of the plugin takes, answered or not, without the wait for its turn";
        registry.register_with_unit("plugin_call_duration", help, Unit::Seconds, self.calls.clone());
        let help = "Times that the plugin's child was started in place of one that failed or ended";
        registry.register("plugin_restarts", help, self.restarts.clone());
    }
}
