//! No secret gets out: whatever is written at the loudest level, and everything else that people can read, is searched for
//! everything that nobody may read.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use crate::{
    controller::{Controller, Setup},
    objects::{Is, pki_path, pod_mounting, secret_path},
    stage::Stage,
    wait::{eventually, expect},
    watcher::{Watcher, grant, token, told},
};

const NS: &str = "leaks";
/// In a Secret of somebody else, which the controller reads since a Pki has its name.
const FOREIGN: &str = "correct-horse-battery-staple";
/// In the plugin's settings, and on its command line.
const PASSWORDS: [&str; 2] = ["plugin-pa55word-in-a-setting", "plugin-pa55word-in-the-command"];

/// What must not be found, by what it is.
#[derive(Default)]
struct Secrets(BTreeMap<String, String>);

impl Secrets {
    fn add(&mut self, what: &str, text: &str) {
        self.0.insert(what.to_owned(), text.to_owned());
    }

    /// A token as it is, and each of its parts: the last one is what makes it a key.
    fn token(&mut self, whose: &str, token: &str) {
        self.add(&format!("the token of {whose}"), token);
        for (n, part) in token.split('.').enumerate().filter(|(_, part)| part.len() > 20) {
            self.add(&format!("part {n} of the token of {whose}"), part);
        }
    }

    /// A private key: each line of the PEM, and what it looks like in a Secret, piece by piece.
    fn key(&mut self, whose: &str, secret: &Value) {
        let pem = String::from_utf8(secret.data("tls.key")).expect("PEM");
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"), "{whose} has a key");
        for (n, line) in pem.lines().filter(|line| !line.starts_with('-')).enumerate() {
            self.add(&format!("line {n} of the key of {whose}"), line);
        }
        let encoded: Vec<char> = secret["data"]["tls.key"].as_str().unwrap_or_default().chars().collect();
        // Without the beginning, which all keys have in common.
        for (n, piece) in encoded.chunks(40).enumerate().skip(2).filter(|(_, piece)| piece.len() == 40) {
            self.add(&format!("piece {n} of the encoded key of {whose}"), &piece.iter().collect::<String>());
        }
    }

    /// # Panics
    /// When one of them is in there. What is found is not printed again.
    fn assert_none_in(&self, place: &str, text: &str) {
        assert!(!text.is_empty(), "{place}: there is something to search");
        let found: Vec<&String> =
            self.0.iter().filter(|(_, secret)| text.contains(secret.as_str())).map(|s| s.0).collect();
        assert!(found.is_empty(), "{place} holds {found:?}");
        let lower = text.to_lowercase();
        for word in
            ["bearer ey", "bearer:", "\"authorization\"", "authorization: ", "begin private key", "begin ec private"]
        {
            assert!(!lower.contains(word), "{place} holds {word:?}");
        }
    }
}

/// The story, with everything that can go wrong in it.
fn tell_the_story(stage: &Stage, secrets: &mut Secrets) {
    let foreign = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "conflict" }, "stringData": { "password": FOREIGN },
    });
    stage.create(&format!("/api/v1/namespaces/{NS}/secrets"), &foreign);
    for (name, service) in [("good", "app1"), ("refused", "appp1"), ("conflict", "app1"), ("immutable", "app1")] {
        stage.create_pki(NS, name, json!({ "serviceName": service }));
        stage.create_pod(&pod_mounting(NS, name, name));
    }
    for (name, reason) in
        [("good", "Issued"), ("refused", "NameNotAllowed"), ("conflict", "SecretConflict"), ("immutable", "Issued")]
    {
        stage.wait_pki(NS, name, reason);
    }
    for name in ["good", "immutable"] {
        secrets.key(&format!("the first {name}"), &stage.secret(NS, name));
    }
    secrets.key("the CA", &stage.secret("controlplane", "demo-controller-ca"));

    // Renewed; refused by the server.
    stage.patch(&secret_path(NS, "immutable"), &json!({ "immutable": true }));
    for name in ["good", "immutable"] {
        stage.patch(&pki_path(NS, name), &json!({ "spec": { "dnsNames": ["app2"] } }));
    }
    stage.wait_event(NS, "Pki", "good", "Renewed", 1);
    stage.wait_pki(NS, "immutable", "IssueFailed");
    secrets.key("the second good", &stage.secret(NS, "good"));
}

/// The server gone and back; a key that does not belong to its certificate.
fn tell_of_an_outage(stage: &mut Stage, controller: &Controller, secrets: &mut Secrets) {
    let errors = || controller.count("reflector_watch_errors_total", &[]);
    let before = errors();
    stage.servers.kill();
    eventually("it has noticed", || expect(errors() > before, errors()));
    stage.servers.start();
    let other = stage.secret(NS, "immutable")["data"]["tls.key"].clone();
    stage.patch(&secret_path(NS, "good"), &json!({ "data": { "tls.key": other } }));
    let mended = |secret: &Value| secret["data"]["tls.key"] != other;
    secrets.key("the third good", &stage.wait_for(&secret_path(NS, "good"), "has a key that fits", mended));
}

pub fn no_secret_token_or_key_is_in_any_log_metric_event_or_status(stage: &mut Stage) {
    stage.install();
    stage.namespace(NS);
    grant(stage, "", "secrets");
    let mut secrets = Secrets::default();
    secrets.add("somebody else's Secret", FOREIGN);
    PASSWORDS.iter().for_each(|password| secrets.add(&format!("the plugin's {password}"), password));
    secrets.token("run", &stage.token());
    let watch_token = token(stage);
    secrets.token("watch", &watch_token);

    let loudest = [("RUST_LOG", "trace")];
    let mut controller = Controller::ready(stage, Setup { env: &loudest, flags: "--resync 150ms", ..Setup::default() });
    // It watches the Secrets themselves, and is told its token and the password by a file, as the original was.
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/plugin.sh");
    let server = stage.servers.cluster(stage.servers.port());
    let config = format!(
        "[global]\nk8s_api_endpoint = {}\nk8s_ca = {}\nk8s_token = {watch_token}\nk8s_resource = secrets\n\
         k8s_namespaced = true\nk8s_namespace = {NS}\nwatcher_plugin = exec\n\n\
         [plugin_exec]\ncommand = sh '{}' --password {}\npassword = {}\n",
        server["server"].as_str().unwrap_or_default(),
        server["certificate-authority"].as_str().unwrap_or_default(),
        plugin.display(),
        PASSWORDS[1],
        PASSWORDS[0],
    );
    let watcher = Watcher::new(stage).env("RUST_LOG", "trace").config(&config);
    let dir = watcher.dir.clone();
    std::fs::write(dir.join("mode"), "fine").unwrap();
    let mut watcher = watcher.env("DIR", &dir.display().to_string()).ready();

    tell_the_story(stage, &mut secrets);
    // The plugin was really handed what is searched for, and fails with it in hand.
    eventually("the plugin is told", || {
        let all = told(&watcher, "leaks/good");
        expect(all.contains("MODIFIED"), all)
    });
    std::fs::write(dir.join("mode"), "crash").unwrap();
    stage.patch(&secret_path(NS, "good"), &json!({ "metadata": { "labels": { "touched": "yes" } } }));
    watcher.wait_line("reconcile failed, trying again");
    let heard = std::fs::read_to_string(dir.join("heard")).unwrap_or_default();
    let known = &secrets.0["piece 3 of the encoded key of the first good"];
    assert!(heard.contains(known) && heard.contains(PASSWORDS[0]), "it is handed whole Secrets, and its settings");
    tell_of_an_outage(stage, &controller, &mut secrets);

    for (name, daemon) in [("run", &controller as &crate::daemon::Daemon), ("watch", &watcher)] {
        for page in ["/metrics", "/readyz", "/healthz"] {
            secrets.assert_none_in(&format!("{page} of {name}"), &daemon.page(page).expect("an answer").1);
        }
    }
    assert_eq!(controller.terminate(), Some(0));
    assert_eq!(watcher.terminate(), Some(0));
    for (name, log) in [("run", controller.log()), ("watch", watcher.log())] {
        let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
        assert!(lines("\"level\":\"TRACE\"") > 20 && lines("\"target\":\"hyper") > 5, "{name}: it is loud");
        secrets.assert_none_in(&format!("the log of {name}"), &log);
        for line in log.lines() {
            let fields: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{name}: {e}: {line}"));
            let flat = fields.as_object().is_some_and(|all| all.values().all(|v| !v.is_object() && !v.is_array()));
            assert!(flat, "{name}: fields are flat: {line}");
        }
    }
    let everything = |path: &str| Value::from(stage.api.list(path).expect("a list")).to_string();
    secrets.assert_none_in("events", &everything("/api/v1/events"));
    secrets.assert_none_in("Pkis", &everything("/apis/box.com/v1/pkis"));
}
