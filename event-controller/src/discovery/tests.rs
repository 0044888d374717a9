use kube::core::discovery::v2::APIGroupDiscoveryList;
use serde_json::{Value, json};
use testkit::{FakeApiServer, Log, api_server};
use tokio::time::{Instant, timeout};

use super::*;

/// `(name, [(version, [resource])])`; a resource is `plural kind short scope verbs`.
type Group<'a> = (&'a str, &'a [(&'a str, &'a [&'a str])]);

fn document(groups: &[Group]) -> Value {
    let resource = |text: &&str| {
        let [plural, kind, short, scope, verbs] = text.split(' ').collect::<Vec<_>>().try_into().expect("five fields");
        json!({ "resource": plural, "singularResource": kind.to_lowercase(), "responseKind": { "kind": kind },
                "shortNames": [short], "scope": scope, "verbs": verbs.split(',').collect::<Vec<_>>() })
    };
    let version = |(version, resources): &(&str, &[&str])| json!({ "version": version, "resources": resources.iter().map(resource).collect::<Vec<_>>() });
    let group = |(name, versions): &Group| json!({ "metadata": { "name": name }, "versions": versions.iter().map(version).collect::<Vec<_>>() });
    json!({ "items": groups.iter().map(group).collect::<Vec<_>>() })
}

const CORE: Group = (
    "",
    &[(
        "v1",
        &[
            "pods Pod po Namespaced get,list,watch",
            "nodes Node no Cluster list,watch",
            "bindings Binding - Namespaced create",
        ],
    )],
);
const APPS: Group = ("apps", &[("v1", &["deployments Deployment deploy Namespaced list,watch"])]);
const METRICS: Group = ("metrics.k8s.io", &[("v1beta1", &["nodes NodeMetrics - Cluster get,list"])]);
const WIDGET: &str = "widgets Widget wd Namespaced list,watch";

fn find(groups: &[Group], name: &str) -> Result<Resource, String> {
    let all = [&[CORE, APPS, METRICS], groups].concat();
    let list: APIGroupDiscoveryList = serde_json::from_value(document(&all)).unwrap();
    find_resource(&list.items, &ResourceArg::parse(name, None, None).unwrap(), Some("a"))
}

fn path_of(groups: &[Group], name: &str) -> String {
    find(groups, name).unwrap_or_else(|why| panic!("{name}: {why}")).path
}

#[test]
fn resource_is_found_by_each_of_its_names() {
    for name in ["deployments", "Deployment", "deploy", "deploy.apps", "deployment.v1.apps"] {
        assert_eq!(path_of(&[], name), "/apis/apps/v1/namespaces/a/deployments", "{name}");
    }
    let deploy = find(&[], "deploy").unwrap();
    assert_eq!((&*deploy.name, &*deploy.api_version, &*deploy.kind), ("deployments.apps", "apps/v1", "Deployment"));
    assert_eq!(path_of(&[], "po"), "/api/v1/namespaces/a/pods");
    assert_eq!(path_of(&[], "no"), "/api/v1/nodes", "the namespace of a cluster-scoped resource is ignored");
}

#[test]
fn crd_cannot_hide_a_kubernetes_resource() {
    let crd = (
        "a.example",
        &[("v1", &["pods Pod po Namespaced list,watch", "gadgets Gadget deploy Namespaced list,watch"][..])][..],
    );
    assert_eq!(path_of(&[crd], "po"), "/api/v1/namespaces/a/pods");
    assert_eq!(path_of(&[crd], "deploy"), "/apis/apps/v1/namespaces/a/deployments");
    assert_eq!(path_of(&[crd], "pods.a.example"), "/apis/a.example/v1/namespaces/a/pods");
}

#[test]
fn name_in_two_groups_is_ambiguous() {
    let (a, b) = (("a.example", &[("v1", &[WIDGET][..])][..]), ("b.example", &[("v1", &[WIDGET][..])][..]));
    let short = ("c.example", &[("v1", &["gadgets Gadget widgets Namespaced list,watch"][..])][..]);
    let why = find(&[b, a, short], "widgets").unwrap_err();
    assert_eq!(
        why, "widgets is ambiguous: expected one of widgets.a.example, widgets.b.example",
        "a name beats a short name"
    );
    assert_eq!(path_of(&[a, b, short], "widgets.c.example"), "/apis/c.example/v1/namespaces/a/gadgets");
}

#[test]
fn preferred_version_comes_first_but_another_may_have_more() {
    let both = [WIDGET, "extras Extra ex Namespaced list,watch"];
    let groups = [("a.example", &[("v1", &[WIDGET][..]), ("v2alpha1", &both[..])][..])];
    assert_eq!(path_of(&groups, "widgets"), "/apis/a.example/v1/namespaces/a/widgets");
    assert_eq!(path_of(&groups, "extras"), "/apis/a.example/v2alpha1/namespaces/a/extras");
    assert_eq!(path_of(&groups, "widgets.v2alpha1.a.example"), "/apis/a.example/v2alpha1/namespaces/a/widgets");
    let why = find(&groups, "widgets.v3.a.example").unwrap_err();
    assert_eq!(why, "the API server serves no widgets.v3.a.example: it is served in a.example/v1, a.example/v2alpha1");
}

#[test]
fn only_a_resource_with_list_and_watch_is_found() {
    assert_eq!(find(&[], "bindings").unwrap_err(), "bindings cannot be listed and watched");
    assert_eq!(find(&[], "nodemetrics").unwrap_err(), "nodes.metrics.k8s.io cannot be listed and watched");
    let other = ("a.example", &[("v1", &["bindings Binding b Namespaced list,watch"][..])][..]);
    assert_eq!(path_of(&[other], "bindings"), "/apis/a.example/v1/namespaces/a/bindings");
}

#[test]
fn error_names_a_group_that_is_down() {
    let mut list = document(&[CORE, ("a.example", &[("v1", &[])])]);
    list["items"][1]["versions"][0]["freshness"] = json!("Stale");
    let list: APIGroupDiscoveryList = serde_json::from_value(list).unwrap();
    let why = |name| find_resource(&list.items, &ResourceArg::parse(name, None, None).unwrap(), None).unwrap_err();
    let expected =
        "the API server serves no gizmos (is its CRD installed?); the server of a.example/v1 does not respond";
    assert_eq!(why("gizmos"), expected);
    assert!(
        find_resource(&[], &ResourceArg::parse("pods", None, None).unwrap(), None)
            .unwrap_err()
            .contains("Kubernetes 1.26")
    );
}

async fn serve_discovery(server: &mut FakeApiServer, groups: &Value) {
    let call = server.next().await;
    assert_eq!(call.path, "/api");
    call.json(200, &document(&[CORE]));
    let call = server.next().await;
    assert_eq!(call.path, "/apis");
    call.json(200, groups);
}

#[tokio::test(start_paused = true)]
async fn search_retries_until_the_resource_is_served() {
    let log = Log::start(tracing::Level::WARN);
    let ((client, mut server), telemetry) = (api_server(), Telemetry::default());
    let mut search = Search::new(client, ResourceArg::parse("widget", None, None).unwrap(), None, &telemetry);
    let script = async {
        for _ in 0..9 {
            let start = Instant::now();
            server.next().await.refuse();
            assert!(start.elapsed() <= LONGEST_BACKOFF);
        }
        assert_eq!(telemetry.readiness().unwrap_err(), "widget: no connection: connection refused\n");
        let start = Instant::now();
        server.next().await.bytes(
            429,
            &[],
            json!({ "code": 429, "details": { "retryAfterSeconds": 86400 } }).to_string(),
        );
        assert!(start.elapsed() <= LONGEST_BACKOFF);
        serve_discovery(&mut server, &document(&[APPS])).await;
        serve_discovery(&mut server, &document(&[APPS, ("a.example", &[("v1", &[WIDGET])])])).await;
    };
    let (resource, ()) = tokio::join!(search.run(), script);
    assert_eq!(resource.path, "/apis/a.example/v1/widgets");
    assert_eq!(telemetry.readiness(), Ok(()));
    assert_eq!(log.lines().len(), 3, "each error is logged once: {:?}", log.lines());

    // Its CRD moves to another version.
    let script = async {
        let other_group = ("b.example", &[("v1", &[WIDGET][..])][..]);
        serve_discovery(&mut server, &document(&[other_group])).await;
        let call = server.next().await;
        assert!(telemetry.readiness().unwrap_err().contains("widgets.a.example"));
        call.json(200, &document(&[CORE]));
        let both = document(&[other_group, ("a.example", &[("v2", &[WIDGET])])]);
        server.next().await.json(200, &both);
    };
    let moved = timeout(Duration::from_secs(60), async { tokio::join!(search.run_again(&resource), script).0 });
    assert_eq!(moved.await.unwrap().path, "/apis/a.example/v2/widgets");
}
