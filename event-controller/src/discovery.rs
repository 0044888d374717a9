//! Finds the resource that the user names, in the API server's discovery documents.
//!
//! A program cannot contain a table of all resources, because a CRD may add one at any time. The API server lists them
//! in two documents (aggregated discovery, since Kubernetes 1.26).
//!
//! * The core group comes first, then the groups of Kubernetes, then all others. So a CRD cannot hide a Kubernetes
//!   resource.
//! * If two groups of the same rank have the name, it is ambiguous; the error lists them.
//! * Only a resource that can be listed and watched counts.

use std::{sync::Arc, time::Duration};

use daemon::Telemetry;
use demo_controller::{
    informer::{Backoff, LONGEST_BACKOFF, collection_path},
    request::{Failure, with_timeout},
};
use kube::{
    Client,
    core::discovery::v2::{APIGroupDiscovery, APIResourceDiscovery},
};
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::resource::{Resource, ResourceArg};

/// Retries discovery until the resource is found. The log and `/readyz` show why it is not.
///
/// A missing resource does not end the process: the same `kubectl apply` may create its CRD a minute later.
pub struct Search {
    client: Client,
    arg: ResourceArg,
    namespace: Option<String>,
    health: Arc<Mutex<Result<(), String>>>,
}

impl Search {
    /// Creates the search, for one namespace or for all, and its readiness check.
    pub fn new(client: Client, arg: ResourceArg, namespace: Option<String>, telemetry: &Telemetry) -> Self {
        let health = Arc::new(Mutex::new(Err("waiting for discovery".to_owned())));
        telemetry.add_readiness(arg.to_string(), {
            let health = health.clone();
            move || health.lock().clone()
        });
        Search { client, arg, namespace, health }
    }

    /// Retries until the resource is found: after 0.8 s, doubling, at least every 30 s. Cancel-safe.
    pub async fn run(&self) -> Resource {
        let mut backoff = Backoff::default();
        loop {
            let (why, retry_after) = match self.discover().await {
                Ok(resource) => {
                    *self.health.lock() = Ok(());
                    tracing::info!(name = %self.arg, path = resource.path, kind = resource.kind, "resource found");
                    if let Some(namespace) = self.namespace.as_ref().filter(|_| !resource.namespaced) {
                        tracing::warn!(resource = resource.name, namespace, "cluster-scoped: the namespace is ignored");
                    }
                    return resource;
                }
                Err(DiscoveryError { why, retry_after }) => (why, retry_after),
            };
            if self.set_error(why.clone()) {
                tracing::warn!(name = %self.arg, reason = why, "cannot find the resource, retrying");
            }
            sleep(backoff.next(rand::random()).max(retry_after.min(LONGEST_BACKOFF))).await;
        }
    }

    /// Searches again for a resource whose path is not served any more. It may have moved to another version, but not
    /// to another group. Cancel-safe.
    pub async fn run_again(&mut self, resource: &Resource) -> Resource {
        let (plural, group) = resource.name.split_once('.').unwrap_or((&resource.name, ""));
        (self.arg.name, self.arg.group) = (plural.to_owned(), Some(group.to_owned()));
        self.set_error(format!("the API server does not serve {} any more", resource.path));
        self.run().await
    }

    /// Stores the error for `/readyz`. Returns whether it is new.
    fn set_error(&self, why: String) -> bool {
        let why = Err(why);
        std::mem::replace(&mut *self.health.lock(), why.clone()) != why
    }

    async fn discover(&self) -> Result<Resource, DiscoveryError> {
        let mut groups = with_timeout(self.client.list_core_api_versions_aggregated()).await?.items;
        groups.extend(with_timeout(self.client.list_api_groups_aggregated()).await?.items);
        find_resource(&groups, &self.arg, self.namespace.as_deref()).map_err(DiscoveryError::from)
    }
}

/// Discovery failed, or the resource was not found.
struct DiscoveryError {
    why: String,
    /// The server's `Retry-After`.
    retry_after: Duration,
}

impl From<String> for DiscoveryError {
    fn from(why: String) -> Self {
        DiscoveryError { why, retry_after: Duration::ZERO }
    }
}

impl From<Failure> for DiscoveryError {
    fn from(failure: Failure) -> Self {
        DiscoveryError { why: failure.to_string(), retry_after: failure.retry_after().unwrap_or_default() }
    }
}

/// How well a resource matches, 0 best: the rank of its group, then of the name.
type MatchRank = (u8, u8);

/// Finds the resource that `arg` names. For a cluster-scoped resource, `namespace` is ignored, as in kubectl.
///
/// # Errors
/// Why it cannot be watched, in one line.
fn find_resource(groups: &[APIGroupDiscovery], arg: &ResourceArg, namespace: Option<&str>) -> Result<Resource, String> {
    if groups.iter().all(|group| group.versions.is_empty()) {
        return Err("the API server offers no aggregated discovery: expected Kubernetes 1.26 or later".to_owned());
    }
    let mut found: Vec<(MatchRank, Resource)> = Vec::new();
    // For the error message.
    let (mut unwatchable, mut other_versions, mut stale) = (None, Vec::new(), Vec::new());
    for group in groups {
        let name = group.metadata.as_ref().and_then(|meta| meta.name.as_deref()).unwrap_or_default();
        if arg.group.as_ref().is_some_and(|group| group != name) {
            continue;
        }
        let first = found.len();
        // The preferred version comes first, but another one may have more resources.
        for version in &group.versions {
            let number = version.version.as_deref().unwrap_or_default();
            let api_version = if name.is_empty() { number.to_owned() } else { format!("{name}/{number}") };
            if version.freshness.as_deref() == Some("Stale") {
                stale.push(api_version.clone());
            }
            let named = version.resources.iter().filter_map(|served| Some((rank_name(served, &arg.name)?, served)));
            let Some((rank, served)) = named.min_by_key(|(rank, _)| *rank) else { continue };
            let resource = build_resource(name, api_version, served, namespace);
            if arg.version.as_ref().is_some_and(|version| version != number) {
                other_versions.push(resource.api_version);
            } else if !["list", "watch"].iter().all(|needed| served.verbs.iter().any(|verb| verb == needed)) {
                unwatchable = Some(format!("{} cannot be listed and watched", resource.name));
            } else if found.len() == first {
                found.push(((rank_group(name), rank), resource));
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
            Err(format!("{arg} is ambiguous: expected one of {}", names.join(", ")))
        }
        None => Err(unwatchable.unwrap_or_else(|| {
            let mut why = format!("the API server serves no {arg}");
            if other_versions.is_empty() {
                why += " (is its CRD installed?)";
            } else {
                why += &format!(": it is served in {}", other_versions.join(", "));
            }
            if !stale.is_empty() {
                why += &format!("; the server of {} does not respond", stale.join(", "));
            }
            why
        })),
    }
}

/// Groups without a dot are Kubernetes' own (`apps`, `batch`). A CRD cannot use `.k8s.io` without an approval annotation.
fn rank_group(name: &str) -> u8 {
    match name {
        "" => 0,
        name if !name.contains('.') || name.ends_with(".k8s.io") => 1,
        _ => 2,
    }
}

/// A name has rank 0, a short name rank 1.
fn rank_name(served: &APIResourceDiscovery, text: &str) -> Option<u8> {
    let names = [served.resource.as_deref(), served.singular_resource.as_deref(), kind(served)];
    if names.into_iter().flatten().any(|name| name.eq_ignore_ascii_case(text)) {
        return Some(0);
    }
    served.short_names.iter().any(|name| name.eq_ignore_ascii_case(text)).then_some(1)
}

fn kind(served: &APIResourceDiscovery) -> Option<&str> {
    served.response_kind.as_ref()?.kind.as_deref()
}

fn build_resource(
    group: &str,
    api_version: String,
    served: &APIResourceDiscovery,
    namespace: Option<&str>,
) -> Resource {
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
