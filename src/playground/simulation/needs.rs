//! What keeps a pod from starting: the Secrets that it cannot do without.

use k8s_openapi::api::core::v1::{Container, Pod, Volume};

use crate::informer::Key;

/// A Secret that has to exist before a container can be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Which.
    pub secret: Key,
    /// The volume that shows it; None: it is wanted for an environment variable.
    pub volume: Option<String>,
}

/// In the order in which a kubelet comes across them: volumes first. Optional ones do not count.
pub fn needs(pod: &Pod) -> Vec<Need> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let volumes = spec.volumes.iter().flatten().flat_map(mounted);
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let environment = containers.flat_map(variables).map(|name| (name, None));
    let need = |(name, volume): (&str, Option<&str>)| Need {
        secret: Key::new(namespace, name),
        volume: volume.map(Into::into),
    };
    volumes.map(|(name, volume)| (name, Some(volume))).chain(environment).map(need).collect()
}

/// Name of the Secret, name of the volume.
fn mounted(volume: &Volume) -> impl Iterator<Item = (&str, &str)> {
    let whole = volume.secret.iter().filter(|secret| secret.optional != Some(true));
    let whole = whole.filter_map(|secret| secret.secret_name.as_deref());
    let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    let parts = sources.filter_map(|source| source.secret.as_ref()).filter(|secret| secret.optional != Some(true));
    whole.chain(parts.map(|secret| secret.name.as_str())).map(|secret| (secret, volume.name.as_str()))
}

fn variables(container: &Container) -> impl Iterator<Item = &str> {
    let all = container.env_from.iter().flatten().filter_map(|from| from.secret_ref.as_ref());
    let all = all.filter(|secret| secret.optional != Some(true)).map(|secret| secret.name.as_str());
    let one = container.env.iter().flatten().filter_map(|env| env.value_from.as_ref()?.secret_key_ref.as_ref());
    all.chain(one.filter(|key| key.optional != Some(true)).map(|key| key.name.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_needs_every_secret_that_it_mentions_and_that_is_not_optional() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "namespace": "ns", "name": "web" },
            "spec": {
                "volumes": [
                    { "name": "whole", "secret": { "secretName": "a" } },
                    { "name": "optional", "secret": { "secretName": "x", "optional": true } },
                    { "name": "parts", "projected": { "sources": [
                        { "secret": { "name": "b" } }, { "secret": { "name": "x", "optional": true } },
                        { "configMap": { "name": "x" } },
                    ] } },
                    { "name": "other", "emptyDir": {} },
                ],
                "initContainers": [{ "name": "first", "envFrom": [
                    { "secretRef": { "name": "c" } }, { "secretRef": { "name": "x", "optional": true } },
                ] }],
                "containers": [{ "name": "web", "env": [
                    { "name": "D", "valueFrom": { "secretKeyRef": { "name": "d", "key": "k" } } },
                    { "name": "X", "valueFrom": { "secretKeyRef": { "name": "x", "key": "k", "optional": true } } },
                    { "name": "PLAIN", "value": "x" },
                ] }],
            },
        }))
        .unwrap();
        let needs: Vec<_> = needs(&pod).into_iter().map(|need| (need.secret.to_string(), need.volume)).collect();
        let need = |secret: &str, volume: Option<&str>| (secret.to_owned(), volume.map(str::to_owned));
        assert_eq!(
            needs,
            [need("ns/a", Some("whole")), need("ns/b", Some("parts")), need("ns/c", None), need("ns/d", None)]
        );
    }
}
