//! Decodes a [`Pod`] from protobuf. `json.rs` does the same for the other encoding.
//!
//! The messages have only the fields that are used, with the numbers of Kubernetes' `core/v1/generated.proto`; prost skips the
//! others by their length. Text is a view of the bytes of the response, so that only the fields of the pod are copied.

use bytes::Bytes;
use prost::Message;

use super::{Pod, pod::Fields};

#[derive(Clone, PartialEq, Message)]
struct PodMessage {
    #[prost(message, tag = "1")]
    metadata: Option<Metadata>,
    #[prost(message, tag = "2")]
    spec: Option<Spec>,
    #[prost(message, tag = "3")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    namespace: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    uid: Bytes,
    #[prost(bytes = "bytes", tag = "6")]
    resource_version: Bytes,
    #[prost(bytes = "bytes", optional, tag = "9")]
    deletion_timestamp: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Spec {
    #[prost(message, repeated, tag = "1")]
    volumes: Vec<Volume>,
    #[prost(message, repeated, tag = "2")]
    containers: Vec<Container>,
    #[prost(bytes = "bytes", optional, tag = "10")]
    node_name: Option<Bytes>,
    #[prost(message, repeated, tag = "20")]
    init_containers: Vec<Container>,
}

#[derive(Clone, PartialEq, Message)]
struct Volume {
    #[prost(message, optional, tag = "2")]
    source: Option<VolumeSource>,
}

#[derive(Clone, PartialEq, Message)]
struct VolumeSource {
    #[prost(message, optional, tag = "6")]
    secret: Option<SecretVolume>,
    #[prost(message, optional, tag = "26")]
    projected: Option<Projected>,
}

#[derive(Clone, PartialEq, Message)]
struct SecretVolume {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
    #[prost(bool, tag = "4")]
    optional: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Projected {
    #[prost(message, repeated, tag = "1")]
    sources: Vec<Projection>,
}

#[derive(Clone, PartialEq, Message)]
struct Projection {
    #[prost(message, optional, tag = "1")]
    secret: Option<SecretProjection>,
}

#[derive(Clone, PartialEq, Message)]
struct SecretProjection {
    #[prost(message, optional, tag = "1")]
    reference: Option<Reference>,
    #[prost(bool, tag = "4")]
    optional: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Reference {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Container {
    #[prost(message, repeated, tag = "7")]
    env: Vec<Variable>,
    #[prost(message, repeated, tag = "19")]
    env_from: Vec<EnvFrom>,
}

#[derive(Clone, PartialEq, Message)]
struct Variable {
    #[prost(message, optional, tag = "3")]
    value_from: Option<ValueFrom>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueFrom {
    #[prost(message, optional, tag = "4")]
    secret: Option<SecretKey>,
}

#[derive(Clone, PartialEq, Message)]
struct SecretKey {
    #[prost(message, optional, tag = "1")]
    reference: Option<Reference>,
    #[prost(bool, tag = "3")]
    optional: bool,
}

#[derive(Clone, PartialEq, Message)]
struct EnvFrom {
    #[prost(message, optional, tag = "3")]
    secret: Option<SecretEnv>,
}

#[derive(Clone, PartialEq, Message)]
struct SecretEnv {
    #[prost(message, optional, tag = "1")]
    reference: Option<Reference>,
    #[prost(bool, tag = "2")]
    optional: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(bytes = "bytes", tag = "1")]
    phase: Bytes,
    #[prost(message, repeated, tag = "2")]
    conditions: Vec<Condition>,
    #[prost(bytes = "bytes", tag = "4")]
    reason: Bytes,
    #[prost(message, repeated, tag = "8")]
    container_statuses: Vec<ContainerStatus>,
    #[prost(message, repeated, tag = "10")]
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct Condition {
    #[prost(bytes = "bytes", tag = "1")]
    r#type: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    status: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerStatus {
    #[prost(message, optional, tag = "2")]
    state: Option<ContainerState>,
    #[prost(message, optional, tag = "3")]
    last_state: Option<ContainerState>,
    #[prost(int32, tag = "5")]
    restart_count: i32,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerState {
    #[prost(message, optional, tag = "1")]
    waiting: Option<Waiting>,
    #[prost(message, optional, tag = "3")]
    terminated: Option<Terminated>,
}

#[derive(Clone, PartialEq, Message)]
struct Waiting {
    #[prost(bytes = "bytes", tag = "1")]
    reason: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Terminated {
    #[prost(bytes = "bytes", tag = "3")]
    reason: Bytes,
}

/// Decodes a pod.
///
/// # Errors
/// The bytes are not a pod, or its phase is unknown.
pub(super) fn decode_pod(bytes: Bytes) -> Result<Pod, String> {
    let PodMessage { metadata, spec, status } = PodMessage::decode(bytes).map_err(|error| error.to_string())?;
    let (metadata, spec, status) = (metadata.unwrap_or_default(), spec.unwrap_or_default(), status.unwrap_or_default());
    let fields = Fields {
        namespace: text(&metadata.namespace)?,
        name: text(&metadata.name)?,
        uid: text(&metadata.uid)?.into(),
        resource_version: text(&metadata.resource_version)?.into(),
        is_deleting: metadata.deletion_timestamp.is_some(),
        // Protobuf has no null: an empty text is none.
        node: spec.node_name.as_ref().map(text).transpose()?.filter(|node| !node.is_empty()).map(Into::into),
        phase: text(&status.phase)?,
        is_ready: status.conditions.iter().any(|c| *c.r#type == *b"Ready" && *c.status == *b"True"),
        restarts: status.restarts(),
    };
    Pod::new(fields, spec.secrets(), status.reasons())
}

fn text(bytes: &Bytes) -> Result<&str, String> {
    str::from_utf8(bytes).map_err(|error| error.to_string())
}

/// The name of a Secret that is needed. (A name that is not UTF-8 cannot exist.)
fn needed(name: Option<&Bytes>, optional: bool) -> Option<&str> {
    name.filter(|_| !optional).and_then(|name| text(name).ok())
}

impl Spec {
    /// Returns the name of every Secret that a volume or the environment needs. The pod starts without an optional one.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let sources = || self.volumes.iter().filter_map(|volume| volume.source.as_ref());
        let volumes = sources().filter_map(|source| source.secret.as_ref());
        let volumes = volumes.filter_map(|secret| needed(Some(&secret.name), secret.optional));
        let projections = sources().filter_map(|source| source.projected.as_ref()).flat_map(|it| &it.sources);
        let projections = projections.filter_map(|projection| projection.secret.as_ref());
        let projections = projections.filter_map(|it| needed(it.reference.as_ref().map(|r| &r.name), it.optional));
        let containers = || self.init_containers.iter().chain(&self.containers);
        let env = containers().flat_map(|container| &container.env);
        let env = env.filter_map(|variable| variable.value_from.as_ref()?.secret.as_ref());
        let env = env.filter_map(|it| needed(it.reference.as_ref().map(|r| &r.name), it.optional));
        let env_from = containers().flat_map(|container| &container.env_from).filter_map(|it| it.secret.as_ref());
        let env_from = env_from.filter_map(|it| needed(it.reference.as_ref().map(|r| &r.name), it.optional));
        volumes.chain(projections).chain(env).chain(env_from)
    }
}

impl Status {
    fn containers(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.init_container_statuses.iter().chain(&self.container_statuses)
    }

    fn restarts(&self) -> u32 {
        let counts = self.containers().map(|container| u32::try_from(container.restart_count).unwrap_or_default());
        counts.fold(0, u32::saturating_add)
    }

    /// Returns the reason of the pod, then those of its containers.
    fn reasons(&self) -> impl Iterator<Item = &str> {
        let of_containers = self.containers().flat_map(|container| {
            let [state, last] = [&container.state, &container.last_state].map(Option::as_ref);
            let [ended, ended_before] = [state, last].map(|state| Some(&state?.terminated.as_ref()?.reason));
            [state.and_then(|state| Some(&state.waiting.as_ref()?.reason)), ended, ended_before]
        });
        [&self.reason].into_iter().chain(of_containers.flatten()).filter_map(|reason| text(reason).ok())
    }
}

#[cfg(test)]
pub(super) mod tests;
