//! Counts reconciles by result.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// How a reconcile ended: the label `result` of `reconcile_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileOutcome {
    /// The current state is right, or the object is deleted.
    Success,
    /// Failed, and a retry is useless.
    Permanent,
    /// Failed; a retry is scheduled.
    Retry,
    /// Failed, but the key is not at fault; a retry is scheduled.
    Unavailable,
    /// The last retry failed; the key is dropped.
    RetriesExhausted,
}

impl ReconcileOutcome {
    const ALL: [Self; 5] = [Self::Success, Self::Permanent, Self::Retry, Self::Unavailable, Self::RetriesExhausted];

    pub(super) fn label(self) -> &'static str {
        self.texts().0
    }

    /// The worker's decision, for `--explain`.
    pub(super) fn explained(self) -> &'static str {
        self.texts().1
    }

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            ReconcileOutcome::Success => ("success", "succeeded: the failures of the key are forgotten"),
            ReconcileOutcome::Permanent => {
                ("permanent", "failed, and a retry is useless: the key waits for a change or a resync")
            }
            ReconcileOutcome::Retry => ("retry", "failed: the failure is counted, and the key is retried later"),
            ReconcileOutcome::Unavailable => {
                ("unavailable", "not possible now: the key is retried later, without a limit")
            }
            ReconcileOutcome::RetriesExhausted => {
                ("retries_exhausted", "failed too often: the key is dropped until a change or a resync")
            }
        }
    }
}

/// `reconcile_total{queue,result}` of all workers of a process.
#[derive(Clone, Debug, Default)]
pub struct ReconcileMetrics(pub(super) Family<[(&'static str, &'static str); 2], Counter>);

impl daemon::Metrics for ReconcileMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register("reconcile", "Reconciles by result", self.0.clone());
    }
}

impl ReconcileMetrics {
    /// Returns the counters of a queue by [`ReconcileOutcome`]. All exist from the start, because a rate needs a first zero.
    pub(super) fn of(&self, queue: &'static str) -> [Counter; 5] {
        ReconcileOutcome::ALL.map(|result| self.0.get_or_create_owned(&[("queue", queue), ("result", result.label())]))
    }
}
