//! Tests of the order of consequences, random names and the clock: a client of a real server cannot check these.

use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::{
    Settings,
    object::Meta,
    testing::{CONFIG_MAPS, TestClient},
};

const NAMESPACES: &str = "/api/v1/namespaces";
const PODS: &str = "/api/v1/namespaces/default/pods";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn client() -> TestClient {
    TestClient::with_settings(Settings {
        clock: || "2026-01-01T00:00:00Z".parse().unwrap_or(Timestamp::UNIX_EPOCH),
        ..Default::default()
    })
}

impl TestClient {
    async fn code(&self, method: &str, uri: &str, body: Value) -> (u16, Value) {
        let headers = [("content-type", "application/merge-patch+json")];
        let headers = if method == "PATCH" { &headers[..] } else { &[] };
        let response = self.send(method, uri, headers, &body.to_string()).await.unwrap();
        (response.code, response.body)
    }

    async fn ok(&self, method: &str, uri: &str, body: Value) -> Value {
        let (code, response) = self.code(method, uri, body).await;
        assert!(code < 300, "{method} {uri}: {code} {response}");
        response
    }

    async fn exists(&self, name: &str) -> bool {
        self.get(&at(name)).await.code == 200
    }

    /// The changes after a revision, such as `ADDED pods/a`.
    fn changes(&self, since: u64) -> Vec<String> {
        let state = self.server.shared.lock();
        let text = |change: &crate::store::Change| {
            let what = match (&change.before, &change.after) {
                (None, _) => "ADDED",
                (_, Some(_)) => "MODIFIED",
                (_, None) => "DELETED",
            };
            format!("{what} {}/{}", change.resource, change.key.name)
        };
        state.store.since(since).unwrap().map(|change| text(change)).collect()
    }
}

fn at(name: &str) -> String {
    format!("{CONFIG_MAPS}/{name}")
}

fn named(name: &str) -> Value {
    json!({ "metadata": { "name": name } })
}

fn owned(name: &str, owners: &[&Value]) -> Value {
    let owner = |object: &&Value| {
        json!({
            "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object.name(), "uid": object.uid(),
            "blockOwnerDeletion": true,
        })
    };
    json!({ "metadata": { "name": name, "ownerReferences": owners.iter().map(owner).collect::<Vec<_>>() } })
}

fn bound_pod(name: &str) -> Value {
    let container = json!({ "name": "c", "image": "i" });
    json!({ "metadata": { "name": name }, "spec": { "nodeName": "n", "containers": [container] } })
}

#[tokio::test]
async fn cycle_of_owners_is_deleted() {
    for policy in ["Foreground", "Background"] {
        let api = client();
        let a = api.ok("POST", CONFIG_MAPS, named("a")).await;
        let b = api.ok("POST", CONFIG_MAPS, owned("b", &[&a])).await;
        let c = api.ok("POST", CONFIG_MAPS, owned("c", &[&b])).await;
        api.ok("PATCH", &at("a"), owned("a", &[&c])).await;
        api.ok("DELETE", &at("a"), json!({ "propagationPolicy": policy })).await;
        assert_eq!(api.get(CONFIG_MAPS).await.names(), [""; 0], "{policy}");
    }
}

#[tokio::test]
async fn long_chain_of_owners_is_deleted_without_recursion() {
    let api = client();
    let mut last = api.ok("POST", CONFIG_MAPS, named("n0")).await;
    for n in 1..2000 {
        last = api.ok("POST", CONFIG_MAPS, owned(&format!("n{n}"), &[&last])).await;
    }
    api.ok("DELETE", &at("n0"), json!({ "propagationPolicy": "Foreground" })).await;
    assert!(!api.exists("n0").await && !api.exists("n1999").await);
}

/// Random owners, including cycles, deleted with random policies.
#[tokio::test]
async fn object_without_remaining_owners_is_always_deleted() {
    const COUNT: usize = 12;
    for seed in 0..50 {
        let (mut random, api) = (StdRng::seed_from_u64(seed), client());
        let mut objects = Vec::new();
        for n in 0..COUNT {
            objects.push(api.ok("POST", CONFIG_MAPS, named(&format!("n{n}"))).await);
        }
        for n in 0..COUNT {
            let owners: Vec<&Value> =
                objects.iter().filter(|other| other.name() != format!("n{n}") && random.random_bool(0.15)).collect();
            api.ok("PATCH", &at(&format!("n{n}")), owned(&format!("n{n}"), &owners)).await;
        }
        for _ in 0..4 {
            let policy = ["Background", "Foreground", "Orphan"][random.random_range(0..3)];
            let name = format!("n{}", random.random_range(0..COUNT));
            api.code("DELETE", &at(&name), json!({ "propagationPolicy": policy })).await;
        }
        let left = api.get(CONFIG_MAPS).await.body["items"].as_array().cloned().unwrap();
        for object in &left {
            let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
            let exists = |owner: &Value| left.iter().any(|other| owner["uid"] == other.uid());
            assert!(owners.iter().all(exists) && !object.is_terminating(), "seed {seed}: {object}");
        }
    }
}

#[tokio::test]
async fn owner_of_unserved_kind_or_in_a_namespace_is_ignored() {
    const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let api = client();
    let unserved = json!({ "apiVersion": "ex.org/v1", "kind": "Unserved", "metadata": { "name": "s", "uid": "1" } });
    api.ok("POST", CONFIG_MAPS, owned("b", &[&unserved])).await;
    assert!(api.exists("b").await);
    let a = api.ok("POST", CONFIG_MAPS, named("a")).await;
    api.ok("POST", ROLES, owned("r", &[&a])).await;
    api.ok("DELETE", &at("a"), json!({})).await;
    assert_eq!(api.get(&format!("{ROLES}/r")).await.code, 200, "a cluster-scoped object has no owner in a namespace");
}

#[tokio::test]
async fn create_fails_after_eight_taken_generated_names() {
    let api = client();
    for n in 0..9 {
        // The same seed generates the same names.
        api.server.shared.lock().random = StdRng::seed_from_u64(7);
        let (code, response) = api.code("POST", CONFIG_MAPS, json!({ "metadata": { "generateName": "x-" } })).await;
        assert_eq!(code, if n < 8 { 201 } else { 409 }, "{n}: {response}");
    }
}

#[tokio::test]
async fn namespace_deletion_removes_pods_first_and_lists_the_rest() {
    let api = client();
    let (ns, within) = (format!("{NAMESPACES}/ns"), |plural: &str| format!("{NAMESPACES}/ns/{plural}"));
    api.ok("POST", NAMESPACES, named("ns")).await;
    let kept = json!({ "metadata": { "name": "a", "finalizers": ["x/y"] } });
    api.ok("POST", &within("configmaps"), kept).await;
    api.ok("POST", &within("pods"), bound_pod("p")).await;
    let before = api.server.revision();
    api.ok("DELETE", &ns, json!({})).await;
    assert_eq!(api.changes(before), ["MODIFIED namespaces/ns", "MODIFIED pods/p", "MODIFIED namespaces/ns"]);
    let before = api.server.revision();
    api.ok("DELETE", &within("pods/p"), json!({ "gracePeriodSeconds": 0 })).await;
    let expected = ["MODIFIED pods/p", "DELETED pods/p", "MODIFIED configmaps/a", "MODIFIED namespaces/ns"];
    assert_eq!(api.changes(before), expected);
    let text = api.get(&ns).await.body["status"]["conditions"].to_string();
    assert!(text.contains("Some resources are remaining: configmaps. has 1 resource instances"), "{text}");
    api.ok("PATCH", &within("configmaps/a"), json!({ "metadata": { "finalizers": null } })).await;
    assert_eq!(api.get(&ns).await.code, 404);
}

#[tokio::test]
async fn grace_period_is_shortened_but_never_lengthened() {
    let api = client();
    let pod = format!("{PODS}/p");
    api.ok("POST", PODS, bound_pod("p")).await;
    for (wanted, expected) in [(i64::MAX, i64::MAX), (30, 30), (100, 30), (5, 5), (-5, 1)] {
        let marked = api.ok("DELETE", &pod, json!({ "gracePeriodSeconds": wanted })).await;
        assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], expected, "{wanted}");
    }
    assert_eq!(api.get(&pod).await.body.meta("deletionTimestamp"), "2026-01-01T00:00:01Z");
}

#[tokio::test]
async fn terminating_definition_waits_and_rejects_new_objects() {
    const FOOS: &str = "/apis/ex.com/v1/namespaces/default/foos";
    let api = client();
    let version = json!({
        "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } },
    });
    let spec = json!({
        "group": "ex.com", "scope": "Namespaced", "names": { "plural": "foos", "kind": "Foo" }, "versions": [version],
    });
    api.ok("POST", DEFINITIONS, json!({ "metadata": { "name": "foos.ex.com" }, "spec": spec })).await;
    api.ok("POST", FOOS, json!({ "metadata": { "name": "a", "finalizers": ["x/y"] } })).await;
    let definition = format!("{DEFINITIONS}/foos.ex.com");
    api.ok("DELETE", &definition, json!({})).await;
    let (code, status) = api.code("POST", FOOS, named("c")).await;
    let why = "create not allowed while custom resource definition is terminating";
    assert_eq!((code, &status["message"]), (403, &json!(format!("foos.ex.com \"c\" is forbidden: {why}"))));
    api.ok("PATCH", &format!("{FOOS}/a"), json!({ "metadata": { "finalizers": null } })).await;
    assert_eq!(api.get(&definition).await.code, 404);
}
