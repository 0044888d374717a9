use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use testkit::{Server, api_server};

/// What an API server serves: its discovery documents by path.
#[derive(Default)]
struct Served(BTreeMap<String, Value>);

impl Served {
    /// As every server: core, and a few groups of Kubernetes.
    fn kubernetes() -> Served {
        let mut served = Served::default();
        served
            .with("v1", "pods pod Pod po true all")
            .with("v1", "pods/status  Pod  true get,list,watch")
            .with("v1", "nodes node Node no false all")
            .with("v1", "bindings binding Binding  true create")
            .with("v1", "componentstatuses componentstatus ComponentStatus cs false get,list")
            .with("apps/v1", "deployments deployment Deployment deploy true all")
            .with("metrics.k8s.io/v1beta1", "nodes  NodeMetrics  false get,list");
        served
    }

    /// One more resource: plural, singular, kind, short name, namespaced, verbs, with a blank between each two.
    fn with(&mut self, group_version: &str, resource: &str) -> &mut Served {
        let [plural, singular, kind, short, namespaced, verbs] =
            resource.split(' ').collect::<Vec<_>>().try_into().expect("six");
        let verbs = if verbs == "all" { "create,delete,get,list,update,watch" } else { verbs };
        let mut entry = json!({ "name": plural, "singularName": singular, "kind": kind,
            "namespaced": namespaced == "true", "verbs": verbs.split(',').collect::<Vec<_>>() });
        if !short.is_empty() {
            entry["shortNames"] = json!([short]);
        }
        let path = match group_version.split_once('/') {
            Some(_) => format!("/apis/{group_version}"),
            None => format!("/api/{group_version}"),
        };
        let document = self
            .0
            .entry(path)
            .or_insert_with(|| json!({ "kind": "APIResourceList", "groupVersion": group_version, "resources": [] }));
        document["resources"].as_array_mut().expect("a list").push(entry);
        self
    }

    /// The answer to a path. The versions of a group are preferred in the order of their names.
    fn answer(&self, path: &str) -> Option<Value> {
        if let Some(document) = self.0.get(path) {
            return Some(document.clone());
        }
        let mut groups: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (group, version) in self.0.keys().filter_map(|path| path.strip_prefix("/apis/")?.split_once('/')) {
            groups.entry(group).or_default().push(json!({ "version": version }));
        }
        let group = |(name, versions): (&&str, &Vec<Value>)| json!({ "name": name, "versions": versions, "preferredVersion": versions[0] });
        match path {
            "/api" => Some(json!({ "versions": ["v1"] })),
            "/apis" => Some(json!({ "groups": groups.iter().map(group).collect::<Vec<_>>() })),
            path => groups.get_key_value(path.strip_prefix("/apis/")?).map(group),
        }
    }

    /// Answers everything, until nobody asks any more. Returns what was asked for.
    async fn serve(&self, server: &mut Server) -> Vec<String> {
        let mut asked = Vec::new();
        while let Some(call) = server.next_within(Duration::from_secs(3600)).await {
            asked.push(call.path.clone());
            match self.answer(&call.path) {
                Some(Value::String(down)) => call.status(503, "ServiceUnavailable", &down),
                Some(document) => call.json(200, &document),
                None => call.bytes(404, &[("content-type", "text/plain")], "404 page not found\n"),
            }
        }
        asked
    }

    async fn find(&self, resource: &str) -> (Result<Resource, String>, Vec<String>) {
        self.find_wanted(Wanted::parse(Some(resource), None, None, None).unwrap()).await
    }

    async fn find_wanted(&self, wanted: Wanted) -> (Result<Resource, String>, Vec<String>) {
        let (client, mut server) = api_server();
        let found = async {
            let found = find(&client, &wanted, Some("a")).await;
            drop(client);
            found.map_err(|reason| reason.to_string())
        };
        let (found, asked) = tokio::join!(found, self.serve(&mut server));
        (found, asked)
    }

    async fn path(&self, resource: &str) -> String {
        self.find(resource).await.0.unwrap_or_else(|reason| panic!("{resource}: {reason}")).path
    }

    async fn reason(&self, resource: &str) -> String {
        self.find(resource).await.0.expect_err("it is not there")
    }
}

#[tokio::test(start_paused = true)]
async fn every_name_of_a_resource_finds_it() {
    let served = Served::kubernetes();
    for name in ["deployments", "deployment", "Deployment", "deploy", "DEPLOY", "deploy.apps", "deployment.v1.apps"] {
        assert_eq!(served.path(name).await, "/apis/apps/v1/namespaces/a/deployments", "{name}");
    }
    let resource = served.find("deploy").await.0.unwrap();
    assert_eq!(
        (&*resource.name, &*resource.api_version, &*resource.kind),
        ("deployments.apps", "apps/v1", "Deployment")
    );
    assert_eq!(served.find("po").await.0.unwrap().name, "pods");
}

#[tokio::test(start_paused = true)]
async fn it_asks_for_no_more_than_it_has_to() {
    let served = Served::kubernetes();
    for (name, documents) in [
        ("po", &["/api/v1"][..]),
        ("pods.v1", &["/api/v1"]),
        ("deploy.v1.apps", &["/apis/apps/v1"]),
        ("deploy.apps", &["/apis/apps", "/apis/apps/v1"]),
        ("deploy", &["/api/v1", "/apis", "/apis/apps/v1", "/apis/metrics.k8s.io/v1beta1"]),
    ] {
        assert_eq!(served.find(name).await.1, documents, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_namespaces_the_namespace_is_ignored() {
    let node = Served::kubernetes().find("nodes").await.0.unwrap();
    assert_eq!((&*node.path, node.namespaced), ("/api/v1/nodes", false));
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_kubernetes_cannot_be_hidden() {
    let mut served = Served::kubernetes();
    served.with("aaa.example/v1", "pods pod Pod po true all").with("aaa.example/v1", "deployments d D deploy true all");
    served.with("zzz.k8s.io/v1", "things thing Thing th true all");
    served.with("aaa.example/v1", "things thing Thing th true all");
    assert_eq!(served.path("po").await, "/api/v1/namespaces/a/pods");
    assert_eq!(served.path("deploy").await, "/apis/apps/v1/namespaces/a/deployments");
    assert_eq!(served.path("th").await, "/apis/zzz.k8s.io/v1/namespaces/a/things");
    assert_eq!(served.path("things.aaa.example").await, "/apis/aaa.example/v1/namespaces/a/things");
}

#[tokio::test(start_paused = true)]
async fn between_strangers_there_is_no_guessing() {
    let mut served = Served::kubernetes();
    served.with("b.example/v1", "things thing Thing th true all").with("a.example/v1", "things thing Thing  true all");
    let reason = served.reason("Thing").await;
    assert_eq!(reason, "thing is ambiguous: expected one of things.a.example, things.b.example");
    assert_eq!(served.path("th").await, "/apis/b.example/v1/namespaces/a/things", "only one has a short name");
    // A third one takes the name of the others for a short one.
    served.with("c.example/v1", "gadgets gadget Gadget things true all");
    assert_eq!(
        served.reason("things").await,
        "things is ambiguous: expected one of things.a.example, things.b.example"
    );
    assert_eq!(served.path("things.c.example").await, "/apis/c.example/v1/namespaces/a/gadgets");
}

#[tokio::test(start_paused = true)]
async fn the_preferred_version_comes_first_but_another_may_have_more() {
    let mut served = Served::kubernetes();
    served
        .with("a.example/v1", "things thing Thing th true all")
        .with("a.example/v2alpha1", "things t Thing th true all");
    served.with("a.example/v2alpha1", "extras extra Extra  true all");
    for name in ["things", "things.a.example"] {
        assert_eq!(served.path(name).await, "/apis/a.example/v1/namespaces/a/things");
    }
    for name in ["extras", "extras.a.example"] {
        assert_eq!(served.path(name).await, "/apis/a.example/v2alpha1/namespaces/a/extras");
    }
    assert_eq!(served.path("things.v2alpha1.a.example").await, "/apis/a.example/v2alpha1/namespaces/a/things");
}

#[test]
fn the_preferred_version_is_the_first_wherever_it_is_listed() {
    let version = |name| json!({ "groupVersion": format!("a.example/{name}"), "version": name });
    let mut group = json!({ "name": "a.example", "versions": [version("v2beta1"), version("v1")] });
    let versions = |group: &Value| serde_json::from_value::<Group>(group.clone()).unwrap().versions();
    assert_eq!(versions(&group), ["v2beta1", "v1"]);
    group["preferredVersion"] = version("v1");
    assert_eq!(versions(&group), ["v1", "v2beta1"]);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_does_not_have_it_is_told_the_others() {
    let mut served = Served::kubernetes();
    served
        .with("a.example/v1", "things thing Thing th true all")
        .with("a.example/v2", "things thing Thing th true all");
    let reason = "the API server serves no things.v3.a.example: it has things.a.example in a.example/v1, a.example/v2";
    assert_eq!(served.reason("things.v3.a.example").await, reason);
    assert_eq!(served.reason("pods.v2").await, "the API server serves no pods.v2: it has pods in v1");
    let wanted = |name| Wanted::parse(Some(name), None, Some("v2"), None).unwrap();
    let (found, _) = served.find_wanted(wanted("deploy")).await;
    assert_eq!(found.unwrap_err(), "the API server serves no deploy.v2: it has deployments.apps in apps/v1");
    let (found, _) = served.find_wanted(wanted("things")).await;
    assert_eq!(found.unwrap().api_version, "a.example/v2", "a version without a group is of any");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nothing_has_is_told_the_nearest() {
    let served = Served::kubernetes();
    let reason = |wanted, near| format!("the API server serves no {wanted} (is its CRD installed?){near}");
    assert_eq!(served.reason("deploymnets").await, reason("deploymnets", "; names like that: deployments.apps"));
    assert_eq!(served.reason("Deploymnet").await, reason("deploymnet", "; names like that: deployments.apps"));
    assert_eq!(
        served.reason("deployments.aps").await,
        reason("deployments.aps", "; names like that: deployments.apps")
    );
    assert_eq!(
        served.reason("deployments.v1.aps").await,
        reason("deployments.v1.aps", "; names like that: deployments.apps")
    );
    assert_eq!(served.reason("pods.aps").await, reason("pods.aps", ""), "there is no pods.apps either");
    assert_eq!(served.reason("pkis.box.com").await, reason("pkis.box.com", ""));
    assert_eq!(served.reason("certificates").await, reason("certificates", ""));
}

#[tokio::test(start_paused = true)]
async fn only_what_can_be_listed_and_watched_counts() {
    let mut served = Served::kubernetes();
    let reason = |name, verbs| format!("{name} cannot be listed and watched: the API server offers {verbs}");
    assert_eq!(served.reason("cs").await, reason("componentstatuses", "get, list"));
    assert_eq!(served.reason("bindings").await, reason("bindings", "create"));
    assert_eq!(served.reason("nodes.metrics.k8s.io").await, reason("nodes.metrics.k8s.io", "get, list"));
    assert!(served.reason("pods.v1.metrics.k8s.io").await.contains("serves no"));
    served.with("v1", "pods/eviction  Eviction  true list,watch");
    assert!(
        served.reason("Eviction").await.contains("serves no eviction"),
        "no subresource, whatever it says of itself"
    );
    // Another one of the name that can.
    served.with("a.example/v1", "bindings binding Binding  true all");
    assert_eq!(served.path("bindings").await, "/apis/a.example/v1/namespaces/a/bindings");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_down_does_not_stop_the_search_but_may_be_the_reason() {
    let mut served = Served::kubernetes();
    served.with("a.example/v1", "things thing Thing th true all");
    served.0.insert("/apis/metrics.k8s.io/v1beta1".into(), json!("service\nunavailable"));
    assert_eq!(served.path("deploy").await, "/apis/apps/v1/namespaces/a/deployments");
    assert_eq!(served.path("things").await, "/apis/a.example/v1/namespaces/a/things");
    let down = "/apis/metrics.k8s.io/v1beta1 is not known: 503 ServiceUnavailable: service; unavailable";
    assert!(served.reason("gizmos").await.ends_with(down));
    let down = "/apis/metrics.k8s.io/v1beta1: 503 ServiceUnavailable: service; unavailable";
    assert_eq!(served.reason("pods.metrics.k8s.io").await, down);
    served.0.insert("/api/v1".into(), json!("no"));
    assert_eq!(served.reason("deploy").await, "/api/v1: 503 ServiceUnavailable: no", "the server, not a group");
}

#[tokio::test(start_paused = true)]
async fn a_path_is_taken_at_its_word() {
    let mut served = Served::kubernetes();
    let routes = json!({ "groupVersion": "v1", "resources": [{ "name": "routes", "singularName": "",
        "namespaced": true, "kind": "Route", "verbs": ["list", "watch"] }] });
    served.0.insert("/oapi/v1".into(), routes);
    for (path, found) in [
        ("api/v1/pods", "/api/v1/pods"),
        ("/api/v1/namespaces/b/pods", "/api/v1/namespaces/b/pods"),
        ("api/v1/namespaces/b/nodes", "/api/v1/nodes"),
        ("apis/apps/v1/namespaces/b/deployments", "/apis/apps/v1/namespaces/b/deployments"),
        ("oapi/v1/namespaces/b/routes", "/oapi/v1/namespaces/b/routes"),
    ] {
        let (resource, asked) = served.find_wanted(Wanted::parse(None, None, None, Some(path)).unwrap()).await;
        assert_eq!(resource.unwrap().path, found);
        assert_eq!(asked.len(), 1);
    }
    let oapi = Wanted::parse(Some("Route"), Some("oapi"), None, None).unwrap();
    let resource = served.find_wanted(oapi).await.0.unwrap();
    assert_eq!((&*resource.path, &*resource.kind), ("/oapi/v1/namespaces/a/routes", "Route"));
    let (found, _) = served.find_wanted(Wanted::parse(None, None, None, Some("apis/apps/v1/gizmos")).unwrap()).await;
    assert_eq!(found.unwrap_err(), "the API server serves no /apis/apps/v1/gizmos (is its CRD installed?)");
}

#[tokio::test(start_paused = true)]
async fn lists_that_go_wrote_as_null_are_empty() {
    let mut served = Served::kubernetes();
    served.0.insert("/apis/a.example/v1".into(), json!({ "groupVersion": "a.example/v1", "resources": null }));
    let null = json!({ "groupVersion": "b.example/v1", "resources": [
        { "name": "things", "singularName": "thing", "namespaced": true, "kind": "Thing", "verbs": null, "shortNames": null },
    ]});
    served.0.insert("/apis/b.example/v1".into(), null);
    assert!(served.reason("things").await.contains("cannot be listed and watched"));
    served.0.insert("/apis".into(), json!({ "groups": null }));
    assert!(served.reason("deploy").await.contains("serves no deploy"));
}

#[tokio::test(start_paused = true)]
async fn an_api_that_hangs_costs_ten_seconds_and_not_the_search() {
    let served = Served::kubernetes();
    let wanted = Wanted::parse(Some("deploy"), None, None, None).unwrap();
    let (client, mut server) = api_server();
    let begun = Instant::now();
    let search = tokio::spawn(async move { find(&client, &wanted, None).await });
    let mut hanging = Vec::new();
    while !search.is_finished() {
        match server.next_within(Duration::from_secs(1)).await {
            Some(call) if call.path.contains("metrics") => hanging.push(call),
            Some(call) => {
                let document = served.answer(&call.path).expect("served");
                call.json(200, &document);
            }
            None => {}
        }
    }
    assert_eq!((hanging.len(), search.await.unwrap().unwrap().path), (1, "/apis/apps/v1/deployments".to_owned()));
    assert!(begun.elapsed() <= PATIENCE + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_or_never_ends_is_given_up() {
    let wanted = Wanted::parse(Some("pods"), None, None, None).unwrap();
    let (client, mut server) = api_server();
    let search = tokio::spawn(async move { find(&client, &wanted, None).await.unwrap_err().to_string() });
    let (begun, _silent) = (Instant::now(), server.next().await);
    assert_eq!(search.await.unwrap(), "/api/v1: no answer within 10 s");
    assert_eq!(begun.elapsed(), PATIENCE);

    let wanted = Wanted::parse(Some("pods"), None, None, None).unwrap();
    let (client, mut server) = api_server();
    let search = tokio::spawn(async move { find(&client, &wanted, None).await.unwrap_err().to_string() });
    let body = server.next().await.stream();
    while !body.is_abandoned() {
        body.raw(vec![b' '; 1 << 20]);
        tokio::task::yield_now().await;
    }
    assert!(search.await.unwrap().contains("more than 4194304 bytes"));
}
