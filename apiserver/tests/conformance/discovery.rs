//! Discovery: what is served, in the words that kubectl looks for.

use serde_json::{Value, json};

use crate::world::{Differs, World};

/// What each group version serves: name, kind, namespaced, verbs, short names, categories.
pub fn what_is_served_is_served_as_the_real_one_serves_it(w: &World) {
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
        let list = w.get(path).is(200);
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
        // Of what is of another group than its path, that is said: so kubectl knows that it can be scaled.
        let other = match kind {
            "Scale" => json!(["autoscaling", "v1"]),
            "TokenRequest" => json!(["authentication.k8s.io", "v1"]),
            _ => json!([null, null]),
        };
        assert_eq!(json!([found["group"], found["version"]]), other, "{path}: {name}");
    }
}

/// Of a kind that is not here, nothing is said.
pub fn few_kinds_are_served(w: &World) {
    let code = w.get("services").code;
    w.differs("few-kinds", code, crate::world::Differs { embedded: 404, real: 200 });
}

/// What is served is no secret: who is anybody may ask, with no rights at all. What is not served is not found; what is
/// nowhere below the known roots is forbidden before it can be not found.
pub fn every_account_may_ask_what_is_served(w: &World) {
    w.post("serviceaccounts", &json!({ "metadata": { "name": "poor" } })).is(201);
    let answer = w.post("serviceaccounts/poor/token", &json!({})).is(201);
    let poor = w.with_token(answer["status"]["token"].as_str().expect("a token"));
    for path in ["/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1"] {
        assert_eq!(poor.get(path).code, 200, "{path}");
    }
    for path in ["/api/v2", "/apis/nobody", "/apis/nobody/v1", "/apis/apps/v7"] {
        assert_eq!(poor.get(path).code, 404, "{path}");
    }
    assert_eq!(poor.get("/apis/nobody/v1").text, "404 page not found\n");
    let message = poor.get("/oapi/v1").refusal(403, "Forbidden");
    assert!(message.ends_with("cannot get path \"/oapi/v1\""), "{message}");
}

/// All in one answer, which is what kubectl asks for first.
pub fn discovery_comes_in_one_answer_to_those_who_ask_for_it(w: &World) {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let answer = w.accepting(accept).get("/apis");
    assert_eq!(answer.content_type(), "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    let list = answer.is(200);
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
    let list = w.accepting(accept).get("/api").is(200);
    assert_eq!(list["items"][0]["versions"][0]["version"], "v1");
}

/// The version, and whether all is well.
pub fn version_and_health_can_be_asked_for(w: &World) {
    let version = w.get("/version").is(200);
    assert_eq!(version["major"], "1");
    assert!(version["gitVersion"].as_str().is_some_and(|text| text.starts_with("v1.")), "{version}");
    for path in ["/healthz", "/livez", "/readyz"] {
        let answer = w.get(path);
        assert_eq!((answer.code, answer.text.as_str()), (200, "ok"), "{path}");
        assert!(answer.content_type().starts_with("text/plain"), "{path}: {}", answer.content_type());
    }
}

/// Faults, compaction and the journal have paths that a cluster does not have.
pub fn orders_are_taken_by_paths_of_their_own(w: &World) {
    w.differs("control-paths", w.get("/control/faults").code, Differs { embedded: 200, real: 404 });
}

/// Who needs no credentials has to be told from a page in a browser on the same machine.
pub fn a_web_page_is_refused(w: &World) {
    for header in [("origin", "https://example.org"), ("host", "example.org")] {
        let code = w.send("GET", "/version", &[header], "").code;
        w.differs("no-web-pages", code, Differs { embedded: 403, real: 200 });
    }
}

/// Where the schemas are, group by group.
pub fn openapi_says_where_each_group_s_schemas_are(w: &World) {
    let index = w.get("/openapi/v3").is(200);
    for path in ["api/v1", "apis/apps/v1"] {
        let place = index["paths"][path]["serverRelativeURL"].as_str().unwrap_or_default().to_owned();
        assert!(place.starts_with(&format!("/openapi/v3/{path}?hash=")), "{path}: {place}");
        assert!(w.get(&place).is(200)["openapi"].as_str().is_some_and(|version| version.starts_with("3.0")));
    }
}
