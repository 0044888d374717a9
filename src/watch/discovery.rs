//! Where the API server serves what a person named.
//!
//! No table of resources can be compiled in: a CRD adds one while the program runs. So the server is asked. It has a
//! short document for each group and version, which lists the resources in it with all their names. (Newer servers also
//! tell everything in one document. The short ones do the same job on every server that there is, and one that fails
//! does not hide the others.)
//!
//! Promises:
//! * few requests: one for a name with group and version, two for a name with its group, one for a core resource;
//! * the core group comes first, then the groups that belong to Kubernetes, then those of strangers; two of the same
//!   rank that both have the name are not chosen between: the candidates are named;
//! * only what can be listed and watched counts, and no subresource;
//! * a group whose document cannot be had does not stop the search, but if nothing is found it is part of the reason.

use std::time::Duration;

use futures::{StreamExt, stream};
use kube::Client;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{Resource, Wanted, resource::Place};
use crate::{
    request::{self, Failure},
    text,
};
use documents::{Entry, Group, Groups, Match, Resources, Versions};

mod absent;
mod documents;
mod wait;

pub use absent::Absent;
pub use wait::{Waiting, wait};

/// The largest document that is read. A group with a thousand resources fits ten times over.
const LARGEST_DOCUMENT: usize = 4 << 20;

/// A document that takes longer is not waited for. The API server hands out its own ones from memory; but for an
/// aggregated API it asks somebody else, and where nobody answers it tries for half a minute.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many documents are asked for at a time.
const AT_A_TIME: usize = 8;

/// So many names that are like the one that was not found are told.
const NEAREST: usize = 3;

/// Asks the API server where it serves what is wanted, in one namespace or in all.
///
/// The namespace is a namespace's name, checked by the caller; a path that was asked for has its own. If the resource
/// turns out not to be [`namespaced`](Resource::namespaced) it is ignored, as kubectl does.
///
/// Cancellation: dropping the future abandons the search.
///
/// # Errors
/// Why it cannot be watched now. It may be worth asking again.
pub async fn find(client: &Client, wanted: &Wanted, namespace: Option<&str>) -> Result<Resource, Absent> {
    let mut search = Search { client, wanted, seen: Vec::new(), unwatchable: None, unknown: Vec::new() };
    let entry = match &wanted.place {
        Place::Prefix(prefix) | Place::Path { prefix, .. } => search.below(prefix).await?,
        Place::Group { group: Some(group), version: Some(version) } => search.in_version(group, version).await?,
        Place::Group { group: Some(group), version: None } => search.in_group(group).await?,
        Place::Group { group: None, version } => search.anywhere(version.as_deref()).await?,
    };
    for (path, failure) in &search.unknown {
        tracing::warn!(%wanted, found = entry.name(), path, error = %failure, "a group could not be searched");
    }
    Ok(entry.resource(wanted.namespace(namespace)))
}

/// A search, and what it has come across.
struct Search<'a> {
    client: &'a Client,
    wanted: &'a Wanted,
    /// Every name that was served, to find the nearest in: the word, and the name that is not ambiguous.
    seen: Vec<(String, String)>,
    unwatchable: Option<Absent>,
    unknown: Vec<(String, Failure)>,
}

impl Search<'_> {
    /// Below one path.
    async fn below(&mut self, prefix: &str) -> Result<Entry, Absent> {
        self.one(prefix.to_owned()).await?.ok_or_else(|| self.nothing())
    }

    async fn in_version(&mut self, group: &str, version: &str) -> Result<Entry, Absent> {
        if let Some(entry) = self.one(prefix(group, version)).await? {
            return Ok(entry);
        }
        Err(self.not_in_version(group).await)
    }

    async fn in_group(&mut self, group: &str) -> Result<Entry, Absent> {
        for version in self.versions(group).await? {
            if let Some(entry) = self.one(prefix(group, &version)).await? {
                return Ok(entry);
            }
        }
        Err(self.nothing())
    }

    /// The versions of a group, the preferred one first.
    async fn versions(&mut self, group: &str) -> Result<Vec<String>, Absent> {
        if group.is_empty() {
            return self.ask::<Versions>("/api").await.map(|document| document.versions);
        }
        match self.ask::<Group>(&format!("/apis/{group}")).await {
            Ok(document) => Ok(document.versions()),
            Err(Absent::Failed { failure, .. }) if failure.code() == Some(404) => {
                // Only to say what was perhaps meant.
                let groups = self.ask::<Groups>("/apis").await.map(|document| document.groups).unwrap_or_default();
                let near = text::nearest(group, groups.iter().map(|group| group.name.as_str()));
                let near = groups.iter().find(|group| Some(&*group.name) == near);
                let version = near.and_then(|group| Some(prefix(&group.name, group.versions().first()?)));
                self.look(version.into_iter().collect()).await;
                Err(self.nothing())
            }
            Err(failed) => Err(failed),
        }
    }

    /// Why a version does not have it: only others do, or none.
    async fn not_in_version(&mut self, group: &str) -> Absent {
        let versions = match self.versions(group).await {
            Ok(versions) => versions,
            Err(reason) => return reason,
        };
        let documents = versions.iter().map(|version| prefix(group, version)).collect();
        let found = self.look(documents).await;
        match found.first().map(|(_, entry)| entry.name()) {
            Some(name) => {
                let served = found.into_iter().map(|(_, entry)| entry.api_version).collect();
                Absent::OtherVersion { wanted: self.wanted.to_string(), name, served }
            }
            None => self.nothing(),
        }
    }

    /// In one document. If that cannot be had, there is nothing to look further for.
    async fn one(&mut self, prefix: String) -> Result<Option<Entry>, Absent> {
        let found = self.look(vec![prefix]).await.pop();
        match self.unknown.pop() {
            Some((path, failure)) => Err(Absent::Failed { path, failure }),
            None => Ok(found.map(|(_, entry)| entry)),
        }
    }

    /// kubectl takes the first that matches, in the order in which the server lists its groups, and that order changes
    /// when somebody installs a CRD. A program that runs for months had better not watch something else after a
    /// restart. So: what is Kubernetes' own cannot be hidden by a CRD, and between strangers there is no guessing. (As
    /// far as their documents can be had. To wait for those of a group that is down, a metrics server as a rule, would
    /// mean to watch nothing meanwhile; so that is only said.)
    async fn anywhere(&mut self, version: Option<&str>) -> Result<Entry, Absent> {
        if let Some(entry) = self.one(prefix("", version.unwrap_or("v1"))).await? {
            return Ok(entry);
        }
        let groups = self.ask::<Groups>("/apis").await?.groups;
        let (own, strangers): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(Group::is_kubernetes);
        for rank in [own, strangers] {
            if let Some(entry) = self.in_rank(&rank, version).await? {
                return Ok(entry);
            }
        }
        match version {
            None => Err(self.nothing()),
            Some(_) => match Box::pin(self.anywhere(None)).await {
                Ok(entry) => Err(self.not_in_version(entry.group()).await),
                Err(reason) => Err(reason),
            },
        }
    }

    /// In groups of the same rank.
    async fn in_rank(&mut self, groups: &[Group], version: Option<&str>) -> Result<Option<Entry>, Absent> {
        let in_order = |group: &Group| -> Vec<String> {
            let wanted = |v: &String| version.is_none_or(|version| version == v);
            group.versions().into_iter().filter(wanted).map(|v| prefix(&group.name, &v)).collect()
        };
        let mut versions: Vec<_> = groups.iter().map(|group| in_order(group).into_iter()).collect();
        let first = versions.iter_mut().filter_map(Iterator::next).collect();
        let mut found = self.look(first).await;
        if found.is_empty() {
            // What a group has in another version than its preferred one only.
            found = self.look(versions.into_iter().flatten().collect()).await;
        }
        // A name beats an abbreviation: a CRD must not hide another by choosing its name for a short one.
        let best = found.iter().map(|(how, _)| *how).min();
        found.retain(|(how, _)| Some(*how) == best);
        // Several versions of one group are no ambiguity: the first is the preferred.
        let mut candidates: Vec<String> = found.iter().map(|(_, entry)| entry.name()).collect();
        candidates.sort();
        candidates.dedup();
        match found.len() {
            0 => Ok(None),
            _ if candidates.len() == 1 => Ok(Some(found.swap_remove(0).1)),
            _ => Err(Absent::Ambiguous { wanted: self.wanted.to_string(), candidates }),
        }
    }

    /// What these documents have by the name that is wanted, in their order.
    async fn look(&mut self, prefixes: Vec<String>) -> Vec<(Match, Entry)> {
        let client = self.client;
        let ask = |prefix: String| async move { (get::<Resources>(client, &prefix).await, prefix) };
        let mut answers = stream::iter(prefixes).map(ask).buffered(AT_A_TIME);
        let mut found = Vec::new();
        while let Some((answer, prefix)) = answers.next().await {
            match answer {
                Ok(document) => found.extend(self.pick(&prefix, document)),
                // It went away between the list and the look, or nobody listed it.
                Err(failure) if failure.code() == Some(404) => {}
                Err(failure) => self.unknown.push((prefix, failure)),
            }
        }
        found
    }

    fn pick(&mut self, prefix: &str, document: Resources) -> Option<(Match, Entry)> {
        let mut best: Option<(Match, Entry)> = None;
        for entry in document.entries(prefix) {
            let name = entry.name();
            self.seen.extend(entry.words().map(|word| (word.to_ascii_lowercase(), name.clone())));
            let Some(how) = entry.matches(&self.wanted.word) else { continue };
            if !entry.is_watchable() {
                self.unwatchable = Some(Absent::Unwatchable { name, verbs: entry.verbs().to_vec() });
            } else if best.as_ref().is_none_or(|(other, _)| how < *other) {
                best = Some((how, entry));
            }
        }
        best
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, Absent> {
        get(self.client, path).await.map_err(|failure| Absent::Failed { path: path.to_owned(), failure })
    }

    /// Why nothing was found.
    fn nothing(&mut self) -> Absent {
        if let Some(unwatchable) = self.unwatchable.take() {
            return unwatchable;
        }
        let mut nearest = Vec::new();
        while nearest.len() < NEAREST {
            let others = || self.seen.iter().filter(|(_, name)| !nearest.contains(name));
            let near = text::nearest(&self.wanted.word, others().map(|(word, _)| word.as_str()));
            let Some((_, name)) = near.and_then(|near| others().find(|(word, _)| word == near)) else { break };
            nearest.push(name.clone());
        }
        Absent::Unserved { wanted: self.wanted.to_string(), nearest, unknown: std::mem::take(&mut self.unknown) }
    }
}

/// Where a group and version is served.
fn prefix(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

async fn get<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, Failure> {
    let document = async {
        let answer = request::get(client, path).await?;
        request::read(answer.into_body(), LARGEST_DOCUMENT).await
    };
    let document = timeout(PATIENCE, document).await.unwrap_or(Err(Failure::Timeout(PATIENCE)))?;
    serde_json::from_slice(&document).map_err(|e| Failure::Malformed(e.to_string()))
}

#[cfg(test)]
#[path = "discovery_tests.rs"]
mod tests;
