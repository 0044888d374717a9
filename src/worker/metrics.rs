//! What the workers count: how reconciles ended.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// How one reconcile ended: the label `result` of `reconcile_total`. A closed list, so that the metric stays small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileResult {
    /// As it should be, or gone.
    Success,
    /// Absorbed: a retry is useless.
    Permanent,
    /// Failed; a retry is scheduled.
    Retry,
    /// Failed for a reason that says nothing about the key; a retry is scheduled, and does not count.
    Unavailable,
    /// Failed, and that was the last retry.
    RetriesExhausted,
}

impl ReconcileResult {
    const ALL: [Self; 5] = [Self::Success, Self::Permanent, Self::Retry, Self::Unavailable, Self::RetriesExhausted];

    pub(super) fn label(self) -> &'static str {
        self.texts().0
    }

    /// What the worker did about the key, for `--explain`.
    pub(super) fn explained(self) -> &'static str {
        self.texts().1
    }

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            ReconcileResult::Success => ("success", "it worked: its failures are forgotten"),
            ReconcileResult::Permanent => ("permanent", "it cannot work: not retried, waits for a change or a resync"),
            ReconcileResult::Retry => ("retry", "it failed: one more failure counted, retried later"),
            ReconcileResult::Unavailable => ("unavailable", "not possible now: retried later, and not counted"),
            ReconcileResult::RetriesExhausted => {
                ("retries_exhausted", "it failed too often: dropped until a change or a resync")
            }
        }
    }
}

/// `reconcile_total{queue,result}` of all workers of a process.
#[derive(Clone, Debug, Default)]
pub struct ReconcileMetrics(pub(super) Family<[(&'static str, &'static str); 2], Counter>);

impl daemon::Metrics for ReconcileMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register("reconcile", "Reconciles, by how they ended", self.0.clone());
    }
}

impl ReconcileMetrics {
    /// One queue's counters, by [`ReconcileResult`], all of them from the start: a rate needs a zero to begin with.
    pub(super) fn of(&self, queue: &'static str) -> [Counter; 5] {
        ReconcileResult::ALL.map(|result| self.0.get_or_create_owned(&[("queue", queue), ("result", result.label())]))
    }
}
