//! Decodes a [`Pod`] from JSON. `protobuf.rs` does the same for the other encoding.
//!
//! The structs have only the fields that are used; serde skips the others. Text is borrowed from the bytes of the response,
//! so that only the fields of the pod are copied.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};

use super::{Pod, pod::Fields};

impl<'de> Deserialize<'de> for Pod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { metadata, spec, status } = Wire::deserialize(deserializer)?;
        let fields = Fields {
            namespace: &metadata.namespace.0,
            name: &metadata.name.0,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            is_deleting: metadata.deletion_timestamp.is_some(),
            node: spec.node_name.clone(),
            phase: &status.phase.0,
            is_ready: status.is_ready(),
            restarts: status.restarts(),
        };
        Pod::new(fields, spec.secrets(), status.reasons()).map_err(de::Error::custom)
    }
}

/// Borrowed text; owned if it contains an escape. (`'de: 'a` below: a struct borrows from the input, as its fields do.)
#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Wire<'a> {
    metadata: Metadata<'a>,
    #[serde(default)]
    spec: Spec<'a>,
    #[serde(default)]
    status: Status<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Metadata<'a> {
    name: Text<'a>,
    namespace: Text<'a>,
    uid: Box<str>,
    resource_version: Box<str>,
    deletion_timestamp: Option<de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct Spec<'a> {
    node_name: Option<Box<str>>,
    volumes: Vec<Source<'a>>,
    containers: Vec<Container<'a>>,
    init_containers: Vec<Container<'a>>,
}

/// A volume, a source of a projected volume or of `envFrom`, or the source of a variable. The field that refers to a Secret has
/// another name in each of them, but the same content.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Source<'a> {
    #[serde(alias = "secretRef", alias = "secretKeyRef")]
    secret: Option<Reference<'a>>,
    projected: Option<Projected<'a>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Reference<'a> {
    #[serde(alias = "secretName")]
    name: Option<Text<'a>>,
    #[serde(default)]
    optional: bool,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Projected<'a> {
    #[serde(default)]
    sources: Vec<Source<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct Container<'a> {
    env: Vec<Variable<'a>>,
    env_from: Vec<Source<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Variable<'a> {
    value_from: Option<Source<'a>>,
}

impl Spec<'_> {
    /// Returns the name of every Secret that a volume or the environment needs. The pod starts without an optional one.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let containers = || self.init_containers.iter().chain(&self.containers);
        let projected = self.volumes.iter().filter_map(|volume| volume.projected.as_ref()).flat_map(|p| &p.sources);
        let env = containers().flat_map(|c| &c.env).filter_map(|variable| variable.value_from.as_ref());
        let env_from = containers().flat_map(|c| &c.env_from);
        let sources = self.volumes.iter().chain(projected).chain(env).chain(env_from);
        sources.filter_map(|source| Some(&*source.secret.as_ref().filter(|secret| !secret.optional)?.name.as_ref()?.0))
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct Status<'a> {
    phase: Text<'a>,
    reason: Text<'a>,
    conditions: Vec<Condition<'a>>,
    container_statuses: Vec<ContainerStatus<'a>>,
    init_container_statuses: Vec<ContainerStatus<'a>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Condition<'a> {
    r#type: Text<'a>,
    status: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct ContainerStatus<'a> {
    restart_count: u32,
    #[serde(default)]
    state: ContainerState<'a>,
    #[serde(default)]
    last_state: ContainerState<'a>,
}

#[derive(Default, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct ContainerState<'a> {
    waiting: Option<StateDetails<'a>>,
    terminated: Option<StateDetails<'a>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct StateDetails<'a> {
    #[serde(default)]
    reason: Text<'a>,
}

impl Status<'_> {
    fn is_ready(&self) -> bool {
        self.conditions.iter().any(|c| c.r#type.0 == "Ready" && c.status.0 == "True")
    }

    fn containers(&self) -> impl Iterator<Item = &ContainerStatus<'_>> {
        self.init_container_statuses.iter().chain(&self.container_statuses)
    }

    fn restarts(&self) -> u32 {
        self.containers().fold(0, |sum: u32, container| sum.saturating_add(container.restart_count))
    }

    /// Returns the reason of the pod, then those of its containers.
    fn reasons(&self) -> impl Iterator<Item = &str> {
        let states = self.containers().flat_map(|c| [&c.state.waiting, &c.state.terminated, &c.last_state.terminated]);
        [&self.reason].into_iter().chain(states.flatten().map(|details| &details.reason)).map(|text| &*text.0)
    }
}
