use super::*;

fn name(resource: &str) -> Result<Wanted, String> {
    Wanted::parse(Some(resource), None, None, None)
}

fn group(word: &str, group: Option<&str>, version: Option<&str>) -> Wanted {
    let place = Place::Group { group: group.map(Into::into), version: version.map(Into::into) };
    Wanted { word: word.into(), place }
}

#[test]
fn a_name_is_read_as_kubectl_reads_it() {
    for (text, wanted) in [
        ("pods", group("pods", None, None)),
        (" Pods ", group("pods", None, None)),
        ("Deployment", group("deployment", None, None)),
        ("deployments.apps", group("deployments", Some("apps"), None)),
        ("Deployments.Apps", group("deployments", Some("apps"), None)),
        ("deployments.v1.apps", group("deployments", Some("apps"), Some("v1"))),
        ("routes.route.openshift.io", group("routes", Some("route.openshift.io"), None)),
        ("routes.v1beta1.route.openshift.io", group("routes", Some("route.openshift.io"), Some("v1beta1"))),
        ("pods.v1", group("pods", Some(""), Some("v1"))),
        ("pods.v1.", group("pods", Some(""), Some("v1"))),
        ("pods.", group("pods", Some(""), None)),
        // Not versions, whatever they look like.
        ("things.vault.example.com", group("things", Some("vault.example.com"), None)),
        ("things.v1gamma2.example.com", group("things", Some("v1gamma2.example.com"), None)),
    ] {
        assert_eq!(name(text), Ok(wanted), "{text}");
    }
}

#[test]
fn what_is_no_name_of_one_resource_is_refused_with_what_is_accepted() {
    for text in ["pods,services", "pods/web", "all", "pods web", "*", ".apps", "deployments..apps", "-pods", "po_ds"] {
        let why = name(text).unwrap_err();
        assert!(why.starts_with("expected one resource") && why.contains("deployments.apps"), "{text}: {why}");
    }
    assert!(name(&"p".repeat(64)).is_err());
    for unset in [None, Some(""), Some(" ")] {
        assert!(Wanted::parse(unset, Some("apps"), None, None).unwrap_err().starts_with("expected one resource"));
    }
}

#[test]
fn group_and_version_stand_beside_the_name_or_in_it() {
    let parse = |resource, group, version| Wanted::parse(Some(resource), Some(group), Some(version), None);
    for (g, expected) in
        [("apps", "apps"), ("apis/apps", "apps"), ("/apis/apps/", "apps"), ("Apps", "apps"), ("api", "")]
    {
        assert_eq!(parse("things", g, ""), Ok(group("things", Some(expected), None)), "{g}");
    }
    assert_eq!(parse("things", "", "v1"), Ok(group("things", None, Some("v1"))));
    assert_eq!(parse("deployments.apps", "apis/apps", "v1"), Ok(group("deployments", Some("apps"), Some("v1"))));
    // A CRD may name its versions as it likes.
    assert_eq!(parse("things", "a.example", "stable"), Ok(group("things", Some("a.example"), Some("stable"))));
    for group in ["apis", "apis/apps/v1", "a b", "*"] {
        assert!(parse("things", group, "").unwrap_err().starts_with("expected as API group"), "{group}");
    }
    for version in ["apps/v1", "v.1", "*"] {
        assert!(parse("things", "", version).unwrap_err().starts_with("expected as API version"), "{version}");
    }
}

#[test]
fn a_contradiction_is_an_error() {
    let parse = |resource, group, version| Wanted::parse(Some(resource), Some(group), Some(version), None);
    for (resource, group, version, what) in [
        ("deployments.apps", "batch", "", "group"),
        ("deployments.apps", "api", "", "group"),
        ("deployments.apps", "oapi", "", "group"),
        ("pods.v1", "apps", "", "group"),
        ("deployments.v1.apps", "apps", "v1beta1", "version"),
    ] {
        let why = parse(resource, group, version).unwrap_err();
        assert!(why.contains(&format!("another {what}")) && why.contains("expected"), "{resource} {group}: {why}");
    }
}

#[test]
fn openshift_3_had_a_root_of_its_own() {
    let oapi = |version| Wanted::parse(Some("routes"), Some("oapi"), version, None).unwrap();
    assert_eq!(oapi(None).place, Place::Prefix("/oapi/v1".into()));
    assert_eq!(oapi(Some("v1beta3")).to_string(), "/oapi/v1beta3/routes");
}

#[test]
fn a_path_overrides_everything() {
    let parse = |path| Wanted::parse(Some("nodes"), Some("apps"), Some("v9"), Some(path));
    for (path, prefix, namespace, word) in [
        ("api/v1/pods", "/api/v1", None, "pods"),
        ("/api/v1/namespaces", "/api/v1", None, "namespaces"),
        ("/api/v1/namespaces/a/pods/", "/api/v1", Some("a"), "pods"),
        ("apis/route.openshift.io/v1/namespaces/a/routes", "/apis/route.openshift.io/v1", Some("a"), "routes"),
        ("/oapi/v1/routes", "/oapi/v1", None, "routes"),
    ] {
        let place = Place::Path { prefix: prefix.into(), namespace: namespace.map(Into::into) };
        assert_eq!(parse(path), Ok(Wanted { word: word.into(), place }), "{path}");
        assert_eq!(parse(path).unwrap().to_string(), format!("/{}", path.trim_matches('/')));
    }
    for path in [
        "pods",
        "api/v1",
        "api/v1/namespaces/a",
        "api/v1/namespaces/a/pods/web",
        "api/v1/watch/pods",
        "api/v1/pods?watch=true",
        "api/v1/../pods",
        "api//v1/pods",
        "https://example.com/api/v1/pods",
        "apis/apps/deployments",
    ] {
        assert!(parse(path).unwrap_err().starts_with("expected as API path"), "{path}");
    }
}

#[test]
fn it_is_shown_as_it_was_asked_for() {
    for text in ["pods", "deploy", "deployments.apps", "deployments.v1.apps", "pods.v1"] {
        assert_eq!(name(text).unwrap().to_string(), text);
    }
}
