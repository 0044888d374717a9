//! The examples at the other end of the real `exec`: its lines, its environment, its end.

use std::{sync::Arc, time::Duration};

use demo_controller::watch::{
    Config, Event, EventType, Level, Plugin, Resource,
    exec::{Environment, Exec, Settings},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{DEADLINE, file, have};

/// A Route as it comes in a list: without its kind.
fn route(r#type: EventType) -> Event {
    let json = r#"{"metadata":{"namespace":"shop","name":"web","uid":"u","resourceVersion":"1"},"spec":{"host":"web.apps.example.com"}}"#;
    let resource = Resource {
        api_version: "route.openshift.io/v1".into(),
        kind: "Route".into(),
        name: "routes.route.openshift.io".into(),
        path: "/apis/route.openshift.io/v1/routes".into(),
        namespaced: true,
    };
    Event { r#type, object: Arc::new(serde_json::from_str(json).unwrap()), resource: Arc::new(resource) }
}

#[tokio::test]
async fn every_example_understands_what_exec_says_and_is_understood() {
    if !have(&["python3", "curl", "jq"]) {
        return;
    }
    let [alert, nsupdate, adapter, plugin] = [
        "examples/plugins/alert.sh",
        "examples/plugins/nsupdate.py",
        "examples/plugins/adapter.py",
        "tests/plugins/plugin_simple",
    ]
    .map(|path| file(path).replace('\'', r"'\''"));
    for (command, message, level) in [
        (format!("sh '{alert}'"), "ADDED Route shop/web: no alert", Level::Debug),
        (format!("python3 '{nsupdate}'"), "ADDED Route shop/web: web.apps.example.com A 192.0.2.10", Level::Info),
        (format!("python3 '{adapter}' '{plugin}'"), "Kind: Route; Name: web", Level::Info),
    ] {
        let pairs = [
            ("command", command.as_str()),
            ("timeout", "30s"),
            ("zone", "apps.example.com"),
            ("target", "192.0.2.10"),
            ("webhook_url", "http://127.0.0.1:1/"),
        ];
        let config: Config = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let exec = Exec::new(Settings::read(&config).unwrap(), Environment::new(), CancellationToken::new());
        for _ in 0..2 {
            let answer = exec.handle_event(&route(EventType::Added), &config).await.unwrap();
            assert_eq!(answer, (message.to_owned(), level), "{command}");
        }
        // It ends by itself, as its stdin does.
        let began = Instant::now();
        exec.end(began + DEADLINE).await;
        assert!(began.elapsed() < DEADLINE - Duration::from_secs(1), "{command} was killed");
    }
}
