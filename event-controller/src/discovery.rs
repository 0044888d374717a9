//! Where the API server serves the resource that a person named.
//!
//! A program cannot contain a table of resources: a CRD adds one while it runs. So it asks the API server, which describes all
//! of them in two documents (aggregated discovery, since Kubernetes 1.26).
//!
//! * The core group comes first, then the groups of Kubernetes, then all others. So a CRD cannot hide what is Kubernetes' own.
//! * Two groups of the same rank that both have the name are ambiguous: the error names them.
//! * Only a resource that can be listed and watched counts.

use std::{sync::Arc, time::Duration};

use daemon::Telemetry;
use demo_controller::{
    informer::{Backoff, LONGEST_BACKOFF, collection_path},
    request::{Failure, with_time_limit},
};
use kube::{
    Client,
    core::discovery::v2::{APIGroupDiscovery, APIResourceDiscovery},
};
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::resource::{Resource, Wanted};

/// Asks until the resource is found, and reports on `/readyz` and in the log why it is not.
///
/// A resource that is not served is no reason to end: its CRD may come a minute later, from the same `kubectl apply`.
pub struct Search {
    client: Client,
    wanted: Wanted,
    namespace: Option<String>,
    state: Arc<Mutex<Result<(), String>>>,
}

impl Search {
    /// Creates the search, in one namespace or in all, and its readiness check.
    pub fn new(client: Client, wanted: Wanted, namespace: Option<String>, telemetry: &Telemetry) -> Self {
        let state = Arc::new(Mutex::new(Err("asking the API server for it".to_owned())));
        telemetry.add_readiness(wanted.to_string(), {
            let state = state.clone();
            move || state.lock().clone()
        });
        Search { client, wanted, namespace, state }
    }

    /// Asks until the resource is found: after 0.8 s, doubling, at least every 30 s. Cancel-safe.
    pub async fn run(&self) -> Resource {
        let mut backoff = Backoff::default();
        loop {
            let (why, retry_after) = match self.ask().await {
                Ok(resource) => {
                    *self.state.lock() = Ok(());
                    tracing::info!(wanted = %self.wanted, path = resource.path, kind = resource.kind, "resource found");
                    if let Some(namespace) = self.namespace.as_ref().filter(|_| !resource.namespaced) {
                        tracing::warn!(
                            resource = resource.name,
                            namespace,
                            "it has no namespaces, the given one is ignored"
                        );
                    }
                    return resource;
                }
                Err(Absent { why, retry_after }) => (why, retry_after),
            };
            if self.set_absent(why.clone()) {
                tracing::warn!(wanted = %self.wanted, reason = why, "nothing to watch yet, asking again");
            }
            sleep(backoff.next(rand::random()).max(retry_after.min(LONGEST_BACKOFF))).await;
        }
    }

    /// Asks again for a resource that was found, because the API server does not serve its path any more. It may have moved to
    /// another version, not to another group. Cancel-safe.
    pub async fn run_again(&mut self, resource: &Resource) -> Resource {
        let (plural, group) = resource.name.split_once('.').unwrap_or((&resource.name, ""));
        self.wanted =
            Wanted { word: plural.to_owned(), group: Some(group.to_owned()), version: self.wanted.version.take() };
        self.set_absent(format!("the API server does not serve {} any more", resource.path));
        self.run().await
    }

    /// Returns whether the reason is a new one.
    fn set_absent(&self, why: String) -> bool {
        let why = Err(why);
        std::mem::replace(&mut *self.state.lock(), why.clone()) != why
    }

    async fn ask(&self) -> Result<Resource, Absent> {
        let mut groups = with_time_limit(self.client.list_core_api_versions_aggregated()).await?.items;
        groups.extend(with_time_limit(self.client.list_api_groups_aggregated()).await?.items);
        choose(&groups, &self.wanted, self.namespace.as_deref()).map_err(Absent::from)
    }
}

/// Why there is nothing to watch, for now.
struct Absent {
    why: String,
    /// The pause that the server asks for.
    retry_after: Duration,
}

impl From<String> for Absent {
    fn from(why: String) -> Self {
        Absent { why, retry_after: Duration::ZERO }
    }
}

impl From<Failure> for Absent {
    fn from(failure: Failure) -> Self {
        Absent { why: failure.to_string(), retry_after: failure.retry_after().unwrap_or_default() }
    }
}

/// How well a resource matches: rank of its group, then whether the word is a name (0) or a short name (1).
type Match = (u8, u8);

/// Chooses what `wanted` names. If it has no namespaces, `namespace` is ignored, as kubectl does.
///
/// # Errors
/// Why it cannot be watched, in one line.
fn choose(groups: &[APIGroupDiscovery], wanted: &Wanted, namespace: Option<&str>) -> Result<Resource, String> {
    if groups.iter().all(|group| group.versions.is_empty()) {
        return Err("the API server offers no aggregated discovery: expected Kubernetes 1.26 or later".to_owned());
    }
    let mut found: Vec<(Match, Resource)> = Vec::new();
    // For the reason, if there is nothing.
    let (mut unwatchable, mut other_versions, mut unknown) = (None, Vec::new(), Vec::new());
    for group in groups {
        let name = group.metadata.as_ref().and_then(|meta| meta.name.as_deref()).unwrap_or_default();
        if wanted.group.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        let first = found.len();
        // The preferred version comes first. Another may have more resources.
        for version in &group.versions {
            let number = version.version.as_deref().unwrap_or_default();
            let api_version = if name.is_empty() { number.to_owned() } else { format!("{name}/{number}") };
            if version.freshness.as_deref() == Some("Stale") {
                unknown.push(api_version.clone());
            }
            let by_word =
                version.resources.iter().filter_map(|served| Some((rank_of_word(served, &wanted.word)?, served)));
            let Some((rank, served)) = by_word.min_by_key(|(rank, _)| *rank) else { continue };
            let resource = resource(name, api_version, served, namespace);
            if wanted.version.as_ref().is_some_and(|wanted| wanted != number) {
                other_versions.push(resource.api_version);
            } else if !["list", "watch"].iter().all(|needed| served.verbs.iter().any(|verb| verb == needed)) {
                unwatchable = Some(format!("{} cannot be listed and watched", resource.name));
            } else if found.len() == first {
                found.push(((rank_of_group(name), rank), resource));
            }
        }
    }
    let best = found.iter().map(|(rank, _)| *rank).min();
    found.retain(|(rank, _)| Some(*rank) == best);
    match found.pop() {
        Some((_, resource)) if found.is_empty() => Ok(resource),
        Some((_, resource)) => {
            found.push(((0, 0), resource));
            let mut names: Vec<&str> = found.iter().map(|(_, resource)| resource.name.as_str()).collect();
            names.sort_unstable();
            Err(format!("{wanted} is ambiguous: expected one of {}", names.join(", ")))
        }
        None => Err(unwatchable.unwrap_or_else(|| {
            let mut why = format!("the API server serves no {wanted}");
            if other_versions.is_empty() {
                why += " (is its CRD installed?)";
            } else {
                why += &format!(": it is served in {}", other_versions.join(", "));
            }
            if !unknown.is_empty() {
                why += &format!("; the server of {} does not answer", unknown.join(", "));
            }
            why
        })),
    }
}

/// Groups without a dot are Kubernetes' first ones (`apps`, `batch`). A CRD below k8s.io needs an annotation about its approval.
fn rank_of_group(name: &str) -> u8 {
    match name {
        "" => 0,
        name if !name.contains('.') || name.ends_with(".k8s.io") => 1,
        _ => 2,
    }
}

fn rank_of_word(served: &APIResourceDiscovery, word: &str) -> Option<u8> {
    let names = [served.resource.as_deref(), served.singular_resource.as_deref(), kind(served)];
    if names.into_iter().flatten().any(|name| name.eq_ignore_ascii_case(word)) {
        return Some(0);
    }
    served.short_names.iter().any(|name| name.eq_ignore_ascii_case(word)).then_some(1)
}

fn kind(served: &APIResourceDiscovery) -> Option<&str> {
    served.response_kind.as_ref()?.kind.as_deref()
}

fn resource(group: &str, api_version: String, served: &APIResourceDiscovery, namespace: Option<&str>) -> Resource {
    let plural = served.resource.as_deref().unwrap_or_default();
    let namespaced = served.scope.as_deref() == Some("Namespaced");
    let root = if group.is_empty() { "/api" } else { "/apis" };
    Resource {
        name: if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") },
        path: collection_path(&format!("{root}/{api_version}"), namespace.filter(|_| namespaced), plural),
        kind: kind(served).unwrap_or_default().to_owned(),
        namespaced,
        api_version,
    }
}

#[cfg(test)]
mod tests;
