use std::{fs, os::unix::fs::PermissionsExt};

use kube::{Client, Config};
use testkit::{
    Folder,
    wait::{DEADLINE, eventually, expect},
};

use super::{
    super::{
        Settings, build_client,
        tests::{FakeServer, get},
        tls::{PemSource, TlsSources},
        transport::Auth,
    },
    *,
};
use crate::error_chain;

/// A plugin that is a shell script. Each run appends a line to the file `runs`.
struct Plugin {
    folder: Folder,
    plugin: Arc<ExecPlugin>,
}

impl Plugin {
    /// Creates a plugin. In the script, `$n` is the number of the run, and `print STATUS` prints an ExecCredential.
    fn new(script: &str) -> Self {
        Plugin::with(script, |_| {})
    }

    /// Creates a plugin with other limits. The minimum interval is 0 otherwise.
    fn with(script: &str, set: impl FnOnce(&mut ExecPlugin)) -> Self {
        let folder = Folder::new("exec");
        let script = format!(
            "#!/bin/sh\ncd '{}'\necho run >> runs\nn=$(wc -l < runs)\nprint() {{ echo '{{\"apiVersion\":\"{}\",\"kind\":\
             \"ExecCredential\",\"status\":'\"$1\"'}}'; }}\n{script}\n",
            folder.display(),
            API_VERSIONS[0]
        );
        let file = folder.file("plugin", &script);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let mut plugin = ExecPlugin::new(settings(&json!({ "command": file })), false, ChildGroup::default()).unwrap();
        plugin.min_interval = Duration::ZERO;
        set(&mut plugin);
        Plugin { folder, plugin: Arc::new(plugin) }
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.folder.join("runs")).map_or(0, |runs| runs.lines().count())
    }

    async fn error(&self) -> String {
        match self.plugin.credential().await {
            Err(Error::Failed(why)) => why,
            other => panic!("{:?}", other.err()),
        }
    }

    /// Returns a client that uses the plugin.
    async fn client(&self, server: &FakeServer) -> Client {
        let scheme = if server.ca.is_empty() { "http" } else { "https" };
        let config = Config::new(format!("{scheme}://127.0.0.1:{}", server.port).parse().unwrap());
        let ca = (scheme == "https").then(|| PemSource::Inline(server.ca.clone().into()));
        let tls = TlsSources { ca, identity: None };
        build_client(Settings { config, tls, auth: Auth::Exec(self.plugin.clone()) }).await.unwrap()
    }
}

/// Returns the settings of a plugin with secrets in its arguments and environment.
fn settings(fields: &serde_json::Value) -> ExecConfig {
    let mut settings = json!({
        "apiVersion": API_VERSIONS[0],
        "interactiveMode": "IfAvailable",
        "args": ["planted-arg"],
        "env": [{ "name": "CLIENT_SECRET", "value": "planted-env" }],
    });
    settings.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(settings).unwrap()
}

#[tokio::test]
async fn token_without_expiry_is_used_until_a_401() {
    let server = FakeServer::http_with(|seen| if seen.authorization == "Bearer token-2" { 200 } else { 401 });
    let plugin = Plugin::new(r#"print "{\"token\":\"token-$n\"}""#);
    let client = plugin.client(&server).await;
    get(&client).await.unwrap_err();
    for _ in 0..3 {
        get(&client).await.unwrap();
    }
    assert_eq!(plugin.runs(), 2);
}

/// Real time: the credential expires.
#[tokio::test]
async fn expired_token_is_replaced_by_a_certificate() {
    let server = FakeServer::https();
    let plugin = Plugin::new(
        r#"[ $n = 1 ] && print "{\"token\":\"short\",\"expirationTimestamp\":\"$(date -u -d '+1 second' +%FT%TZ)\"}"
           [ $n = 1 ] || cat certificate-$n"#,
    );
    let certificates = [server.client_certificate(), server.client_certificate()];
    for (n, (_, certificate, key)) in certificates.iter().enumerate() {
        let ends = Timestamp::now() + Duration::from_secs(8);
        let status = json!({
            "clientCertificateData": certificate, "clientKeyData": key,
            "expirationTimestamp": (n == 0).then(|| ends.to_string()),
        });
        let credential = json!({ "apiVersion": API_VERSIONS[0], "kind": "ExecCredential", "status": status });
        plugin.folder.file(&format!("certificate-{}", n + 2), &credential.to_string());
    }
    let client = plugin.client(&server).await;
    get(&client).await.unwrap();
    assert_eq!(server.take_seen()[0].authorization, "Bearer short");
    for (n, (der, ..)) in certificates.iter().enumerate() {
        let is_used = async {
            loop {
                get(&client).await.unwrap();
                let seen = server.take_seen().remove(0);
                if seen.certificate.as_ref() == Some(der) {
                    return (seen.authorization, plugin.runs());
                }
                assert_eq!(plugin.runs(), n + 1, "only an expired credential is replaced");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let used = timeout(DEADLINE, is_used).await.expect("the next certificate is used");
        assert_eq!(used, ("none".to_owned(), n + 2));
    }
}

#[tokio::test]
async fn concurrent_requests_share_one_run() {
    let server = FakeServer::http();
    let plugin = Plugin::new(r#"print '{"token":"t"}'"#);
    // A cancelled request does not end the run.
    let first = plugin.plugin.credential();
    assert!(futures_poll_once(first).await);
    let all = (0..8).map(|_| {
        tokio::spawn({
            let plugin = plugin.plugin.clone();
            async move { plugin.credential().await.is_ok() }
        })
    });
    for call in all.collect::<Vec<_>>() {
        assert!(call.await.unwrap());
    }
    get(&plugin.client(&server).await).await.unwrap();
    assert_eq!(plugin.runs(), 1);
}

/// Polls a future once and drops it. Returns whether it was pending.
async fn futures_poll_once(future: impl Future) -> bool {
    tokio::time::timeout(Duration::ZERO, future).await.is_err()
}

#[tokio::test]
async fn failing_plugin_runs_once_per_interval() {
    let plugin = Plugin::with("exit 3", |plugin| plugin.min_interval = MIN_INTERVAL);
    for _ in 0..3 {
        assert_eq!(plugin.error().await, "the exec plugin plugin failed: exit status: 3");
    }
    assert_eq!(plugin.runs(), 1);
}

/// Real time: the time limit.
#[tokio::test]
async fn hanging_plugin_is_killed_with_its_children() {
    let plugin =
        Plugin::with("sleep 600 & echo $! $$ > pids; wait", |plugin| plugin.time_limit = Duration::from_secs(1));
    assert_eq!(plugin.error().await, "the exec plugin plugin has not finished within 1s");
    let pids = fs::read_to_string(plugin.folder.join("pids")).unwrap();
    let pids: Vec<_> = pids.split_whitespace().collect();
    assert_eq!(pids.len(), 2);
    for pid in pids {
        // A killed process may be a zombie until it is reaped.
        let is_running = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
        eventually("the process has ended", || expect(!is_running(), pid));
    }
}

#[tokio::test]
async fn error_contains_only_the_program_and_its_status() {
    for (script, why) in [
        ("echo planted; echo planted >&2; exit 3", "failed: exit status: 3"),
        ("echo '{\"planted\": planted'", "printed no ExecCredential"),
        ("print '{\"token\":[\"planted\"]}'", "printed no ExecCredential"),
        (
            "print '{\"token\":\"planted\"}' | sed s/v1/v1beta1/",
            "printed no ExecCredential of the apiVersion in the kubeconfig",
        ),
        ("print null", "printed an ExecCredential without a status"),
        ("print '{\"token\":\"\"}'", "printed neither a token nor a client certificate"),
        ("print '{\"token\":\"planted two\"}'", "printed a token that cannot be used"),
        ("print '{\"clientKeyData\":\"planted\"}'", "printed a client certificate without its key, or the reverse"),
        (
            "print '{\"clientKeyData\":\"planted\",\"clientCertificateData\":\"planted\"}'",
            "printed a client certificate or key that cannot be used",
        ),
        (
            "print '{\"token\":\"planted\",\"expirationTimestamp\":\"planted\"}'",
            "printed an expirationTimestamp that is not a time",
        ),
    ] {
        assert_eq!(Plugin::new(script).error().await, format!("the exec plugin plugin {why}"), "{script}");
    }
    let missing = settings(&json!({ "command": "/nowhere/aws", "installHint": "install aws" }));
    let plugin = Arc::new(ExecPlugin::new(missing, false, ChildGroup::default()).unwrap());
    let error = plugin.credential().await.err().unwrap();
    let expected = "the exec plugin aws cannot be started: No such file or directory (os error 2): install aws";
    assert_eq!(error, Error::Usage(expected.to_owned()));
}

#[tokio::test]
async fn failed_refresh_is_the_error_of_the_request() {
    let server = FakeServer::http();
    let plugin = Plugin::new(
        r#"[ $n = 1 ] || { echo planted; exit 3; }
           print '{"token":"planted","expirationTimestamp":"2020-01-01T00:00:00Z"}'"#,
    );
    let client = plugin.client(&server).await;
    let error = get(&client).await.unwrap_err();
    assert_eq!(error_chain(&error), "the exec plugin plugin failed: exit status: 3");
}

#[tokio::test]
async fn interactive_mode_needs_a_terminal() {
    let new = |fields: serde_json::Value, is_terminal| {
        let plugin = ExecPlugin::new(settings(&fields), is_terminal, ChildGroup::default());
        plugin.map(|plugin| plugin.is_interactive)
    };
    for (mode, without, with) in
        [("Never", Ok(false), Ok(false)), ("IfAvailable", Ok(false), Ok(true)), ("Always", Err(()), Ok(true))]
    {
        let fields = json!({ "command": "x", "interactiveMode": mode });
        assert_eq!(new(fields.clone(), false).map_err(|_| ()), without, "{mode}");
        assert_eq!(new(fields, true).map_err(|_| ()), with, "{mode}");
    }
    for (version, mode, why) in [
        (Some("client.authentication.k8s.io/v1"), None, "expected interactiveMode Never, IfAvailable or Always"),
        (Some("client.authentication.k8s.io/v1alpha1"), Some("Never"), "expected apiVersion client"),
        (None, Some("Never"), "expected apiVersion client"),
    ] {
        let fields = json!({ "command": "x", "apiVersion": version, "interactiveMode": mode });
        assert!(new(fields, false).unwrap_err().contains(why), "{version:?} {mode:?}");
    }
    assert_eq!(new(json!({ "command": "x", "apiVersion": API_VERSIONS[1], "interactiveMode": null }), true), Ok(true));
    assert!(new(json!({}), true).unwrap_err().contains("expected a command"));

    let plugin = Plugin::new(r#"echo "$KUBERNETES_EXEC_INFO" > info; cat > stdin; print '{"token":"t"}'"#);
    plugin.plugin.credential().await.unwrap();
    let info: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(plugin.folder.join("info")).unwrap()).unwrap();
    assert_eq!(info["spec"], json!({ "interactive": false }));
    assert_eq!(fs::read(plugin.folder.join("stdin")).unwrap(), b"", "stdin is empty");
}
