//! What the workers count: how their looks ended.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// How one look at a key ended: the label `result` of `reconcile_total`. A closed list, so that the metric stays small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it should be, or gone.
    Success,
    /// Absorbed: trying again is useless.
    Permanent,
    /// Failed, and a retry is on its way.
    Retry,
    /// Failed for a reason that says nothing about the key; a retry is on its way, and does not count.
    Deferred,
    /// Failed, and that was the last retry.
    GaveUp,
}

impl Ended {
    const ALL: [Ended; 5] = [Ended::Success, Ended::Permanent, Ended::Retry, Ended::Deferred, Ended::GaveUp];

    fn label(self) -> &'static str {
        match self {
            Ended::Success => "success",
            Ended::Permanent => "permanent",
            Ended::Retry => "retry",
            Ended::Deferred => "deferred",
            Ended::GaveUp => "gave_up",
        }
    }
}

/// `reconcile_total{queue,result}` of all workers of a process. Cloning copies a pointer.
#[derive(Clone, Debug, Default)]
pub struct Metrics(pub(super) Family<[(&'static str, &'static str); 2], Counter>);

impl Metrics {
    /// Makes it part of what is scraped.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("reconcile", "Looks at a key, by how they ended", self.0.clone());
    }

    /// One queue's counters, by [`Ended`], all of them there from the start: a rate needs a zero to begin with.
    pub(super) fn of(&self, queue: &'static str) -> [Counter; 5] {
        Ended::ALL.map(|ended| self.0.get_or_create_owned(&[("queue", queue), ("result", ended.label())]))
    }
}
