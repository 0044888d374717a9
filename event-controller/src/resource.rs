//! A resource: as a person names it, and as the API server serves it.
//!
//! This module checks the form of a name. What it means is known to the API server alone ([`discovery`](crate::discovery)).

use std::fmt;

use daemon::names::{is_label, is_subdomain};

/// The resource that the user asks for: a word that names it, and where to search.
///
/// Displayed as kubectl names it: `deploy`, `routes.v1.route.openshift.io`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Plural, singular, short name or kind, in lower case.
    pub(crate) word: String,
    /// None: any. The core group is the empty one.
    pub(crate) group: Option<String>,
    /// None: the version that the server prefers.
    pub(crate) version: Option<String>,
}

/// A resource that the API server serves.
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

impl Wanted {
    /// Reads a name: `RES`, `RES.GROUP` or `RES.VERSION.GROUP`, in any case; `group` and `version` may be given beside it.
    ///
    /// The group may be the start of a path as well, as the Python event controller wanted it: `api`, `apis/GROUP`. `oapi` means
    /// any group: OpenShift 4 serves in groups what OpenShift 3 served there.
    ///
    /// # Errors
    /// What is accepted.
    pub fn parse(resource: &str, group: Option<&str>, version: Option<&str>) -> Result<Wanted, String> {
        let mut wanted = from_name(&resource.trim().to_ascii_lowercase())
            .ok_or("expected one resource as kubectl names it: pods, deployments.apps, routes.v1.route.openshift.io")?;
        if let Some(group) = group {
            wanted.group = same("group", wanted.group, from_group(group)?)?;
        }
        if let Some(version) = version {
            let version = Some(version.trim().to_ascii_lowercase()).filter(|version| is_label(version));
            let version = version.ok_or("expected an API version without the group, such as v1")?;
            wanted.version = same("version", wanted.version, Some(version))?;
        }
        Ok(wanted)
    }

    /// Reads the path of a collection, with or without a slash in front. Also returns the namespace in it.
    ///
    /// # Errors
    /// What is accepted.
    pub fn from_path(path: &str) -> Result<(Wanted, Option<String>), String> {
        let parts: Vec<&str> = path.trim().trim_matches('/').split('/').collect();
        let (group, rest) = match &parts[..] {
            ["api", rest @ ..] => (Some(""), rest),
            ["oapi", rest @ ..] => (None, rest),
            ["apis", group, rest @ ..] => (Some(*group), rest),
            _ => (None, &[][..]),
        };
        let (version, namespace, word) = match *rest {
            [version, word] => (version, None, word),
            [version, "namespaces", namespace, word] => (version, Some(namespace), word),
            _ => ("", None, ""),
        };
        // OpenShift 3 had one version below /oapi; a group may have another.
        let version = group.map(|_| version.to_owned());
        if !parts.iter().all(|part| is_subdomain(part)) || word.is_empty() {
            return Err(
                "expected the path of a collection: api/v1/namespaces/a/pods, apis/apps/v1/deployments".to_owned()
            );
        }
        let wanted = Wanted { word: word.to_owned(), group: group.map(str::to_owned), version };
        Ok((wanted, namespace.map(str::to_owned)))
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)?;
        let mut parts = [&self.version, &self.group].into_iter().flatten().filter(|part| !part.is_empty());
        parts.try_for_each(|part| write!(f, ".{part}"))
    }
}

fn from_name(name: &str) -> Option<Wanted> {
    let (word, rest) = match name.split_once('.') {
        Some((word, rest)) => (word, Some(rest)),
        None => (name, None),
    };
    // `all` is a category of kubectl, not a resource.
    if !is_label(word) || word == "all" {
        return None;
    }
    let (version, group) = match rest {
        None => (None, None),
        // A version has a form of its own (`v1`, `v2beta1`), so `a.b.c` is not ambiguous. `pods.v1` is in the core group.
        Some(rest) => match rest.split_once('.').unwrap_or((rest, "")) {
            (version, group) if is_version(version) => (Some(version), Some(group)),
            _ => (None, Some(rest)),
        },
    };
    group.is_none_or(|group| group.is_empty() || is_subdomain(group)).then(|| Wanted {
        word: word.to_owned(),
        group: group.map(str::to_owned),
        version: version.map(str::to_owned),
    })
}

/// None: any group.
fn from_group(group: &str) -> Result<Option<String>, &'static str> {
    let group = group.trim().trim_matches('/').to_ascii_lowercase();
    match group.strip_prefix("apis/").unwrap_or(&group) {
        "oapi" => Ok(None),
        "api" => Ok(Some(String::new())),
        name if name != "apis" && is_subdomain(name) => Ok(Some(name.to_owned())),
        _ => Err("expected an API group: apps, apis/apps, or api for the core group"),
    }
}

/// Merges the values of the name and of a setting.
fn same(what: &str, named: Option<String>, given: Option<String>) -> Result<Option<String>, String> {
    match (&named, &given) {
        (Some(named), Some(given)) if named != given => {
            Err(format!("the name contains another {what} than the API {what} beside it: expected it in one place"))
        }
        _ => Ok(named.or(given)),
    }
}

fn is_version(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let Some(rest) = text.strip_prefix('v') else { return false };
    match rest.split_once("alpha").or_else(|| rest.split_once("beta")) {
        Some((major, minor)) => is_number(major) && is_number(minor),
        None => is_number(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(word: &str, group: Option<&str>, version: Option<&str>) -> Wanted {
        Wanted { word: word.into(), group: group.map(Into::into), version: version.map(Into::into) }
    }

    #[test]
    fn name_is_read_as_kubectl_reads_it() {
        for (text, expected) in [
            ("pods", wanted("pods", None, None)),
            (" Deployment ", wanted("deployment", None, None)),
            ("Deployments.Apps", wanted("deployments", Some("apps"), None)),
            ("deployments.v1.apps", wanted("deployments", Some("apps"), Some("v1"))),
            ("routes.v1beta1.route.openshift.io", wanted("routes", Some("route.openshift.io"), Some("v1beta1"))),
            ("pods.v1", wanted("pods", Some(""), Some("v1"))),
            ("things.vault.example.com", wanted("things", Some("vault.example.com"), None)),
        ] {
            assert_eq!(Wanted::parse(text, None, None), Ok(expected), "{text}");
        }
        for text in ["", "pods,services", "pods/web", "all", "*", ".apps", "deployments..apps", "-pods", "po_ds"] {
            let why = Wanted::parse(text, None, None).unwrap_err();
            assert!(why.starts_with("expected one resource") && why.contains("deployments.apps"), "{text}: {why}");
        }
    }

    #[test]
    fn group_and_version_of_the_original_are_understood() {
        for (group, expected) in
            [("apps", Some("apps")), ("/apis/Apps/", Some("apps")), ("api", Some("")), ("oapi", None)]
        {
            assert_eq!(
                Wanted::parse("things", Some(group), Some("v1")),
                Ok(wanted("things", expected, Some("v1"))),
                "{group}"
            );
        }
        for (group, version, why) in [
            ("apis", "v1", "expected an API group"),
            ("apis/apps/v1", "v1", "expected an API group"),
            ("batch", "v1", "another group"),
            ("apps", "apps/v1", "expected an API version"),
            ("apps", "v2", "another version"),
        ] {
            let error = Wanted::parse("deployments.v1.apps", Some(group), Some(version)).unwrap_err();
            assert!(error.contains(why), "{group} {version}: {error}");
        }
    }

    #[test]
    fn path_is_that_of_a_collection() {
        for (path, expected, namespace) in [
            ("api/v1/pods", wanted("pods", Some(""), Some("v1")), None),
            ("/api/v1/namespaces/a/pods/", wanted("pods", Some(""), Some("v1")), Some("a")),
            ("apis/apps/v1/namespaces/a/deployments", wanted("deployments", Some("apps"), Some("v1")), Some("a")),
            ("/oapi/v1/routes", wanted("routes", None, None), None),
        ] {
            assert_eq!(Wanted::from_path(path), Ok((expected, namespace.map(str::to_owned))), "{path}");
        }
        for path in [
            "pods",
            "api/v1",
            "api/v1/namespaces/a/pods/web",
            "api/v1/pods?watch=true",
            "api/v1/../pods",
            "api//v1/pods",
        ] {
            assert!(Wanted::from_path(path).unwrap_err().starts_with("expected the path"), "{path}");
        }
    }

    #[test]
    fn wanted_is_displayed_as_kubectl_names_it() {
        for text in ["pods", "deployments.apps", "deployments.v1.apps", "pods.v1"] {
            assert_eq!(Wanted::parse(text, None, None).unwrap().to_string(), text);
        }
    }
}
