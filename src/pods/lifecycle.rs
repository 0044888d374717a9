//! The reconcile of a pod: compare it with the pod that was last logged, and log the difference.
//!
//! Its promises, one test each:
//!
//! * **True**: a pod's last line is its true state.
//! * **Never invented**: states in between may be skipped, but each line shows a state that the pod was in.
//! * **Never repeated**: a line is logged only if the state, the UID, the restarts or the reason has changed.
//! * **Baseline**: the pods of the first list are marked in the log, because they are not new.

use std::{mem, sync::Arc};

use super::{Pod, PodState};
use crate::{
    informer::{Key, Object, PerKey, Store},
    worker::{Action, ReconcileError, Reconciler},
};

/// The reconciler of pods.
pub struct PodReconciler {
    pods: Arc<Store<Pod>>,
    known: PerKey<Known>,
}

/// What is known of a pod: usually the object in the cache itself, so this costs a pointer per pod.
enum Known {
    /// It was in the first list, and is not logged yet.
    Baseline(Arc<Pod>),
    /// It was logged in this state.
    Logged(Arc<Pod>),
}

/// One line of the log.
struct Transition {
    /// The pod, in its last known state.
    pod: Arc<Pod>,
    /// None: the pod was not known before.
    from: Option<PodState>,
    /// None: the pod is deleted.
    to: Option<PodState>,
    /// The sum of all restarts, if a container restarted.
    restarts: Option<u32>,
    replaced: bool,
    baseline: bool,
}

impl PodReconciler {
    /// Creates the reconciler. It reads the pods from this store.
    pub fn new(pods: Arc<Store<Pod>>) -> Self {
        PodReconciler { pods, known: PerKey::default() }
    }

    /// Marks a pod of the first list.
    pub fn mark_baseline(&self, pod: Arc<Pod>) {
        self.known.update(pod.key(), |last| *last = Some(Known::Baseline(pod.clone())));
    }
}

impl Reconciler<Key> for PodReconciler {
    async fn reconcile(&self, key: &Key) -> Result<Action, ReconcileError> {
        // 1. The current state, from the cache. None: the pod is deleted.
        let pod = self.pods.get(key);
        // 2. The pod that was last logged. It is replaced by the current one.
        let last = self.known.update(key, |last| mem::replace(last, pod.clone().map(Known::Logged)));
        // 3. Log the difference. A field without a value is left out.
        if let Some(transition) = compare(last, pod) {
            tracing::info!(
                pod = %key, node = transition.pod.node.as_deref(), uid = transition.pod.uid(),
                from = transition.from.map_or("none", PodState::as_str),
                to = transition.to.map_or("Deleted", PodState::as_str),
                restarts = transition.restarts,
                // A ready pod may have an old one.
                reason = transition.pod.reason.as_deref().filter(|_| transition.to != Some(PodState::Ready)),
                replaced = transition.replaced.then_some(true),
                baseline = transition.baseline.then_some(true),
                "pod lifecycle"
            );
        }
        Ok(Action::AwaitChange)
    }
}

/// Decides what to log.
fn compare(last: Option<Known>, now: Option<Arc<Pod>>) -> Option<Transition> {
    use Known::{Baseline, Logged};
    let line = |pod, from, to| Transition { pod, from, to, restarts: None, replaced: false, baseline: false };
    match (last, now) {
        // Created and deleted between two reconciles: it was never logged.
        (None | Some(Baseline(_)), None) => None,
        (last @ (None | Some(Baseline(_))), Some(pod)) => {
            let baseline = matches!(last, Some(Baseline(old)) if old.uid() == pod.uid());
            Some(Transition { baseline, ..line(pod.clone(), None, Some(pod.state)) })
        }
        (Some(Logged(old)), None) => Some(line(old.clone(), Some(old.state), None)),
        (Some(Logged(old)), Some(pod)) => {
            let replaced = old.uid() != pod.uid();
            let restarts = (!replaced && pod.restarts > old.restarts).then_some(pod.restarts);
            let has_new_reason = pod.reason.is_some() && pod.reason != old.reason && pod.state != PodState::Ready;
            let changed = replaced || restarts.is_some() || pod.state != old.state || has_new_reason;
            changed.then(|| Transition { replaced, restarts, ..line(pod.clone(), Some(old.state), Some(pod.state)) })
        }
    }
}

#[cfg(test)]
mod tests;
