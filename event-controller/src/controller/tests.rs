use demo_controller::worker::ReconcileError;
use serde_json::{Value, json};
use testkit::{FakeApiServer, api_server};
use tokio::time::timeout;

use super::*;
use crate::plugin::{Event, Level};

/// A plugin that sends each event to the test, and responds after a delay.
struct FakePlugin(Duration, tokio::sync::mpsc::UnboundedSender<String>);

impl Plugin for FakePlugin {
    async fn handle_event(&self, event: &Event, _: &plugin::Config) -> Result<(String, Level), ReconcileError> {
        let _ = self.1.send(format!("{} {} {}", event.r#type.as_str(), event.resource.api_version, event.name()));
        sleep(self.0).await;
        Ok((String::new(), Level::Debug))
    }
}

struct Harness {
    server: FakeApiServer,
    telemetry: Telemetry,
    stop: CancellationToken,
    events: tokio::sync::mpsc::UnboundedReceiver<String>,
    running: tokio::task::JoinHandle<Result<(), Unfinished>>,
}

impl Harness {
    /// Starts the controller with a plugin that takes this long.
    fn start(delay: Duration, stuck_after: Duration) -> Harness {
        let ((client, server), telemetry, stop) = (api_server(), Telemetry::default(), CancellationToken::new());
        let (sender, events) = tokio::sync::mpsc::unbounded_channel();
        let config = Config {
            resource: ResourceArg::parse("widgets", None, None).unwrap(),
            namespace: None,
            labels: Some("app=web".to_owned()),
            fields: Some("spec.x=1".to_owned()),
            plugin: plugin::Config::new(),
            workers: 4,
            max_retries: 5,
            watch_idle: Duration::from_secs(150),
            shutdown_grace: Duration::from_secs(20),
            stuck_after,
        };
        let (of_controller, token) = (telemetry.clone(), stop.clone());
        let plugin = Arc::new(FakePlugin(delay, sender));
        let running = tokio::spawn(async move { run(client, config, plugin, &of_controller, token).await });
        Harness { server, telemetry, stop, events, running }
    }

    async fn discover(&mut self, version: &str) {
        self.server.next().await.json(200, &json!({ "items": [] }));
        self.server.next().await.json(200, &discovery_of(version));
    }

    async fn list(&mut self, path: &str, items: &Value) {
        let call = self.server.next().await;
        let selectors = (call.param("labelSelector"), call.param("fieldSelector"));
        assert_eq!((call.path.as_str(), selectors), (path, ("app%3Dweb", "spec.x%3D1")));
        call.json(200, &json!({ "metadata": { "resourceVersion": "1" }, "items": items }));
    }
}

/// Returns the discovery document of a.example with widgets in this version.
fn discovery_of(version: &str) -> Value {
    let widgets = json!({ "resource": "widgets", "responseKind": { "kind": "Widget" }, "verbs": ["list", "watch"] });
    let versions = json!([{ "version": version, "resources": [widgets] }]);
    json!({ "items": [{ "metadata": { "name": "a.example" }, "versions": versions }] })
}

fn widget(name: &str) -> Value {
    json!({ "metadata": { "name": name, "namespace": "ns", "uid": name, "resourceVersion": "1" } })
}

#[tokio::test(start_paused = true)]
async fn controller_follows_a_resource_to_another_version() {
    let mut harness = Harness::start(Duration::ZERO, Duration::from_secs(300));
    harness.discover("v1beta1").await;
    harness.list("/apis/a.example/v1beta1/widgets", &json!([widget("one")])).await;
    assert_eq!(harness.events.recv().await.unwrap(), "ADDED a.example/v1beta1 one");
    assert_eq!(harness.telemetry.readiness(), Ok(()));

    harness.server.next().await.bytes(404, &[], "404 page not found\n");
    let call = harness.server.next().await;
    assert_eq!(call.path, "/api", "the resource is searched again");
    assert!(harness.telemetry.readiness().unwrap_err().contains("does not serve /apis/a.example/v1beta1/widgets"));
    call.json(200, &json!({ "items": [] }));
    harness.server.next().await.json(200, &discovery_of("v1"));
    harness.list("/apis/a.example/v1/widgets", &json!([widget("one"), widget("two")])).await;
    assert_eq!(harness.events.recv().await.unwrap(), "ADDED a.example/v1 two", "the cache is kept");
    assert_eq!((harness.telemetry.readiness(), harness.telemetry.liveness()), (Ok(()), Ok(())));
    harness.stop.cancel();
    assert_eq!(harness.running.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn stuck_event_fails_liveness_and_is_unfinished_at_the_end() {
    for (stuck_after, alive) in [(Duration::from_secs(300), false), (Duration::from_secs(3600), true)] {
        let mut harness = Harness::start(Duration::from_secs(1_000_000), stuck_after);
        harness.discover("v1").await;
        harness.list("/apis/a.example/v1/widgets", &json!([widget("one")])).await;
        let _silent_watch = harness.server.next().await;
        harness.events.recv().await.unwrap();
        sleep(Duration::from_secs(240)).await;
        assert_eq!(harness.telemetry.liveness(), Ok(()));
        sleep(Duration::from_secs(600)).await;
        let liveness = harness.telemetry.liveness();
        assert_eq!(liveness.is_ok(), alive, "{liveness:?}");
        harness.stop.cancel();
        let ended = timeout(Duration::from_secs(21), harness.running).await.unwrap().unwrap();
        assert_eq!(ended.unwrap_err().keys, ["ns/one"]);
    }
}
