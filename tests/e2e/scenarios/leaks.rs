//! Searches everything that users can read, and the log at TRACE, for private keys, tokens and passwords.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};
use testkit::{
    Folder, Process,
    log::handled,
    objects::{pki_path, pod_mounting, secret_data, secret_path},
    repo_file,
    wait::{eventually, expect},
};

use crate::{
    controller::Controller,
    event_controller::{EventController, create_token, grant},
    test_env::TestEnv,
};

const NS: &str = "leaks";
/// Part of a Secret that the controller reads because a Pki has its name.
const FOREIGN: &str = "correct-horse-battery-staple";
/// In the plugin's settings and on its command line.
const PASSWORDS: [&str; 2] = ["plugin-pa55word-in-a-setting", "plugin-pa55word-in-the-command"];

/// Secret texts by their descriptions.
#[derive(Default)]
struct Secrets(BTreeMap<String, String>);

impl Secrets {
    fn add(&mut self, description: String, text: &str) {
        self.0.insert(description, text.to_owned());
    }

    /// Adds a token and each of its parts.
    fn add_token(&mut self, of: &str, token: &str) {
        let parts = token.split('.').filter(|part| part.len() > 20).chain([token]);
        parts.enumerate().for_each(|(n, part)| self.add(format!("part {n} of the token of {of}"), part));
    }

    /// Adds a private key: the lines of the PEM, and parts of the encoded key in the Secret.
    fn add_key(&mut self, of: &str, secret: &Value) {
        let pem = String::from_utf8(secret_data(secret, "tls.key")).expect("PEM");
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"), "{of} has a key");
        for (n, line) in pem.lines().filter(|line| !line.starts_with('-')).enumerate() {
            self.add(format!("line {n} of the key of {of}"), line);
        }
        let encoded: Vec<char> = secret["data"]["tls.key"].as_str().unwrap_or_default().chars().collect();
        // All keys start with the same bytes.
        for (n, part) in encoded.chunks(40).enumerate().skip(2).filter(|(_, part)| part.len() == 40) {
            self.add(format!("part {n} of the encoded key of {of}"), &part.iter().collect::<String>());
        }
    }

    /// Panics if the text has a secret, with only its description in the message.
    fn assert_none_in(&self, place: &str, text: &str) {
        assert!(!text.is_empty(), "{place} is empty");
        let found: Vec<_> =
            self.0.iter().filter(|(_, secret)| text.contains(&**secret)).map(|(name, _)| name).collect();
        assert!(found.is_empty(), "{place} has {found:?}");
        let lower = text.to_lowercase();
        for word in ["bearer ey", "bearer:", "\"authorization\"", "authorization: ", "begin private key"] {
            assert!(!lower.contains(word), "{place} has {word:?}");
        }
    }
}

pub fn no_credential_or_key_is_readable(env: &mut TestEnv) {
    env.install("demo-controller.yaml");
    env.create_namespace(NS);
    grant(env, "secrets");
    env.is_dirty = true;
    let mut secrets = Secrets::default();
    secrets.add("a Secret of another owner".to_owned(), FOREIGN);
    PASSWORDS.iter().for_each(|password| secrets.add(format!("the plugin's {password}"), password));
    secrets.add_token("demo-controller", &env.token());
    let other_token = create_token(env);
    secrets.add_token("event-controller", &other_token);

    let variables = [("RUST_LOG", "trace")];
    let mut controller = Controller::start_with(env, "--resync 150ms", &env.token(), &variables);
    let (mut watcher, received) = start_event_controller(env, &other_token);

    // A Pki in each state.
    let metadata = json!({ "name": "conflict", "namespace": NS });
    let data = json!({ "password": FOREIGN });
    env.create(&json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data }));
    for (name, service, reason) in [
        ("good", "app1", "Issued"),
        ("refused", "appp1", "NameNotAllowed"),
        ("conflict", "app1", "SecretConflict"),
        ("immutable", "app1", "Issued"),
    ] {
        env.create_pki(NS, name, json!({ "serviceName": service }));
        env.create(&pod_mounting(NS, name, name));
        env.wait_pki(NS, name, reason);
    }
    secrets.add_key("the first good", &env.secret(NS, "good"));
    secrets.add_key("immutable", &env.secret(NS, "immutable"));
    secrets.add_key("the CA", &env.secret("controlplane", "demo-controller-ca"));
    env.patch(&secret_path(NS, "immutable"), &json!({ "immutable": true }));
    for name in ["good", "immutable"] {
        env.patch(&pki_path(NS, name), &json!({ "spec": { "dnsNames": ["app2"] } }));
    }
    env.wait_event(NS, "Pki/good", "Renewed");
    env.wait_pki(NS, "immutable", "IssueFailed");
    secrets.add_key("the second good", &env.secret(NS, "good"));

    // The plugin gets whole Secrets and its settings, then fails.
    eventually("the plugin gets the change", || {
        let all = handled(&watcher.lines(), "leaks/good");
        expect(all.contains("MODIFIED"), all)
    });
    env.patch(&secret_path(NS, "good"), &json!({ "metadata": { "labels": { "poison": "yes" } } }));
    watcher.wait_line("reconcile failed, will retry");
    let received = fs::read_to_string(received).unwrap_or_default();
    let known = &secrets.0["part 3 of the encoded key of the first good"];
    assert!(received.contains(known) && received.contains(PASSWORDS[0]), "the plugin got no Secret");
    // The API server restarts, and a key does not match its certificate.
    let errors = || controller.metric("reflector_watch_errors_total", &[]);
    let before = errors();
    env.servers.kill();
    eventually("the watch of the controller fails", || expect(errors() > before, errors()));
    env.servers.start();
    let other = env.secret(NS, "immutable")["data"]["tls.key"].clone();
    env.patch(&secret_path(NS, "good"), &json!({ "data": { "tls.key": other } }));
    let repaired = env.wait_for(&secret_path(NS, "good"), "is repaired", |s| s["data"]["tls.key"] != other);
    secrets.add_key("the third good", &repaired);

    for (name, process) in [("demo-controller", &mut *controller), ("event-controller", &mut watcher)] {
        check_process(&secrets, name, process);
    }
    for path in ["/api/v1/events", "/apis/box.com/v1/pkis"] {
        secrets.assert_none_in(path, &Value::from(env.api.list(path).expect("a list")).to_string());
    }
}

/// Starts event-controller for Secrets, with a token and passwords in its file. Also returns the file with the input of
/// its plugin.
fn start_event_controller(env: &TestEnv, token: &str) -> (Process, std::path::PathBuf) {
    let (server, builder) = (env.servers.cluster(), EventController::new(env).env("RUST_LOG", "trace"));
    let (script, received) = (builder.dir.join("plugin.sh"), builder.dir.join("received"));
    let text = format!(
        "while IFS= read -r line; do\nprintf '%s\\n' \"$line\" >> '{}'\ncase \"$line\" in *poison*) exit 3 ;; esac\n\
         echo '{{\"message\":\"seen\",\"level\":\"INFO\"}}'\ndone\n",
        received.display()
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
    (builder.config(&config).start(), received)
}

/// Real time: a plugin runs at most every 5 s.
pub fn failed_exec_plugin_leaks_nothing_and_recovers(env: &mut TestEnv) {
    let namespace = "exec-plugin";
    env.create_namespace(namespace);
    let folder = Folder::new("exec-plugin");
    let script = folder.file("plugin.sh", &exec_plugin(&folder, &env.token()));
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": "sh",
        "args": [script, PASSWORDS[1]], "env": [{ "name": "CLIENT_SECRET", "value": PASSWORDS[0] }],
    });
    let mut controller =
        Controller::start_as(env, "--resync 150ms", &json!({ "exec": exec }), &[("RUST_LOG", "trace")]);
    let runs = || fs::read_to_string(folder.join("runs")).map_or(0, |runs| runs.lines().count());
    let mut secrets = Secrets::default();
    secrets.add_token("demo-controller", &env.token());
    PASSWORDS.iter().for_each(|password| secrets.add(format!("the plugin's {password}"), password));
    // Each resync sends a request.
    env.create_pki(namespace, "first", json!({ "serviceName": "app1" }));
    for why in ["failed: exit status: 3", "printed no ExecCredential"] {
        let line = controller.wait_line(why);
        assert!(line.to_string().contains("the exec plugin sh"), "{line}");
        for page in ["/readyz", "/metrics"] {
            secrets.assert_none_in(page, &controller.page(page).expect("a response").1);
        }
    }
    env.create_pki(namespace, "second", json!({ "serviceName": "app1" }));
    env.wait_pki(namespace, "second", "Issued");
    assert_eq!(runs(), 4, "one run at the start, two failed, one that is good");
    assert_eq!(controller.terminate(), Some(0));
    secrets.assert_none_in("the log", &controller.log());
    for path in ["/api/v1/events", "/apis/box.com/v1/pkis"] {
        secrets.assert_none_in(path, &Value::from(env.api.list(path).expect("a list")).to_string());
    }
}

/// Returns a plugin whose second and third runs fail and print secrets.
fn exec_plugin(folder: &Folder, token: &str) -> String {
    format!(
        r#"cd '{}'; echo >> runs; echo "a hint on stderr" >&2
print() {{ printf '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{%s}}}}' "$1"; }}
case $(wc -l < runs) in
1) print '"token":"{token}","expirationTimestamp":"2020-01-01T00:00:00Z"' ;;
2) echo "{token} $CLIENT_SECRET $1"; exit 3 ;;
3) echo "{{\"token\": {token} $CLIENT_SECRET" ;;
*) print '"token":"{token}"' ;;
esac
"#,
        folder.display()
    )
}

/// Searches the pages and the log of a process, and stops it.
fn check_process(secrets: &Secrets, name: &str, process: &mut Process) {
    for page in ["/metrics", "/readyz", "/healthz"] {
        secrets.assert_none_in(&format!("{page} of {name}"), &process.page(page).expect("a response").1);
    }
    // Both processes have done all of their work, so their pages have every documented metric.
    let metrics = process.page("/metrics").expect("a response").1;
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
