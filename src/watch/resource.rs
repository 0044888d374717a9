//! A resource: as a person names it, and as the API server serves it.
//!
//! A name is a short thing that hides a long one: `deploy` is served at `/apis/apps/v1/namespaces/a/deployments`. What
//! is checked here is its form; what it means only the server knows ([`discovery`](super::discovery)).
//!
//! Promises:
//! * names are kubectl's: plural, singular, short name or kind, in any case, alone or as `RES.GROUP` or
//!   `RES.VERSION.GROUP`;
//! * the settings of the Python event controller mean what they meant there;
//! * two settings that contradict each other are an error, not a guess.

use std::fmt;

use crate::pki::validate::is_label;

/// What a person asks for, checked for its form only.
///
/// Displayed as what was asked for: `deploy`, `routes.v1.route.openshift.io`, `/api/v1/namespaces/a/pods`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Plural, singular, short name or kind, in lower case.
    pub(super) word: String,
    pub(super) place: Place,
}

/// Where to look for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a group and version, or in whatever has it. The core group is the empty one.
    Group { group: Option<String>, version: Option<String> },
    /// Below this path: `/apis/box.com/v1`, `/oapi/v1`.
    Prefix(String),
    /// As `Prefix`, in a path that says the namespace too, or that it is all of them.
    Path { prefix: String, namespace: Option<String> },
}

/// What the API server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `v1`, `route.openshift.io/v1`.
    pub api_version: String,
    /// `Pod`.
    pub kind: String,
    /// For people and for metrics: `pods`, `deployments.apps`.
    pub name: String,
    /// The collection's path, with the namespace in it if there is one.
    pub path: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

const RESOURCE: &str = "one resource, as kubectl names it: pods, deployments.apps, routes.v1.route.openshift.io";
const GROUP: &str = "as API group: apps, route.openshift.io, apis/route.openshift.io, api for the core group, or oapi";
const VERSION: &str = "as API version: v1, v1beta1, without the group";
const PATH: &str = "as API path that of a collection: api/v1/namespaces/a/pods, apis/apps/v1/deployments";

impl Wanted {
    /// What these settings ask for. Empty is unset.
    ///
    /// * `resource`: `RES`, `RES.GROUP` or `RES.VERSION.GROUP`. A second part like `v1` or `v1beta1` is a version:
    ///   `pods.v1` is in the core group.
    /// * `group`: a group, or the start of the path as the Python event controller wanted it: `api`, `apis/GROUP`,
    ///   `oapi` (OpenShift 3).
    /// * `version`: of that group.
    /// * `path`: of the collection, with or without a slash in front. Overrides all others, and the namespace.
    ///
    /// # Errors
    /// What is accepted, in one line. The caller puts in front of it which settings were given, and their values.
    pub fn parse(
        resource: Option<&str>,
        group: Option<&str>,
        version: Option<&str>,
        path: Option<&str>,
    ) -> Result<Wanted, String> {
        let expected = |what: &str| format!("expected {what}");
        let [resource, group, version, path] = [resource, group, version, path].map(trimmed);
        if let Some(path) = path {
            return from_path(path).ok_or_else(|| expected(PATH));
        }
        let resource = resource.unwrap_or_default().to_ascii_lowercase();
        let (word, named_version, named_group) = from_name(&resource).ok_or_else(|| expected(RESOURCE))?;
        let version = version.map(str::to_ascii_lowercase);
        if version.as_deref().is_some_and(|version| !is_label(version)) {
            return Err(expected(VERSION));
        }
        let version = one_of("version", named_version, version)?;
        let group = match group.map(from_group) {
            None => named_group,
            Some(None) => return Err(expected(GROUP)),
            Some(Some(Root::Group(group))) => one_of("group", named_group, Some(group))?,
            Some(Some(Root::Oapi)) if named_group.is_some() => return Err(contradiction("group")),
            Some(Some(Root::Oapi)) => {
                let prefix = format!("/oapi/{}", version.as_deref().unwrap_or("v1"));
                return Ok(Wanted { word, place: Place::Prefix(prefix) });
            }
        };
        Ok(Wanted { word, place: Place::Group { group, version } })
    }

    /// The namespace to watch, if this one is set. A path has its own, or none.
    pub fn namespace<'a>(&'a self, set: Option<&'a str>) -> Option<&'a str> {
        match &self.place {
            Place::Path { namespace, .. } => namespace.as_deref(),
            Place::Group { .. } | Place::Prefix(_) => set,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = &self.word;
        match &self.place {
            Place::Group { group, version } => {
                f.write_str(word)?;
                let parts = [version, group].into_iter().flatten().filter(|part| !part.is_empty());
                parts.into_iter().try_for_each(|part| write!(f, ".{part}"))
            }
            Place::Prefix(prefix) | Place::Path { prefix, namespace: None } => write!(f, "{prefix}/{word}"),
            Place::Path { prefix, namespace: Some(namespace) } => write!(f, "{prefix}/namespaces/{namespace}/{word}"),
        }
    }
}

fn trimmed(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// What the name and a setting say of the same thing.
fn one_of(what: &str, named: Option<String>, given: Option<String>) -> Result<Option<String>, String> {
    match (&named, &given) {
        (Some(named), Some(given)) if named != given => Err(contradiction(what)),
        _ => Ok(named.or(given)),
    }
}

fn contradiction(what: &str) -> String {
    format!("the name has another {what} in it than the API {what} beside it: expected it in one place only")
}

/// Word, version and group.
fn from_name(name: &str) -> Option<(String, Option<String>, Option<String>)> {
    let (word, rest) = match name.split_once('.') {
        Some((word, rest)) => (word, Some(rest)),
        None => (name, None),
    };
    // `all` is what kubectl calls a category: a list of resources, of which everybody has another idea.
    if !is_label(word) || word == "all" {
        return None;
    }
    let Some(rest) = rest else { return Some((word.into(), None, None)) };
    let (first, group) = rest.split_once('.').unwrap_or((rest, ""));
    // kubectl tries both readings of `a.b.c`: version b of group c, and group b.c. A version has a form of its own, so
    // it can be told without asking.
    let (version, group) = if is_version(first) { (Some(first.to_owned()), group) } else { (None, rest) };
    // kubectl's way to name the core group: `pods.v1.`.
    (group.is_empty() || is_group(group)).then(|| (word.into(), version, Some(group.into())))
}

enum Root {
    Group(String),
    /// OpenShift 3 served its first resources there, beside what became groups later.
    Oapi,
}

fn from_group(group: &str) -> Option<Root> {
    let group = group.trim_matches('/').to_ascii_lowercase();
    let name = group.strip_prefix("apis/").unwrap_or(&group);
    match &*group {
        "api" => Some(Root::Group(String::new())),
        "oapi" => Some(Root::Oapi),
        "apis" => None,
        _ => is_group(name).then(|| Root::Group(name.to_owned())),
    }
}

fn from_path(path: &str) -> Option<Wanted> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    // Nothing that would need escaping, no query, no way up.
    if !parts.iter().all(|part| is_group(part)) {
        return None;
    }
    let depth = match parts[..] {
        ["api" | "oapi", _, ..] => 2,
        ["apis", _, _, ..] => 3,
        _ => return None,
    };
    let (prefix, rest) = parts.split_at(depth);
    let (namespace, word) = match rest {
        [word] => (None, *word),
        ["namespaces", namespace, word] => (Some((*namespace).to_owned()), *word),
        _ => return None,
    };
    let place = Place::Path { prefix: format!("/{}", prefix.join("/")), namespace };
    Some(Wanted { word: word.to_owned(), place })
}

/// `v1`, `v2beta1`, `v1alpha3`: what Kubernetes calls a version, though a CRD may call one otherwise.
fn is_version(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let Some(rest) = text.strip_prefix('v') else { return false };
    match rest.split_once("alpha").or_else(|| rest.split_once("beta")) {
        Some((major, minor)) => digits(major) && digits(minor),
        None => digits(rest),
    }
}

/// A DNS-1123 subdomain: labels and dots.
fn is_group(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
#[path = "resource_tests.rs"]
mod tests;
