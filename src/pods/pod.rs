//! A pod as the cache holds it.

use std::collections::BTreeSet;

use bytes::Bytes;

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

/// The fields of a pod that both encodings have in the same form.
pub(super) struct Fields<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: Box<str>,
    pub resource_version: Box<str>,
    pub is_deleting: bool,
    pub node: Option<Box<str>>,
    pub phase: &'a str,
    /// Whether the condition Ready is True.
    pub is_ready: bool,
    pub restarts: u32,
}

impl Pod {
    /// Creates a pod. `secrets`: the names of the Secrets that it needs. `reasons`: the reason of the pod, then those of its
    /// containers; the first one that is not part of a normal start or end counts.
    ///
    /// # Errors
    /// The phase is unknown.
    pub(super) fn new<'a>(
        fields: Fields<'_>,
        secrets: impl Iterator<Item = &'a str>,
        mut reasons: impl Iterator<Item = &'a str>,
    ) -> Result<Self, String> {
        let state = match fields.phase {
            _ if fields.is_deleting => PodState::Terminating,
            "Running" if fields.is_ready => PodState::Ready,
            "Running" => PodState::Running,
            "Succeeded" => PodState::Succeeded,
            "Failed" => PodState::Failed,
            "Unknown" => PodState::Unknown,
            "Pending" | "" => PodState::Pending,
            other => return Err(format!("unknown phase {other:?}")),
        };
        let is_normal = |reason: &str| matches!(reason, "" | "ContainerCreating" | "PodInitializing" | "Completed");
        // These two alternate, for each attempt to pull an image.
        let reason = reasons.find(|reason| !is_normal(reason));
        let reason = reason.map(|reason| if reason == "ErrImagePull" { "ImagePullBackOff" } else { reason });
        let secrets: BTreeSet<&str> = secrets.filter(|name| !name.is_empty()).collect();
        Ok(Pod {
            key: Key::new(fields.namespace, fields.name),
            uid: fields.uid,
            resource_version: fields.resource_version,
            node: fields.node,
            state,
            restarts: fields.restarts,
            reason: reason.map(Into::into),
            secrets: secrets.into_iter().map(|name| Key::new(fields.namespace, name)).collect(),
        })
    }
}

impl Object for Pod {
    const PROTOBUF: Option<fn(Bytes) -> Result<Self, String>> = Some(super::protobuf::decode_pod);

    fn key(&self) -> &Key {
        &self.key
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn resource_version(&self) -> &str {
        &self.resource_version
    }
    /// No write is based on the version of a pod.
    fn is_unchanged_in(&self, later: &Self) -> bool {
        let used = |pod: &Self| (pod.state, pod.restarts);
        used(self) == used(later)
            && (&self.uid, &self.node, &self.reason, &self.secrets)
                == (&later.uid, &later.node, &later.reason, &later.secrets)
    }
    fn indexed_values(&self) -> &[Key] {
        &self.secrets
    }
}

#[cfg(test)]
mod tests;
