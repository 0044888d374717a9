use demo_controller::worker::ReconcileError;
use serde_json::{Value, json};
use testkit::{FakeApiServer, api_server};
use tokio::time::timeout;

use super::*;
use crate::plugin::{Event, Level};

/// Sends each event to the test, and answers after a time.
struct Slow(Duration, tokio::sync::mpsc::UnboundedSender<String>);

impl Plugin for Slow {
    async fn handle_event(&self, event: &Event, _: &plugin::Config) -> Result<(String, Level), ReconcileError> {
        let _ = self.1.send(format!("{} {} {}", event.r#type.as_str(), event.resource.api_version, event.name()));
        sleep(self.0).await;
        Ok((String::new(), Level::Debug))
    }
}

struct Setup {
    server: FakeApiServer,
    telemetry: Telemetry,
    stop: CancellationToken,
    events: tokio::sync::mpsc::UnboundedReceiver<String>,
    running: tokio::task::JoinHandle<Result<(), Unfinished>>,
}

/// Runs the controller with a plugin that takes this long.
fn setup(delay: Duration, stuck_after: Duration) -> Setup {
    let ((client, server), telemetry, stop) = (api_server(), Telemetry::default(), CancellationToken::new());
    let (sender, events) = tokio::sync::mpsc::unbounded_channel();
    let config = Config {
        wanted: Wanted::parse("things", None, None).unwrap(),
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
    let plugin = Arc::new(Slow(delay, sender));
    let running = tokio::spawn(async move { run(client, config, plugin, &of_controller, token).await });
    Setup { server, telemetry, stop, events, running }
}

impl Setup {
    async fn discover(&mut self, version: &str) {
        self.server.next().await.json(200, &json!({ "items": [] }));
        self.server.next().await.json(200, &discovered(version));
    }

    async fn list(&mut self, path: &str, items: &Value) {
        let call = self.server.next().await;
        let selectors = (call.param("labelSelector"), call.param("fieldSelector"));
        assert_eq!((call.path.as_str(), selectors), (path, ("app%3Dweb", "spec.x%3D1")));
        call.json(200, &json!({ "metadata": { "resourceVersion": "1" }, "items": items }));
    }
}

/// Things are served in this version of a.example.
fn discovered(version: &str) -> Value {
    let things = json!({ "resource": "things", "responseKind": { "kind": "Thing" }, "verbs": ["list", "watch"] });
    let versions = json!([{ "version": version, "resources": [things] }]);
    json!({ "items": [{ "metadata": { "name": "a.example" }, "versions": versions }] })
}

fn thing(name: &str) -> Value {
    json!({ "metadata": { "name": name, "namespace": "ns", "uid": name, "resourceVersion": "1" } })
}

#[tokio::test(start_paused = true)]
async fn resource_that_moves_to_another_version_is_followed() {
    let mut setup = setup(Duration::ZERO, Duration::from_secs(300));
    setup.discover("v1beta1").await;
    setup.list("/apis/a.example/v1beta1/things", &json!([thing("one")])).await;
    assert_eq!(setup.events.recv().await.unwrap(), "ADDED a.example/v1beta1 one");
    assert_eq!(setup.telemetry.readiness(), Ok(()));

    setup.server.next().await.bytes(404, &[], "404 page not found\n");
    let call = setup.server.next().await;
    assert_eq!(call.path, "/api", "it is searched again");
    assert!(setup.telemetry.readiness().unwrap_err().contains("does not serve /apis/a.example/v1beta1/things"));
    call.json(200, &json!({ "items": [] }));
    setup.server.next().await.json(200, &discovered("v1"));
    setup.list("/apis/a.example/v1/things", &json!([thing("one"), thing("two")])).await;
    assert_eq!(setup.events.recv().await.unwrap(), "ADDED a.example/v1 two", "the cache stays");
    assert_eq!((setup.telemetry.readiness(), setup.telemetry.liveness()), (Ok(()), Ok(())));
    setup.stop.cancel();
    assert_eq!(setup.running.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn event_that_is_stuck_fails_liveness_and_ends_at_the_grace() {
    for (stuck_after, alive) in [(Duration::from_secs(300), false), (Duration::from_secs(3600), true)] {
        let mut setup = setup(Duration::from_secs(1_000_000), stuck_after);
        setup.discover("v1").await;
        setup.list("/apis/a.example/v1/things", &json!([thing("one")])).await;
        let _silent_watch = setup.server.next().await;
        setup.events.recv().await.unwrap();
        sleep(Duration::from_secs(240)).await;
        assert_eq!(setup.telemetry.liveness(), Ok(()));
        sleep(Duration::from_secs(600)).await;
        let liveness = setup.telemetry.liveness();
        assert_eq!(liveness.is_ok(), alive, "{liveness:?}");
        setup.stop.cancel();
        let ended = timeout(Duration::from_secs(21), setup.running).await.unwrap().unwrap();
        assert_eq!(ended.unwrap_err().keys, ["ns/one"]);
    }
}
