//! The documents of discovery, and what they say about a name. Pure.

use serde::{Deserialize, Deserializer};

use crate::watch::Resource;

/// `/api`: the versions of the core group. There has only ever been one.
#[derive(Deserialize)]
pub struct Versions {
    #[serde(default, deserialize_with = "nullable")]
    pub versions: Vec<String>,
}

/// `/apis`: all other groups.
#[derive(Deserialize)]
pub struct Groups {
    #[serde(default, deserialize_with = "nullable")]
    pub groups: Vec<Group>,
}

/// `/apis/GROUP`, or one of `/apis`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub name: String,
    #[serde(default, deserialize_with = "nullable")]
    versions: Vec<Version>,
    #[serde(default)]
    preferred_version: Option<Version>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

impl Group {
    /// The preferred one first, the others in the server's order.
    pub fn versions(&self) -> Vec<String> {
        let preferred = self.preferred_version.iter().map(|v| &v.version);
        let mut versions: Vec<String> = Vec::with_capacity(self.versions.len());
        for version in preferred.chain(self.versions.iter().map(|v| &v.version)) {
            if !version.is_empty() && !versions.contains(version) {
                versions.push(version.clone());
            }
        }
        versions
    }

    /// Groups without a dot are Kubernetes' first ones (`apps`, `batch`). Below k8s.io a CRD needs an annotation that
    /// names its approval, which nobody sets by accident.
    pub fn is_kubernetes(&self) -> bool {
        !self.name.contains('.') || self.name.ends_with(".k8s.io")
    }
}

/// `/api/v1`, `/apis/GROUP/VERSION`: the resources of one version.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    group_version: String,
    #[serde(default, deserialize_with = "nullable")]
    resources: Vec<Served>,
}

impl Resources {
    /// All but the subresources.
    pub fn entries(self, prefix: &str) -> impl Iterator<Item = Entry> {
        let (prefix, api_version) = (prefix.to_owned(), self.group_version);
        self.resources.into_iter().filter(|served| !served.name.contains('/')).map(move |served| Entry {
            prefix: prefix.clone(),
            api_version: api_version.clone(),
            served,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Served {
    /// The plural.
    name: String,
    /// Empty on older servers.
    #[serde(default)]
    singular_name: String,
    #[serde(default)]
    namespaced: bool,
    kind: String,
    #[serde(default, deserialize_with = "nullable")]
    verbs: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    short_names: Vec<String>,
}

/// Go writes an empty list as null.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// One resource of one version.
pub struct Entry {
    prefix: String,
    pub api_version: String,
    served: Served,
}

/// How a word names a resource. Less is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// Plural, singular or kind.
    Name,
    /// A short name.
    Short,
}

impl Entry {
    pub fn matches(&self, word: &str) -> Option<Match> {
        if self.words().any(|name| name.eq_ignore_ascii_case(word)) {
            return Some(Match::Name);
        }
        self.served.short_names.iter().any(|name| name.eq_ignore_ascii_case(word)).then_some(Match::Short)
    }

    /// Plural, singular and kind.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        [&*self.served.name, &*self.served.singular_name, &*self.served.kind]
            .into_iter()
            .filter(|word| !word.is_empty())
    }

    pub fn verbs(&self) -> &[String] {
        &self.served.verbs
    }

    pub fn is_watchable(&self) -> bool {
        ["list", "watch"].iter().all(|needed| self.served.verbs.iter().any(|verb| verb == needed))
    }

    /// Empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// `pods`, `deployments.apps`.
    pub fn name(&self) -> String {
        match self.group() {
            "" => self.served.name.clone(),
            group => format!("{}.{group}", self.served.name),
        }
    }

    /// The namespace counts only if the resource has any.
    pub fn resource(self, namespace: Option<&str>) -> Resource {
        let path = match namespace.filter(|_| self.served.namespaced) {
            Some(namespace) => format!("{}/namespaces/{namespace}/{}", self.prefix, self.served.name),
            None => format!("{}/{}", self.prefix, self.served.name),
        };
        Resource {
            name: self.name(),
            path,
            namespaced: self.served.namespaced,
            kind: self.served.kind,
            api_version: self.api_version,
        }
    }
}
