//! Discovery: groups, versions and resources, as kubectl reads them.

use serde_json::{Value, json};

use crate::test_env::{PerServer, TestEnv};

/// Per resource: name, kind, namespaced, verbs, short names, categories.
pub fn resources_are_listed_with_names_and_verbs(env: &TestEnv) {
    const ALL: &str = "create,delete,deletecollection,get,list,patch,update,watch";
    const SOME: &str = "get,patch,update";
    let cases = [
        ("/api/v1", "namespaces Namespace false create,delete,get,list,patch,update,watch ns -"),
        ("/api/v1", "namespaces/finalize Namespace false update - -"),
        ("/api/v1", "namespaces/status Namespace false SOME - -"),
        ("/api/v1", "pods Pod true ALL po all"),
        ("/api/v1", "pods/binding Binding true create - -"),
        ("/api/v1", "pods/status Pod true SOME - -"),
        ("/api/v1", "secrets Secret true ALL - -"),
        ("/api/v1", "configmaps ConfigMap true ALL cm -"),
        ("/api/v1", "events Event true ALL ev -"),
        ("/api/v1", "serviceaccounts ServiceAccount true ALL sa -"),
        ("/api/v1", "serviceaccounts/token TokenRequest true create - -"),
        ("/apis/apps/v1", "deployments Deployment true ALL deploy all"),
        ("/apis/apps/v1", "deployments/scale Scale true SOME - -"),
        ("/apis/apps/v1", "replicasets ReplicaSet true ALL rs all"),
        ("/apis/coordination.k8s.io/v1", "leases Lease true ALL - -"),
        ("/apis/rbac.authorization.k8s.io/v1", "rolebindings RoleBinding true ALL - -"),
        ("/apis/rbac.authorization.k8s.io/v1", "clusterroles ClusterRole false ALL - -"),
        (
            "/apis/admissionregistration.k8s.io/v1",
            "validatingadmissionpolicies ValidatingAdmissionPolicy false ALL - api-extensions",
        ),
        ("/apis/policy/v1", "poddisruptionbudgets PodDisruptionBudget true ALL pdb -"),
        (
            "/apis/apiextensions.k8s.io/v1",
            "customresourcedefinitions CustomResourceDefinition false ALL crd,crds api-extensions",
        ),
        ("/apis/authorization.k8s.io/v1", "selfsubjectaccessreviews SelfSubjectAccessReview false create - -"),
        ("/apis/authentication.k8s.io/v1", "selfsubjectreviews SelfSubjectReview false create - -"),
    ];
    let words = |list: &Value| -> String {
        let words = list.as_array().map(|all| all.iter().filter_map(Value::as_str).collect::<Vec<_>>());
        words.filter(|words| !words.is_empty()).map_or("-".into(), |words| words.join(","))
    };
    for (path, expected) in cases {
        let list = env.get(path).expect(200);
        assert_eq!(list["kind"], "APIResourceList");
        let name = expected.split(' ').next().unwrap_or_default();
        let resources = list["resources"].as_array().cloned().unwrap_or_default();
        let found = resources.iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("{path}: {name}"));
        let mut verbs: Vec<_> = found["verbs"].as_array().cloned().unwrap_or_default();
        verbs.sort_by_key(|verb| verb.as_str().map(str::to_owned));
        let (kind, verbs) = (found["kind"].as_str().unwrap_or_default(), words(&json!(verbs)));
        let (short, categories) = (words(&found["shortNames"]), words(&found["categories"]));
        let seen = format!("{name} {kind} {} {verbs} {short} {categories}", found["namespaced"]);
        assert_eq!(seen, expected.replace("ALL", ALL).replace("SOME", SOME), "{path}");
        let singular = if name.contains('/') { String::new() } else { kind.to_lowercase() };
        assert_eq!(found["singularName"], singular, "{path}: {name}");
        // A subresource of another group lists that group and its version.
        let other = match kind {
            "Scale" => json!(["autoscaling", "v1"]),
            "TokenRequest" => json!(["authentication.k8s.io", "v1"]),
            _ => json!([null, null]),
        };
        assert_eq!(json!([found["group"], found["version"]]), other, "{path}: {name}");
    }
}

pub fn few_kinds_are_served(env: &TestEnv) {
    let code = env.get("services").code;
    env.assert_difference("few-kinds", code, PerServer { embedded: 404, real: 200 });
}

/// An unknown group or version gets 404, any other path 403.
pub fn every_account_may_read_discovery(env: &TestEnv) {
    let account = env.with_new_account();
    for path in ["/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1"] {
        assert_eq!(account.get(path).code, 200, "{path}");
    }
    for path in ["/api/v2", "/apis/unknown", "/apis/unknown/v1", "/apis/apps/v7"] {
        assert_eq!(account.get(path).code, 404, "{path}");
    }
    assert_eq!(account.get("/apis/unknown/v1").text, "404 page not found\n");
    let message = account.get("/oapi/v1").error_message(403, "Forbidden");
    assert!(message.ends_with("cannot get path \"/oapi/v1\""), "{message}");
}

/// kubectl requests aggregated discovery first.
pub fn aggregated_discovery_is_served_on_request(env: &TestEnv) {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let response = env.accepting(accept).get("/apis");
    assert_eq!(response.content_type(), "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    let list = response.expect(200);
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (&json!("APIGroupDiscoveryList"), &json!("apidiscovery.k8s.io/v2"))
    );
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let apps = items.iter().find(|group| group["metadata"]["name"] == "apps").expect("apps");
    let version = &apps["versions"][0];
    assert_eq!((&version["version"], &version["freshness"]), (&json!("v1"), &json!("Current")));
    let resources = version["resources"].as_array().cloned().unwrap_or_default();
    let deployments = resources.iter().find(|r| r["resource"] == "deployments").expect("deployments");
    let seen = json!([
        deployments["responseKind"]["kind"],
        deployments["scope"],
        deployments["singularResource"],
        deployments["shortNames"]
    ]);
    assert_eq!(seen, json!(["Deployment", "Namespaced", "deployment", ["deploy"]]));
    let parts = deployments["subresources"].as_array().cloned().unwrap_or_default();
    let status = parts.iter().find(|part| part["subresource"] == "status").expect("status");
    assert_eq!(status["verbs"], json!(["get", "patch", "update"]));
    let scale = parts.iter().find(|part| part["subresource"] == "scale").expect("scale");
    assert_eq!(scale["responseKind"], json!({ "group": "autoscaling", "version": "v1", "kind": "Scale" }));
    let list = env.accepting(accept).get("/api").expect(200);
    assert_eq!(list["items"][0]["versions"][0]["version"], "v1");
}

pub fn version_and_health_are_served(env: &TestEnv) {
    let version = env.get("/version").expect(200);
    assert_eq!(version["major"], "1");
    assert!(version["gitVersion"].as_str().is_some_and(|text| text.starts_with("v1.")), "{version}");
    for path in ["/healthz", "/livez", "/readyz"] {
        let response = env.get(path);
        assert_eq!((response.code, response.text.as_str()), (200, "ok"), "{path}");
        assert!(response.content_type().starts_with("text/plain"), "{path}: {}", response.content_type());
    }
}

pub fn control_paths_are_served(env: &TestEnv) {
    env.assert_difference("control-paths", env.get("/control/faults").code, PerServer { embedded: 200, real: 404 });
}

/// Requests need no credentials, so a page in a local browser would have all rights.
pub fn request_of_a_web_page_is_rejected(env: &TestEnv) {
    for header in [("origin", "https://example.org"), ("host", "example.org")] {
        let code = env.send("GET", "/version", &[header], "").code;
        env.assert_difference("no-web-pages", code, PerServer { embedded: 403, real: 200 });
    }
}

pub fn openapi_index_has_a_url_per_group_version(env: &TestEnv) {
    let index = env.get("/openapi/v3").expect(200);
    for path in ["api/v1", "apis/apps/v1"] {
        let url = index["paths"][path]["serverRelativeURL"].as_str().unwrap_or_default().to_owned();
        assert!(url.starts_with(&format!("/openapi/v3/{path}?hash=")), "{path}: {url}");
        assert!(env.get(&url).expect(200)["openapi"].as_str().is_some_and(|version| version.starts_with("3.0")));
    }
}
