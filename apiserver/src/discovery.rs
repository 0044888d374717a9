//! API discovery: `/`, `/version`, `/api`, `/apis` and the paths below them.
//!
//! There are two forms. Legacy discovery takes one request per group and version; aggregated discovery takes two (`/api`
//! and `/apis`). A client requests the aggregated form in its Accept header.
//!
//! Promises:
//! * both forms list the same resources, verbs, short names and categories;
//! * a custom resource appears and disappears with its definition;
//! * a version that is not served gets 404.

use http::header::ACCEPT;
use serde_json::{Value, json};

use crate::{catalog::Catalog, object::text, request::Request, resource::Resource};

const JSON: &str = "application/json";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The verbs of every resource, except that namespaces have no `deletecollection`.
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Resources that can only be created and are not stored: group, plural, kind.
const REVIEWS: [(&str, &str, &str); 3] = [
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
];

/// The content type and body of a discovery response; None for any other path.
pub fn handle(catalog: &Catalog, request: &Request) -> Option<(String, Value)> {
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let legacy = |value: Value| Some((JSON.to_owned(), value));
    match parts[..] {
        [""] if request.path == "/" => legacy(json!({ "paths": list_paths(catalog) })),
        ["version"] => legacy(version_info()),
        ["api"] if requests_aggregated(request) => {
            Some((AGGREGATED.into(), aggregated_list(list_groups(catalog).into_iter().filter(|g| g.name.is_empty()))))
        }
        ["apis"] if requests_aggregated(request) => {
            Some((AGGREGATED.into(), aggregated_list(list_groups(catalog).into_iter().filter(|g| !g.name.is_empty()))))
        }
        ["api"] => legacy(json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        })),
        ["apis"] => {
            let named = list_groups(catalog).into_iter().filter(|g| !g.name.is_empty());
            let list: Vec<Value> = named.map(|g| g.to_legacy()).collect();
            legacy(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": list }))
        }
        ["apis", group] => {
            let group = list_groups(catalog).into_iter().find(|g| !g.name.is_empty() && g.name == group)?;
            let mut body = group.to_legacy();
            body["kind"] = "APIGroup".into();
            body["apiVersion"] = "v1".into();
            legacy(body)
        }
        ["api", version] => resource_list(catalog, "", version).and_then(legacy),
        ["apis", group, version] if !group.is_empty() => resource_list(catalog, group, version).and_then(legacy),
        _ => None,
    }
}

/// Whether aggregated discovery is the first supported form in the Accept header.
fn requests_aggregated(request: &Request) -> bool {
    let accept = request.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for media in accept.flat_map(|value| value.split(',')) {
        let mut parts = media.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let parameters: Vec<&str> = parts.collect();
        let has = |parameter: &str| parameters.contains(&parameter);
        let is_converted = parameters.iter().any(|p| p.starts_with("as="));
        match kind {
            "application/json" | "application/*" | "*/*" if !is_converted => return false,
            "application/json" if has("g=apidiscovery.k8s.io") && has("v=v2") && has("as=APIGroupDiscoveryList") => {
                return true;
            }
            _ => {}
        }
    }
    false
}

/// The paths that `/` lists.
fn list_paths(catalog: &Catalog) -> Vec<String> {
    let mut paths =
        ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"].map(String::from).to_vec();
    for group in list_groups(catalog) {
        let root = if group.name.is_empty() { "/api".to_owned() } else { format!("/apis/{}", group.name) };
        paths.extend(group.versions.iter().map(|(version, _)| format!("{root}/{version}")));
        paths.push(root);
    }
    paths.sort();
    paths.dedup();
    paths
}

/// The version whose behaviour this server implements; `kubectl version` prints it.
fn version_info() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "", "gitTreeState": "",
        "emulationMajor": "1", "emulationMinor": "36", "minCompatibilityMajor": "1", "minCompatibilityMinor": "35",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// A group, with its versions in order of preference.
struct Group {
    name: String,
    /// Each with its resources and subresources in the legacy form, sorted by name.
    versions: Vec<(String, Vec<Value>)>,
}

/// All served resources by group and version.
fn list_groups(catalog: &Catalog) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut add = |group: &str, version: &str, entries: Vec<Value>| {
        let at = groups.iter().position(|g| g.name == group).unwrap_or_else(|| {
            groups.push(Group { name: group.to_owned(), versions: Vec::new() });
            groups.len() - 1
        });
        let versions = &mut groups[at].versions;
        match versions.iter_mut().find(|(name, _)| name == version) {
            Some((_, present)) => present.extend(entries),
            None => versions.push((version.to_owned(), entries)),
        }
    };
    for resource in catalog.all() {
        add(&resource.group, &resource.version, list_entries(resource));
    }
    for (group, plural, kind) in REVIEWS {
        let singular = kind.to_ascii_lowercase();
        let entry = json!({
            "name": plural, "singularName": singular, "namespaced": false, "kind": kind, "verbs": ["create"],
        });
        add(group, "v1", vec![entry]);
    }
    for group in &mut groups {
        group.versions.sort_by_key(|(version, _)| std::cmp::Reverse(version_priority(version)));
        for (_, entries) in &mut group.versions {
            entries.sort_by(|a, b| text(&a["name"]).cmp(text(&b["name"])));
        }
    }
    groups
}

/// Orders versions: v2, v1, v1beta2, v1alpha1, then other names alphabetically. The preferred version is the greatest.
fn version_priority(version: &str) -> (u8, u32, u32, std::cmp::Reverse<String>) {
    let parse = || -> Option<(u8, u32, u32)> {
        let rest = version.strip_prefix('v')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (major, stage) = rest.split_at(digits);
        let major = major.parse().ok()?;
        let minor = |text: &str| if text.is_empty() { Some(0) } else { text.parse().ok() };
        if stage.is_empty() {
            Some((3, major, 0))
        } else if let Some(minor_text) = stage.strip_prefix("beta") {
            Some((2, major, minor(minor_text)?))
        } else {
            Some((1, major, minor(stage.strip_prefix("alpha")?)?))
        }
    };
    let (stage, major, minor) = parse().unwrap_or_default();
    (stage, major, minor, std::cmp::Reverse(version.to_owned()))
}

/// A resource and its subresources, in the legacy form.
fn list_entries(resource: &Resource) -> Vec<Value> {
    let namespaces = resource.group.is_empty() && resource.plural == "namespaces";
    let verbs: Vec<&str> = VERBS.into_iter().filter(|verb| !namespaces || *verb != "deletecollection").collect();
    let mut main = json!({
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": verbs,
    });
    for (field, names) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
        if !names.is_empty() {
            main[field] = names.clone().into();
        }
    }
    let subresources = resource.subresources.iter().map(|name| subresource_entry(resource, name));
    std::iter::once(main).chain(subresources).collect()
}

fn subresource_entry(resource: &Resource, name: &str) -> Value {
    // Group and version of the body, if they differ from those of the path.
    let (body, kind, verbs) = match name {
        "binding" => (None, "Binding", &["create"][..]),
        "token" => (Some(("authentication.k8s.io", "v1")), "TokenRequest", &["create"][..]),
        "scale" => (Some(("autoscaling", "v1")), "Scale", &["get", "patch", "update"][..]),
        "finalize" => (None, &*resource.kind, &["update"][..]),
        _ => (None, &*resource.kind, &["get", "patch", "update"][..]),
    };
    let mut entry = json!({
        "name": format!("{}/{name}", resource.plural), "singularName": "", "namespaced": resource.namespaced,
        "kind": kind, "verbs": verbs,
    });
    if let Some((group, version)) = body {
        (entry["group"], entry["version"]) = (group.into(), version.into());
    }
    entry
}

impl Group {
    fn to_legacy(&self) -> Value {
        let version = |version: &str| json!({ "groupVersion": format!("{}/{version}", self.name), "version": version });
        let versions: Vec<Value> = self.versions.iter().map(|(name, _)| version(name)).collect();
        json!({ "name": self.name, "preferredVersion": versions.first(), "versions": versions })
    }

    fn into_aggregated(self) -> Value {
        let version = |(version, entries): (String, Vec<Value>)| {
            let mut resources: Vec<Value> = Vec::new();
            for entry in entries {
                let kind = json!({
                    "group": text(&entry["group"]), "version": text(&entry["version"]), "kind": entry["kind"],
                });
                // The entries are sorted, so a subresource follows its resource.
                match (text(&entry["name"]).split_once('/'), resources.last_mut()) {
                    (Some((_, name)), Some(parent)) => {
                        let json = json!({ "subresource": name, "responseKind": kind, "verbs": entry["verbs"] });
                        match parent["subresources"].as_array_mut() {
                            Some(list) => list.push(json),
                            None => parent["subresources"] = json!([json]),
                        }
                    }
                    _ => resources.push(aggregated_resource(&entry, kind)),
                }
            }
            json!({ "version": version, "resources": resources, "freshness": "Current" })
        };
        let metadata = if self.name.is_empty() { json!({}) } else { json!({ "name": self.name }) };
        json!({ "metadata": metadata, "versions": self.versions.into_iter().map(version).collect::<Vec<_>>() })
    }
}

fn aggregated_resource(entry: &Value, kind: Value) -> Value {
    let mut json = json!({
        "resource": entry["name"], "responseKind": kind, "singularResource": entry["singularName"],
        "scope": if entry["namespaced"] == true { "Namespaced" } else { "Cluster" }, "verbs": entry["verbs"],
    });
    for field in ["shortNames", "categories"] {
        if let Some(names) = entry.get(field) {
            json[field] = names.clone();
        }
    }
    json
}

fn aggregated_list(groups: impl Iterator<Item = Group>) -> Value {
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": groups.map(Group::into_aggregated).collect::<Vec<_>>(),
    })
}

/// The resources of one group and version, in the legacy form.
fn resource_list(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    let found = list_groups(catalog).into_iter().find(|g| g.name == group)?;
    let (_, entries) = found.versions.into_iter().find(|(name, _)| name == version)?;
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut body = json!({ "kind": "APIResourceList", "groupVersion": group_version, "resources": entries });
    // The real server sets it for named groups only.
    if !group.is_empty() {
        body["apiVersion"] = "v1".into();
    }
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_sorted_by_priority() {
        let mut versions = ["v1", "v1alpha1", "v10", "v2beta1", "foo1", "v2", "v1beta2", "bar", "v10beta3"];
        versions.sort_by_key(|version| std::cmp::Reverse(version_priority(version)));
        assert_eq!(versions, ["v10", "v2", "v1", "v10beta3", "v2beta1", "v1beta2", "v1alpha1", "bar", "foo1"]);
    }
}
