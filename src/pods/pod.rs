//! The slim pod: what we keep of all that the API server sends.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::informer::{Key, Object};

/// A pod as far as this project is concerned.
///
/// Decoded straight from the wire: serde skips what is not named here, and a full `Pod` is never built. That, and not
/// stripping a full one afterwards, is what keeps the memory of a large cluster's informer small.
#[derive(Debug, PartialEq, Eq)]
pub struct Pod {
    key: Key,
    uid: Box<str>,
    resource_version: Box<str>,
    /// The node it was given to.
    pub node: Option<Box<str>>,
    /// Where it is in its life.
    pub state: State,
    /// How often its containers were restarted, all together.
    pub restarts: u32,
    /// The Secrets that it cannot start without (or looks at, if they are optional): each once.
    pub secrets: Box<[Key]>,
}

/// Where a pod is in its life, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Accepted, but not all containers run; also a pod without any status yet.
    Pending,
    /// Runs, but is not ready.
    Running,
    /// Runs and is ready.
    Ready,
    /// All containers ended well and stay so.
    Succeeded,
    /// All containers ended, at least one of them badly.
    Failed,
    /// Its node does not answer.
    Unknown,
    /// On its way out, whatever the phase still says: it has a deletionTimestamp.
    Terminating,
}

impl State {
    /// As in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Pending => "Pending",
            State::Running => "Running",
            State::Ready => "Ready",
            State::Succeeded => "Succeeded",
            State::Failed => "Failed",
            State::Unknown => "Unknown",
            State::Terminating => "Terminating",
        }
    }

    /// It will not (or need not) start any more, so that there is nothing to tell it.
    pub fn is_over(self) -> bool {
        matches!(self, State::Succeeded | State::Failed | State::Terminating)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
}

impl<'de> Deserialize<'de> for Pod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { metadata, spec, status } = Wire::deserialize(deserializer)?;
        let mut secrets: Vec<Key> = spec.secrets().map(|name| Key::new(&metadata.namespace.0, &name.0)).collect();
        secrets.sort_unstable();
        secrets.dedup();
        let state = match (&metadata.deletion_timestamp, status.phase.as_ref().map_or("", |phase| &phase.0)) {
            (Some(_), _) => State::Terminating,
            (None, "Running") if status.is_ready() => State::Ready,
            (None, "Running") => State::Running,
            (None, "Succeeded") => State::Succeeded,
            (None, "Failed") => State::Failed,
            (None, "Unknown") => State::Unknown,
            (None, "Pending" | "") => State::Pending,
            (None, other) => return Err(D::Error::custom(format!("unknown phase {other:?}"))),
        };
        Ok(Pod {
            key: Key::new(&metadata.namespace.0, &metadata.name.0),
            uid: metadata.uid.into(),
            resource_version: metadata.resource_version.into(),
            node: spec.node_name.map(Into::into),
            state,
            restarts: status.restarts(),
            secrets: secrets.into(),
        })
    }
}

/// Text that is borrowed from the bytes that came in, unless it holds an escape.
#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl From<Text<'_>> for Box<str> {
    fn from(text: Text<'_>) -> Self {
        text.0.into()
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, default)]
    spec: Spec<'a>,
    #[serde(borrow, default)]
    status: Status<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    namespace: Text<'a>,
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow)]
    resource_version: Text<'a>,
    #[serde(borrow)]
    deletion_timestamp: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec<'a> {
    #[serde(borrow)]
    node_name: Option<Text<'a>>,
    #[serde(borrow)]
    volumes: Vec<Volume<'a>>,
    #[serde(borrow)]
    containers: Vec<Container<'a>>,
    #[serde(borrow)]
    init_containers: Vec<Container<'a>>,
}

#[derive(Deserialize)]
struct Volume<'a> {
    #[serde(borrow)]
    secret: Option<SecretVolume<'a>>,
    #[serde(borrow)]
    projected: Option<Projected<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretVolume<'a> {
    #[serde(borrow)]
    secret_name: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Projected<'a> {
    #[serde(borrow, default)]
    sources: Vec<Source<'a>>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    secret: Option<Reference<'a>>,
}

#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container<'a> {
    #[serde(borrow, default)]
    env: Vec<Variable<'a>>,
    #[serde(borrow, default)]
    env_from: Vec<EnvFrom<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variable<'a> {
    #[serde(borrow)]
    value_from: Option<ValueFrom<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValueFrom<'a> {
    #[serde(borrow)]
    secret_key_ref: Option<Reference<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvFrom<'a> {
    #[serde(borrow)]
    secret_ref: Option<Reference<'a>>,
}

impl<'a> Spec<'a> {
    /// Every mention of a Secret that keeps the kubelet from starting a container.
    fn secrets(&self) -> impl Iterator<Item = &Text<'a>> {
        let mounted = self.volumes.iter().filter_map(|volume| volume.secret.as_ref()?.secret_name.as_ref());
        let projected = self.volumes.iter().filter_map(|volume| volume.projected.as_ref());
        let projected = projected.flat_map(|p| &p.sources).filter_map(|source| source.secret.as_ref());
        let containers = || self.init_containers.iter().chain(&self.containers);
        let env = containers().flat_map(|c| &c.env).filter_map(|v| v.value_from.as_ref()?.secret_key_ref.as_ref());
        let env_from = containers().flat_map(|c| &c.env_from).filter_map(|from| from.secret_ref.as_ref());
        mounted.chain(projected.chain(env).chain(env_from).filter_map(|reference| reference.name.as_ref()))
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Option<Text<'a>>,
    #[serde(borrow)]
    conditions: Vec<Condition<'a>>,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize)]
struct Condition<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    #[serde(default)]
    restart_count: u32,
}

impl Status<'_> {
    fn is_ready(&self) -> bool {
        self.conditions.iter().any(|c| c.r#type.0 == "Ready" && c.status.0 == "True")
    }

    fn restarts(&self) -> u32 {
        let all = self.init_container_statuses.iter().chain(&self.container_statuses);
        all.fold(0, |sum: u32, container| sum.saturating_add(container.restart_count))
    }
}

#[cfg(test)]
#[path = "pod_tests.rs"]
mod tests;
