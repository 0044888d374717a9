//! Everything that people can read, and the log at its loudest level, is searched for everything that must stay secret.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};
use testkit::{
    Process,
    log::handled,
    wait::{eventually, expect},
};

use crate::{
    controller::Controller,
    event_controller::{Start, grant, token},
    objects::{data, pki_path, pod, secret_path},
    stage::{Stage, repo_file},
};

const NS: &str = "leaks";
/// In a Secret that the controller reads because a Pki has its name.
const FOREIGN: &str = "correct-horse-battery-staple";
/// In the plugin's settings, and on its command line.
const PASSWORDS: [&str; 2] = ["plugin-pa55word-in-a-setting", "plugin-pa55word-in-the-command"];

/// What must not be found, by its description.
#[derive(Default)]
struct Secrets(BTreeMap<String, String>);

impl Secrets {
    fn add(&mut self, what: String, text: &str) {
        self.0.insert(what, text.to_owned());
    }

    /// A token, and each of its parts.
    fn token(&mut self, of: &str, token: &str) {
        let parts = token.split('.').filter(|part| part.len() > 20).chain([token]);
        parts.enumerate().for_each(|(n, part)| self.add(format!("part {n} of the token of {of}"), part));
    }

    /// A private key: the lines of the PEM, and pieces of it as it stands in a Secret.
    fn key(&mut self, of: &str, secret: &Value) {
        let pem = String::from_utf8(data(secret, "tls.key")).expect("PEM");
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"), "{of} has a key");
        for (n, line) in pem.lines().filter(|line| !line.starts_with('-')).enumerate() {
            self.add(format!("line {n} of the key of {of}"), line);
        }
        let encoded: Vec<char> = secret["data"]["tls.key"].as_str().unwrap_or_default().chars().collect();
        // Without the beginning, which all keys have in common.
        for (n, piece) in encoded.chunks(40).enumerate().skip(2).filter(|(_, piece)| piece.len() == 40) {
            self.add(format!("piece {n} of the encoded key of {of}"), &piece.iter().collect::<String>());
        }
    }

    /// # Panics
    /// One of them is in the text. It is not printed again.
    fn assert_none_in(&self, place: &str, text: &str) {
        assert!(!text.is_empty(), "{place} is empty");
        let found: Vec<_> =
            self.0.iter().filter(|(_, secret)| text.contains(&**secret)).map(|(what, _)| what).collect();
        assert!(found.is_empty(), "{place} has {found:?}");
        let lower = text.to_lowercase();
        for word in ["bearer ey", "bearer:", "\"authorization\"", "authorization: ", "begin private key"] {
            assert!(!lower.contains(word), "{place} has {word:?}");
        }
    }
}

pub fn no_credential_or_key_is_readable(stage: &mut Stage) {
    stage.install("demo-controller.yaml");
    stage.namespace(NS);
    grant(stage, "secrets");
    stage.is_spoiled = true;
    let mut secrets = Secrets::default();
    secrets.add("a Secret of another owner".to_owned(), FOREIGN);
    PASSWORDS.iter().for_each(|password| secrets.add(format!("the plugin's {password}"), password));
    secrets.token("demo-controller", &stage.token());
    let other_token = token(stage);
    secrets.token("event-controller", &other_token);

    let loud = [("RUST_LOG", "trace")];
    let mut controller = Controller::start_with(stage, "--resync 150ms", &stage.token(), &loud);
    let (mut watcher, heard) = watcher(stage, &other_token);

    // A Pki in each state.
    let metadata = json!({ "name": "conflict", "namespace": NS });
    let data = json!({ "password": FOREIGN });
    stage.create(&json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data }));
    for (name, service, reason) in [
        ("good", "app1", "Issued"),
        ("refused", "appp1", "NameNotAllowed"),
        ("conflict", "app1", "SecretConflict"),
        ("immutable", "app1", "Issued"),
    ] {
        stage.create_pki(NS, name, json!({ "serviceName": service }));
        stage.create(&pod(NS, name, name));
        stage.wait_pki(NS, name, reason);
    }
    secrets.key("the first good", &stage.secret(NS, "good"));
    secrets.key("immutable", &stage.secret(NS, "immutable"));
    secrets.key("the CA", &stage.secret("controlplane", "demo-controller-ca"));
    stage.patch(&secret_path(NS, "immutable"), &json!({ "immutable": true }));
    for name in ["good", "immutable"] {
        stage.patch(&pki_path(NS, name), &json!({ "spec": { "dnsNames": ["app2"] } }));
    }
    stage.wait_event(NS, "Pki/good", "Renewed");
    stage.wait_pki(NS, "immutable", "IssueFailed");
    secrets.key("the second good", &stage.secret(NS, "good"));

    // The plugin has got whole Secrets and its settings, and fails with them.
    eventually("the plugin gets the change", || {
        let all = handled(&watcher.lines(), "leaks/good");
        expect(all.contains("MODIFIED"), all)
    });
    stage.patch(&secret_path(NS, "good"), &json!({ "metadata": { "labels": { "poison": "yes" } } }));
    watcher.wait_line("reconcile failed, trying again");
    let heard = fs::read_to_string(heard).unwrap_or_default();
    let known = &secrets.0["piece 3 of the encoded key of the first good"];
    assert!(heard.contains(known) && heard.contains(PASSWORDS[0]), "the plugin got no Secret");
    // The server restarts; a key does not fit its certificate.
    let errors = || controller.metric("reflector_watch_errors_total", &[]);
    let before = errors();
    stage.servers.kill();
    eventually("the controller notices", || expect(errors() > before, errors()));
    stage.servers.start();
    let other = stage.secret(NS, "immutable")["data"]["tls.key"].clone();
    stage.patch(&secret_path(NS, "good"), &json!({ "data": { "tls.key": other } }));
    let repaired = stage.wait_for(&secret_path(NS, "good"), "is repaired", |s| s["data"]["tls.key"] != other);
    secrets.key("the third good", &repaired);

    for (name, process) in [("demo-controller", &mut *controller), ("event-controller", &mut watcher)] {
        search(&secrets, name, process);
    }
    for path in ["/api/v1/events", "/apis/box.com/v1/pkis"] {
        secrets.assert_none_in(path, &Value::from(stage.api.list(path).expect("a list")).to_string());
    }
}

/// event-controller on Secrets, with its token and a password in its file. Also what its plugin has got.
fn watcher(stage: &Stage, token: &str) -> (Process, std::path::PathBuf) {
    let (server, start) = (stage.servers.cluster(), Start::new(stage).env("RUST_LOG", "trace"));
    let (script, heard) = (start.dir.join("plugin.sh"), start.dir.join("heard"));
    let text = format!(
        "while IFS= read -r line; do\nprintf '%s\\n' \"$line\" >> '{}'\ncase \"$line\" in *poison*) exit 3 ;; esac\n\
         echo '{{\"message\":\"seen\",\"level\":\"INFO\"}}'\ndone\n",
        heard.display()
    );
    fs::write(&script, text).unwrap();
    let field = |field: &str| server[field].as_str().unwrap_or_default();
    let config = format!(
        "[global]\nk8s_api_endpoint = {}\nk8s_ca = {}\nk8s_token = {token}\nk8s_resource = secrets\n\
         k8s_namespaced = true\nk8s_namespace = {NS}\nwatcher_plugin = exec\n\n\
         [plugin_exec]\ncommand = sh '{}' --password {}\npassword = {}\n",
        field("server"),
        field("certificate-authority"),
        script.display(),
        PASSWORDS[1],
        PASSWORDS[0],
    );
    (start.config(&config).ready(), heard)
}

fn search(secrets: &Secrets, name: &str, process: &mut Process) {
    for page in ["/metrics", "/readyz", "/healthz"] {
        secrets.assert_none_in(&format!("{page} of {name}"), &process.page(page).expect("an answer").1);
    }
    // Both pages are those of a process in the middle of its work: they have every documented metric.
    let metrics = process.page("/metrics").expect("an answer").1;
    let documented = repo_file("docs/metrics.md");
    let rows = documented
        .lines()
        .filter(|row| row.starts_with("| `") && row.split('|').nth(4).is_some_and(|by| by.contains(name)));
    for metric in rows.filter_map(|row| row.split('`').nth(1)).filter(|metric| !metric.starts_with("leader_")) {
        assert!(metrics.contains(&format!("\n{metric}")), "{name} has no {metric}:\n{metrics}");
    }
    assert_eq!(process.terminate(), Some(0), "{name}");
    let log = process.log();
    let count = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert!(count("\"level\":\"TRACE\"") > 20 && count("\"target\":\"hyper") > 5, "{name} logs everything");
    secrets.assert_none_in(&format!("the log of {name}"), &log);
    for line in log.lines() {
        let fields: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{name}: {e}: {line}"));
        let flat = fields.as_object().is_some_and(|all| all.values().all(|v| !v.is_object() && !v.is_array()));
        assert!(flat, "{name}: fields are flat: {line}");
    }
}
