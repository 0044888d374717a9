//! The controller and the embedded API server in one process, under a paused clock.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use daemon::Telemetry;
use demo_controller::{informer::Object, worker::ReconcileError};
use event_controller::{
    controller::{Config, run},
    discovery::Search,
    plugin::{self, Event, EventType, Level, Plugin},
    resource::ResourceArg,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use testkit::{
    Cluster,
    objects::{key, meta},
    widget_crd,
};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

const MANIFEST: &str = include_str!("../event-controller.yaml");

async fn cluster(seed: u64) -> Cluster {
    let cluster = Cluster::new(seed, "event-controller/event-controller");
    cluster.apply(MANIFEST, |_| true).await;
    cluster.create_namespace("ns").await;
    cluster
}

/// The running controller.
struct TestController {
    telemetry: Telemetry,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl TestController {
    async fn start<P: Plugin>(cluster: &Cluster, resource: &str, plugin: Arc<P>, max_retries: u32) -> TestController {
        let (client, telemetry, stop) = (cluster.client().await, Telemetry::default(), CancellationToken::new());
        let config = Config {
            resource: ResourceArg::parse(resource, None, None).expect("a name"),
            namespace: None,
            labels: None,
            fields: None,
            plugin: plugin::Config::new(),
            workers: 4,
            max_retries,
            watch_idle: Duration::from_secs(150),
            shutdown_grace: Duration::from_secs(20),
            stuck_after: Duration::from_secs(300),
        };
        let task = tokio::spawn({
            let (telemetry, stop) = (telemetry.clone(), stop.clone());
            async move { run(client, config, plugin, &telemetry, stop).await.expect("it finishes in time") }
        });
        // The controller starts and adds its checks to the telemetry.
        tokio::task::yield_now().await;
        TestController { telemetry, stop, task }
    }

    async fn end(self, cluster: &Cluster) {
        self.stop.cancel();
        self.task.await.expect("no panic");
        cluster.assert_nothing_forbidden();
    }
}

#[tokio::test(start_paused = true)]
async fn search_finds_every_resource_by_each_of_its_names() {
    let (cluster, telemetry) = (cluster(1).await, Telemetry::default());
    let client = cluster.client().await;
    let mut documents = vec!["/api/v1".to_owned()];
    let groups = cluster.get("/apis").await;
    let versions = groups["groups"].as_array().expect("groups").iter().map(|group| &group["preferredVersion"]);
    documents.extend(versions.map(|version| format!("/apis/{}", version["groupVersion"].as_str().expect("a version"))));
    let mut found = Vec::new();
    for path in documents {
        let document = cluster.get(&path).await;
        for resource in document["resources"].as_array().expect("resources") {
            let list = |field: &str| resource[field].as_array().cloned().unwrap_or_default();
            let plural = resource["name"].as_str().expect("a name");
            if plural.contains('/') || !list("verbs").contains(&json!("watch")) {
                continue;
            }
            let names = ["name", "singularName", "kind"].map(|field| resource[field].clone());
            for name in names.iter().chain(&list("shortNames")) {
                let arg = ResourceArg::parse(name.as_str().expect("a name"), None, None).expect("a name");
                let search = Search::new(client.clone(), arg, Some("a".to_owned()), &telemetry);
                let resource = tokio::time::timeout(Duration::from_secs(5), search.run()).await;
                let resource = resource.unwrap_or_else(|_| panic!("{name}: {:?}", telemetry.readiness()));
                let namespace = if resource.namespaced { "/namespaces/a" } else { "" };
                assert_eq!(resource.path, format!("{path}{namespace}/{plural}"), "{name}");
                found.push(resource.path);
            }
        }
    }
    assert!(found.iter().any(|path| path == "/apis/apps/v1/namespaces/a/deployments"), "{found:?}");
}

/// A plugin that records the events of each object: `ADDED MODIFIED`.
#[derive(Default)]
struct RecordingPlugin(Mutex<BTreeMap<String, String>>);

impl RecordingPlugin {
    async fn wait(&self, cluster: &Cluster, object: &str, expected: &str) {
        let now = async || {
            let events = self.0.lock().unwrap().get(object).cloned().unwrap_or_default();
            if events == expected { Ok(()) } else { Err(events) }
        };
        cluster.wait_until(now).await;
    }
}

impl Plugin for RecordingPlugin {
    async fn handle_event(&self, event: &Event, _: &plugin::Config) -> Result<(String, Level), ReconcileError> {
        let mut all = self.0.lock().unwrap();
        let events = all.entry(event.object.key().to_string()).or_default();
        *events = format!("{events} {}", event.r#type.as_str()).trim_start().to_owned();
        Ok((String::new(), Level::Trace))
    }
}

#[tokio::test(start_paused = true)]
async fn resource_may_appear_late_move_and_reappear() {
    let (cluster, plugin) = (cluster(1).await, Arc::new(RecordingPlugin::default()));
    cluster.grant("example.net", "widgets").await;
    let controller = TestController::start(&cluster, "wd", plugin.clone(), 5).await;
    let not_ready = async || {
        let why = controller.telemetry.readiness().err().unwrap_or_default();
        if why.contains("serves no w") { Ok(()) } else { Err(why) }
    };
    cluster.wait_until(not_ready).await;
    let widget = |version: &str, name: &str| {
        let (version, metadata) = (format!("example.net/{version}"), json!({ "name": name, "namespace": "ns" }));
        json!({ "apiVersion": version, "kind": "Widget", "metadata": metadata, "spec": {} })
    };
    let (beta, stable) = (widget_crd("example.net", "v1beta1"), widget_crd("example.net", "v1"));
    cluster.create(&beta).await;
    cluster.create(&widget("v1beta1", "before")).await;
    plugin.wait(&cluster, "ns/before", "ADDED").await;

    let mut old = beta["spec"]["versions"][0].clone();
    (old["served"], old["storage"]) = (false.into(), false.into());
    cluster.patch(&beta, json!({ "spec": { "versions": [old, stable["spec"]["versions"][0]] } })).await;
    cluster.create(&widget("v1", "after")).await;
    plugin.wait(&cluster, "ns/after", "ADDED").await;
    // `after` may be from a list. `watched` is from a watch.
    cluster.create(&widget("v1", "watched")).await;
    plugin.wait(&cluster, "ns/watched", "ADDED").await;
    plugin.wait(&cluster, "ns/before", "ADDED").await;

    cluster.delete(&beta).await;
    plugin.wait(&cluster, "ns/after", "ADDED DELETED").await;
    cluster.wait_until(not_ready).await;
    cluster.create(&stable).await;
    cluster.wait_until(async || controller.telemetry.readiness()).await;
    cluster.create(&widget("v1", "again")).await;
    plugin.wait(&cluster, "ns/again", "ADDED").await;
    controller.end(&cluster).await;
}

/// A slow plugin that fails in three calls of ten, and derives UID and version of each object from its events. It
/// panics on an inconsistent event, which the worker retries forever.
struct StatefulPlugin {
    derived: Mutex<BTreeMap<String, (String, String)>>,
    random: Mutex<StdRng>,
}

impl Plugin for StatefulPlugin {
    async fn handle_event(&self, event: &Event, _: &plugin::Config) -> Result<(String, Level), ReconcileError> {
        let (delay, fails) = {
            let mut random = self.random.lock().unwrap();
            (random.random_range(0..3000), random.random_bool(0.3))
        };
        sleep(Duration::from_millis(delay)).await;
        if fails {
            return Err(ReconcileError::Transient("not now".to_owned()));
        }
        let object = &event.object;
        let (key, now) = (object.key().to_string(), (object.uid().to_owned(), object.resource_version().to_owned()));
        let mut derived = self.derived.lock().unwrap();
        match (event.r#type, derived.get(&key)) {
            (EventType::Added, before) => assert_eq!(before, None, "{key}: ADDED, but never DELETED"),
            (EventType::Modified, Some((uid, version))) => {
                assert!(*uid == now.0 && *version != now.1, "{key}: MODIFIED")
            }
            (EventType::Modified, None) => panic!("{key}: MODIFIED, but never ADDED"),
            (EventType::Deleted, before) => assert!(before.is_none_or(|(uid, _)| *uid == now.0), "{key}: DELETED"),
        }
        match event.r#type {
            EventType::Deleted => derived.remove(&key),
            _ => derived.insert(key, now),
        };
        Ok((String::new(), Level::Trace))
    }
}

/// Pods are created, changed and deleted for ten minutes while requests and the plugin fail.
#[tokio::test(start_paused = true)]
async fn events_stay_consistent_while_requests_and_plugin_fail() {
    for seed in 1..=2 {
        let (cluster, mut random) = (cluster(seed).await, StdRng::seed_from_u64(seed));
        cluster.add_random_faults();
        let derived = Mutex::default();
        let plugin = Arc::new(StatefulPlugin { derived, random: Mutex::new(StdRng::seed_from_u64(seed)) });
        // Enough retries, because a dropped event would never reach the plugin.
        let controller = TestController::start(&cluster, "pods", plugin.clone(), 1000).await;
        let name = |n: u32| format!("pod{n}");
        for n in 0..30 {
            cluster.create_pod("ns", &name(n), json!([])).await;
        }
        let pod =
            |n: u32| json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name(n), "namespace": "ns" } });
        for number in 0..300 {
            sleep(Duration::from_secs(2)).await;
            let n = random.random_range(0..30);
            if random.random_bool(0.3) {
                cluster.delete(&pod(n)).await;
                cluster.create_pod("ns", &name(n), json!([])).await;
            } else {
                cluster.patch(&pod(n), json!({ "metadata": { "labels": { "n": number.to_string() } } })).await;
            }
        }
        for n in (0..30).step_by(3) {
            cluster.delete(&pod(n)).await;
        }
        cluster.server.clear_faults();
        let state = |pod: &Value| (meta(pod, "uid").to_owned(), meta(pod, "resourceVersion").to_owned());
        cluster
            .wait_until(async || {
                let pods = cluster.list("/api/v1/pods").await;
                let actual: BTreeMap<_, _> = pods.values().map(|pod| (key(pod), state(pod))).collect();
                let derived = plugin.derived.lock().unwrap().clone();
                if actual == derived { Ok(()) } else { Err((actual, derived)) }
            })
            .await;
        controller.end(&cluster).await;
    }
}
