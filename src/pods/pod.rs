//! A pod as the cache holds it.

use crate::informer::{Key, Object};

/// A pod, reduced to the fields that this project uses.
///
/// It is decoded from the JSON without a full `Pod`, so the cache of a large cluster stays small.
#[derive(Debug, PartialEq, Eq)]
pub struct Pod {
    pub(super) key: Key,
    pub(super) uid: Box<str>,
    pub(super) resource_version: Box<str>,
    /// The node that it is scheduled to.
    pub node: Option<Box<str>>,
    /// Its state, in one word.
    pub state: PodState,
    /// The restarts of all its containers, init containers included.
    pub restarts: u32,
    /// Why the pod, or one of its containers, does not run or was restarted: `ImagePullBackOff`, `OOMKilled`.
    pub reason: Option<Box<str>>,
    /// The Secrets that its volumes and environment need, each once. They are the indexed values.
    pub secrets: Box<[Key]>,
}

/// The state of a pod: the phase, refined by readiness and deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodState {
    /// Some containers do not run yet; also a pod without a status.
    Pending,
    /// The pod runs, but is not ready.
    Running,
    /// The pod runs and is ready.
    Ready,
    /// All containers ended without an error.
    Succeeded,
    /// All containers ended, at least one of them with an error.
    Failed,
    /// The node does not report.
    Unknown,
    /// The pod has a deletionTimestamp, in any phase.
    Terminating,
}

impl PodState {
    /// Returns the state's name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            PodState::Pending => "Pending",
            PodState::Running => "Running",
            PodState::Ready => "Ready",
            PodState::Succeeded => "Succeeded",
            PodState::Failed => "Failed",
            PodState::Unknown => "Unknown",
            PodState::Terminating => "Terminating",
        }
    }

    /// Returns whether the pod will start no more containers, so that no event can help its owner.
    pub fn is_over(self) -> bool {
        matches!(self, PodState::Succeeded | PodState::Failed | PodState::Terminating)
    }
}

impl Object for Pod {
    fn key(&self) -> &Key {
        &self.key
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn resource_version(&self) -> &str {
        &self.resource_version
    }
    fn indexed_values(&self) -> &[Key] {
        &self.secrets
    }
}

#[cfg(test)]
mod tests;
