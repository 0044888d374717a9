//! The examples, run by the real `exec`.

use std::sync::Arc;

use daemon::child::ChildGroup;
use event_controller::{
    plugin::{Config, Environment, Event, EventType, Exec, ExecSettings, Level, Plugin},
    resource::Resource,
};
use tokio_util::sync::CancellationToken;

use crate::{are_installed, repo_path};

/// Returns a Route from a list, without its kind.
fn route() -> Event {
    let json = r#"{"metadata":{"namespace":"shop","name":"web","uid":"u","resourceVersion":"1"}}"#;
    let resource = Resource {
        api_version: "route.openshift.io/v1".into(),
        kind: "Route".into(),
        name: "routes.route.openshift.io".into(),
        path: "/apis/route.openshift.io/v1/routes".into(),
        namespaced: true,
    };
    Event {
        r#type: EventType::Added,
        object: Arc::new(serde_json::from_str(json).unwrap()),
        resource: Arc::new(resource),
    }
}

#[tokio::test]
async fn every_example_responds_to_exec() {
    if !are_installed(&["python3", "curl", "jq"]) {
        return;
    }
    let [alert, adapter, plugin] =
        ["examples/plugins/alert.sh", "examples/plugins/adapter.py", "event-controller/tests/plugins/plugin_simple"]
            .map(|path| repo_path(path).replace('\'', r"'\''"));
    for (command, message, level) in [
        (format!("sh '{alert}'"), "ADDED Route shop/web: no alert", Level::Debug),
        (format!("python3 '{adapter}' '{plugin}'"), "Kind: Route; Name: web", Level::Info),
    ] {
        let pairs = [("command", command.as_str()), ("timeout", "30s"), ("webhook_url", "http://127.0.0.1:1/")];
        let config: Config = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let settings = ExecSettings::parse(&config).unwrap();
        let exec = Exec::new(settings, Environment::new(), ChildGroup::default(), CancellationToken::new());
        for _ in 0..2 {
            let response = exec.handle_event(&route(), &config).await.unwrap();
            assert_eq!(response, (message.to_owned(), level), "{command}");
        }
        exec.shut_down().await;
    }
}
