//! `alert.sh` with a fake webhook.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde_json::{Value, json};
use testkit::wait::DEADLINE;

use crate::{PluginProcess, are_installed, event, repo_path, route};

const SECRET: &str = "T0-B0-s3cr3t";

/// A webhook that responds with these statuses, one per request, and then not at all.
struct FakeWebhook {
    url: String,
    bodies: Receiver<Value>,
}

impl FakeWebhook {
    fn new(statuses: &'static [&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/services/{SECRET}?a=[1-2]", listener.local_addr().unwrap());
        let (sender, bodies) = channel();
        thread::spawn(move || {
            let mut statuses = statuses.iter();
            let mut silent = Vec::new();
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let body = read_body(&connection);
                // A test may have ended without reading the body.
                let _ = sender.send(body);
                match statuses.next() {
                    Some(status) => {
                        write!(connection, "HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                            .unwrap();
                    }
                    None => silent.push(connection),
                }
            }
        });
        FakeWebhook { url, bodies }
    }

    fn body(&self) -> Value {
        self.bodies.recv_timeout(DEADLINE).expect("a request")
    }

    fn config(&self) -> Value {
        json!({"command": "sh alert.sh", "webhook_url": self.url, "webhook_timeout": DEADLINE.as_secs().to_string()})
    }
}

/// Reads the JSON body of a request.
fn read_body(connection: &TcpStream) -> Value {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn alert() -> PluginProcess {
    PluginProcess::start(Command::new("sh").arg(repo_path("examples/plugins/alert.sh")))
}

#[test]
fn deletion_sends_an_alert() {
    if !are_installed(&["curl", "jq"]) {
        return;
    }
    let (webhook, mut plugin) = (FakeWebhook::new(&["200 OK", "204 No Content"]), alert());

    assert_eq!(
        plugin.request(&event("ADDED", &route()), &webhook.config()),
        ("ADDED Route shop/web: no alert".into(), "DEBUG".into())
    );
    assert_eq!(
        plugin.request(&event("DELETED", &route()), &webhook.config()),
        ("DELETED Route shop/web: alert sent".into(), "INFO".into())
    );
    assert_eq!(webhook.body(), json!({"text": "DELETED Route `shop/web`"}));

    let node = json!({"kind": "Node", "metadata": {"name": "node-1"}});
    let response = plugin.request(&event("DELETED", &node), &webhook.config());
    assert_eq!(response.0, "DELETED Node node-1: alert sent");
    assert_eq!(webhook.body(), json!({"text": "DELETED Node `node-1`"}));
    let (status, stderr) = plugin.close();
    assert!(status.success() && stderr.is_empty(), "{status} {stderr}");
}

#[test]
fn events_and_format_of_an_alert_can_be_set() {
    if !are_installed(&["curl", "jq"]) {
        return;
    }
    let (webhook, mut plugin) = (FakeWebhook::new(&["200 OK"]), alert());
    let mut config = webhook.config();
    config["alert_on"] = json!("added, modified");
    config["webhook_format"] = json!("alertmanager");

    assert_eq!(plugin.request(&event("DELETED", &route()), &config).1, "DEBUG");
    assert_eq!(plugin.request(&event("MODIFIED", &route()), &config).1, "INFO");
    let alert = &webhook.body()[0];
    let labels =
        json!({"alertname": "ObjectChanged", "type": "MODIFIED", "kind": "Route", "namespace": "shop", "name": "web"});
    assert_eq!(alert["labels"], labels);
    assert_eq!(alert["annotations"]["summary"], "MODIFIED Route shop/web");
}

/// A response would mean that the event was handled.
#[test]
fn failing_webhook_ends_the_script_without_its_url() {
    if !are_installed(&["curl", "jq"]) {
        return;
    }
    let mut silent = FakeWebhook::new(&[]).config();
    silent["webhook_timeout"] = json!("0.3");
    let cases = [
        (FakeWebhook::new(&["500 Internal Server Error"]).config(), "did not accept the alert: status 500"),
        (FakeWebhook::new(&["302 Found"]).config(), "did not accept the alert: status 302"),
        (silent, "no response in time"),
        (json!({"webhook_url": format!("http://127.0.0.1:1/{SECRET}")}), "connection refused"),
        (json!({"webhook_url": format!("ftp://{SECRET}/")}), "webhook_url is not an http:// or https:// URL"),
        (
            json!({"webhook_url": format!("http://{SECRET}/ --next file:///etc/passwd")}),
            "webhook_url is not an http://",
        ),
        (json!({}), "webhook_url is missing"),
        (json!({"webhook_url": "http://x/", "alert_on": "LOST"}), "alert_on=\"LOST\": use ADDED, MODIFIED and DELETED"),
        (json!({"webhook_url": "http://x/", "webhook_timeout": "5s"}), "webhook_timeout=\"5s\": use seconds, like 5"),
        (json!({"webhook_url": "http://x/", "webhook_format": "xml"}), "webhook_format=\"xml\": use slack or"),
    ];
    for (config, why) in cases {
        let (code, stderr) = alert().fail_on(&event("DELETED", &route()), &config);
        assert_eq!(code, Some(1));
        assert!(stderr.starts_with("alert.sh: ") && stderr.lines().count() == 1, "one line: {stderr}");
        assert!(stderr.contains(why) && !stderr.contains(SECRET), "{why}: {stderr}");
    }
}

/// Names of RBAC objects may contain nearly any character.
#[test]
fn name_of_an_object_is_only_text() {
    if !are_installed(&["curl", "jq"]) {
        return;
    }
    let (webhook, mut plugin) = (FakeWebhook::new(&["200 OK", "200 OK"]), alert());
    let name = "a\"b\\c\n$(exit 9) `exit 9` 'x' <!channel> & \u{1f} é %s\n\n@all \\`@here";
    let object = json!({"kind": "ClusterRole", "metadata": {"name": name}});

    let response = plugin.request(&event("DELETED", &object), &webhook.config());
    assert_eq!(response, (format!("DELETED ClusterRole {name}: alert sent"), "INFO".into()));
    // In backticks that it cannot close: no mention, no Markdown.
    let shown = "`a\"b\\c $(exit 9) exit 9 'x' &lt;!channel&gt; &amp; \u{1f} é %s @all \\ @here`";
    assert_eq!(webhook.body(), json!({"text": format!("DELETED ClusterRole {shown}")}));

    // A large object is handled within the timeout, and is not sent.
    let mut large = route();
    large["data"] = json!("x".repeat(1 << 20));
    assert_eq!(plugin.request(&event("DELETED", &large), &webhook.config()).1, "INFO");
    assert_eq!(webhook.body(), json!({"text": "DELETED Route `shop/web`"}));
}

#[test]
fn missing_program_ends_the_script() {
    let mut plugin = PluginProcess::start(
        Command::new("/bin/sh").arg(repo_path("examples/plugins/alert.sh")).env("PATH", "/nowhere"),
    );
    let (status, stderr) = plugin.close();
    assert_eq!(status.code(), Some(1));
    assert_eq!(stderr, "alert.sh: needs curl, which is not on the PATH\n");
}
