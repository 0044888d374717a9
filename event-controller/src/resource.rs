//! A resource: the user's name for it, and how the API server serves it.
//!
//! This module checks only the syntax of a name; [`discovery`](crate::discovery) resolves it.

use std::fmt;

use daemon::names::{is_label, is_subdomain};

/// A resource as kubectl's commands take it: a name, and optionally the group and the version.
///
/// Displayed in kubectl's form: `deploy`, `routes.v1.route.openshift.io`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceArg {
    /// Plural, singular, short name or kind, in lower case.
    pub(crate) name: String,
    /// None: any group. Empty: the core group.
    pub(crate) group: Option<String>,
    /// None: the preferred version.
    pub(crate) version: Option<String>,
}

/// A resource that the API server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `v1`, `route.openshift.io/v1`.
    pub api_version: String,
    /// `Pod`.
    pub kind: String,
    /// For the log and for metrics: `pods`, `deployments.apps`.
    pub name: String,
    /// The path of the collection, in one namespace or in all.
    pub path: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

impl ResourceArg {
    /// Parses `RES`, `RES.GROUP` or `RES.VERSION.GROUP`, in any case, with an optional separate `group` and `version`.
    ///
    /// The group may also be the start of a path, as in the Python event controller: `api`, `apis/GROUP`. `oapi` means
    /// any group: OpenShift 3 served resources there that OpenShift 4 serves in groups.
    ///
    /// # Errors
    /// The accepted form.
    pub fn parse(resource: &str, group: Option<&str>, version: Option<&str>) -> Result<ResourceArg, String> {
        let mut arg = parse_name(&resource.trim().to_ascii_lowercase())
            .ok_or("expected one resource as kubectl names it: pods, deployments.apps, routes.v1.route.openshift.io")?;
        if let Some(group) = group {
            arg.group = merge("group", arg.group, parse_group(group)?)?;
        }
        if let Some(version) = version {
            let version = Some(version.trim().to_ascii_lowercase()).filter(|version| is_label(version));
            let version = version.ok_or("expected an API version without the group, such as v1")?;
            arg.version = merge("version", arg.version, Some(version))?;
        }
        Ok(arg)
    }

    /// Parses the path of a collection, with or without a leading slash. Also returns the namespace in it.
    ///
    /// # Errors
    /// The accepted form.
    pub fn parse_path(path: &str) -> Result<(ResourceArg, Option<String>), String> {
        let parts: Vec<&str> = path.trim().trim_matches('/').split('/').collect();
        let (group, rest) = match &parts[..] {
            ["api", rest @ ..] => (Some(""), rest),
            ["oapi", rest @ ..] => (None, rest),
            ["apis", group, rest @ ..] => (Some(*group), rest),
            _ => (None, &[][..]),
        };
        let (version, namespace, name) = match *rest {
            [version, name] => (version, None, name),
            [version, "namespaces", namespace, name] => (version, Some(namespace), name),
            _ => ("", None, ""),
        };
        // The version below /oapi is that of OpenShift 3; the group may have another.
        let version = group.map(|_| version.to_owned());
        if !parts.iter().all(|part| is_subdomain(part)) || name.is_empty() {
            return Err(
                "expected the path of a collection: api/v1/namespaces/a/pods, apis/apps/v1/deployments".to_owned()
            );
        }
        let arg = ResourceArg { name: name.to_owned(), group: group.map(str::to_owned), version };
        Ok((arg, namespace.map(str::to_owned)))
    }
}

impl fmt::Display for ResourceArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let mut parts = [&self.version, &self.group].into_iter().flatten().filter(|part| !part.is_empty());
        parts.try_for_each(|part| write!(f, ".{part}"))
    }
}

fn parse_name(text: &str) -> Option<ResourceArg> {
    let (name, rest) = match text.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (text, None),
    };
    // `all` is a category of kubectl, not a resource.
    if !is_label(name) || name == "all" {
        return None;
    }
    let (version, group) = match rest {
        None => (None, None),
        // Only a version looks like `v1` or `v2beta1`, so `a.b.c` is not ambiguous. `pods.v1` is in the core group.
        Some(rest) => match rest.split_once('.').unwrap_or((rest, "")) {
            (version, group) if is_version(version) => (Some(version), Some(group)),
            _ => (None, Some(rest)),
        },
    };
    group.is_none_or(|group| group.is_empty() || is_subdomain(group)).then(|| ResourceArg {
        name: name.to_owned(),
        group: group.map(str::to_owned),
        version: version.map(str::to_owned),
    })
}

/// Parses a group. None: any group.
fn parse_group(group: &str) -> Result<Option<String>, &'static str> {
    let group = group.trim().trim_matches('/').to_ascii_lowercase();
    match group.strip_prefix("apis/").unwrap_or(&group) {
        "oapi" => Ok(None),
        "api" => Ok(Some(String::new())),
        name if name != "apis" && is_subdomain(name) => Ok(Some(name.to_owned())),
        _ => Err("expected an API group: apps, apis/apps, or api for the core group"),
    }
}

/// Merges the value in the name and the separate value.
fn merge(what: &str, in_name: Option<String>, separate: Option<String>) -> Result<Option<String>, String> {
    match (&in_name, &separate) {
        (Some(in_name), Some(separate)) if in_name != separate => {
            Err(format!("the name contains another {what} than the separate API {what}: expected it in one place"))
        }
        _ => Ok(in_name.or(separate)),
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

    fn arg(name: &str, group: Option<&str>, version: Option<&str>) -> ResourceArg {
        ResourceArg { name: name.into(), group: group.map(Into::into), version: version.map(Into::into) }
    }

    #[test]
    fn name_is_parsed_as_kubectl_parses_it() {
        for (text, expected) in [
            ("pods", arg("pods", None, None)),
            (" Deployment ", arg("deployment", None, None)),
            ("Deployments.Apps", arg("deployments", Some("apps"), None)),
            ("deployments.v1.apps", arg("deployments", Some("apps"), Some("v1"))),
            ("routes.v1beta1.route.openshift.io", arg("routes", Some("route.openshift.io"), Some("v1beta1"))),
            ("pods.v1", arg("pods", Some(""), Some("v1"))),
            ("widgets.vault.example.com", arg("widgets", Some("vault.example.com"), None)),
        ] {
            assert_eq!(ResourceArg::parse(text, None, None), Ok(expected), "{text}");
        }
        for text in ["", "pods,services", "pods/web", "all", "*", ".apps", "deployments..apps", "-pods", "po_ds"] {
            let why = ResourceArg::parse(text, None, None).unwrap_err();
            assert!(why.starts_with("expected one resource") && why.contains("deployments.apps"), "{text}: {why}");
        }
    }

    #[test]
    fn group_and_version_of_the_original_are_accepted() {
        for (group, expected) in
            [("apps", Some("apps")), ("/apis/Apps/", Some("apps")), ("api", Some("")), ("oapi", None)]
        {
            assert_eq!(
                ResourceArg::parse("widgets", Some(group), Some("v1")),
                Ok(arg("widgets", expected, Some("v1"))),
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
            let error = ResourceArg::parse("deployments.v1.apps", Some(group), Some(version)).unwrap_err();
            assert!(error.contains(why), "{group} {version}: {error}");
        }
    }

    #[test]
    fn only_the_path_of_a_collection_is_accepted() {
        for (path, expected, namespace) in [
            ("api/v1/pods", arg("pods", Some(""), Some("v1")), None),
            ("/api/v1/namespaces/a/pods/", arg("pods", Some(""), Some("v1")), Some("a")),
            ("apis/apps/v1/namespaces/a/deployments", arg("deployments", Some("apps"), Some("v1")), Some("a")),
            ("/oapi/v1/routes", arg("routes", None, None), None),
        ] {
            assert_eq!(ResourceArg::parse_path(path), Ok((expected, namespace.map(str::to_owned))), "{path}");
        }
        for path in [
            "pods",
            "api/v1",
            "api/v1/namespaces/a/pods/web",
            "api/v1/pods?watch=true",
            "api/v1/../pods",
            "api//v1/pods",
        ] {
            assert!(ResourceArg::parse_path(path).unwrap_err().starts_with("expected the path"), "{path}");
        }
    }

    #[test]
    fn resource_arg_is_displayed_as_kubectl_names_it() {
        for text in ["pods", "deployments.apps", "deployments.v1.apps", "pods.v1"] {
            assert_eq!(ResourceArg::parse(text, None, None).unwrap().to_string(), text);
        }
    }
}
