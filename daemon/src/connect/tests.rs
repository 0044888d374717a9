use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
};

use parking_lot::Mutex;
use rustls::pki_types::PrivateKeyDer;
use testkit::Folder;

use super::*;

/// An API server that responds to every request with `{}`, and records the `Authorization` headers.
struct FakeServer {
    port: u16,
    /// In PEM.
    ca: String,
    headers: Arc<Mutex<Vec<String>>>,
}

impl FakeServer {
    fn http() -> Self {
        FakeServer::start(String::new(), |tcp, seen| respond(tcp, seen, 200))
    }

    fn https() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["127.0.0.1", "localhost", "api.example.com"].map(str::to_owned);
        let cert = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let config = Arc::new(config);
        FakeServer::start(cert.pem(), move |mut tcp, seen| {
            let mut connection = rustls::ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
            respond(rustls::Stream::new(&mut connection, &mut tcp), seen, 200)
        })
    }

    fn start(
        ca: String,
        serve: impl Fn(TcpStream, &Mutex<Vec<String>>) -> std::io::Result<()> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let headers = Arc::new(Mutex::new(Vec::new()));
        let seen = headers.clone();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|tcp| drop(serve(tcp, &seen))));
        FakeServer { port, ca, headers }
    }

    /// Sends a request and returns its `Authorization` header.
    async fn send(&self, connection: &Connection) -> String {
        get(connection).await.unwrap();
        self.headers.lock().pop().unwrap()
    }
}

fn respond(mut stream: impl Read + Write, seen: &Mutex<Vec<String>>, code: u16) -> std::io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none");
    seen.lock().push(header.to_owned());
    write!(stream, "HTTP/1.1 {code} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}")?;
    stream.flush()
}

async fn get(connection: &Connection) -> Result<String, kube::Error> {
    connection.client.request_text(Request::get("/version").body(Vec::new()).unwrap()).await
}

fn no_account() -> ServiceAccount {
    ServiceAccount { directory: "/nowhere".into(), host: String::new(), port: String::new() }
}

/// Returns the service account of a pod, with this address of the API server.
fn pod(folder: &Folder, host: &str, port: u16) -> ServiceAccount {
    ServiceAccount { directory: folder.join("account"), host: host.into(), port: port.to_string() }
}

fn account_files(ca: &str) -> Folder {
    Folder::new("pod").with(&[
        ("account/token", "pod-token\n"),
        ("account/ca.crt", ca),
        ("account/namespace", "team\n"),
    ])
}

fn kubeconfig(files: &str, context: Option<&str>) -> Target {
    Target::Kubeconfig { files: Some(files.into()), context: context.map(str::to_owned) }
}

fn named(url: &str, token: Option<Token>, ca: Option<PathBuf>) -> Target {
    Target::Server { url: url.parse().unwrap(), token, ca }
}

/// Returns a kubeconfig with one context, `dev`.
fn dev_config(cluster: &str, user: &str) -> String {
    format!(
        "{{current-context: dev, contexts: [{{name: dev, context: {{cluster: c, user: u, namespace: team}}}}],
           clusters: [{{name: c, cluster: {{{cluster}}}}}], users: [{{name: u, user: {{{user}}}}}]}}"
    )
}

async fn usage_error(target: Target, home: Option<&Path>) -> String {
    match connect_in(target, home, &no_account()).await.err() {
        Some(Error::Usage(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn token_is_sent_with_every_request() {
    let server = FakeServer::http();
    let url = format!("http://127.0.0.1:{}", server.port);
    let folder = Folder::new("connect").with(&[("token", "from-file\n")]);
    for (token, header) in [
        (None, "none"),
        (Some(Token::Inline("inline".into())), "Bearer inline"),
        // With the line end of `oc whoami -t > token`.
        (Some(Token::File(folder.join("token"))), "Bearer from-file"),
    ] {
        assert!(!format!("{token:?}").contains("inline"));
        let connection = connect_in(named(&url, token, None), None, &no_account()).await.unwrap();
        assert_eq!(server.send(&connection).await, header);
        assert_eq!(connection.server, format!("{url} (--api-endpoint)"));
        assert_eq!((connection.default_namespace.as_str(), connection.warnings.len()), ("default", 0));
    }
    local_client(&url, Some("own")).unwrap().request_text(Request::get("/").body(Vec::new()).unwrap()).await.unwrap();
    assert_eq!(server.headers.lock().pop().as_deref(), Some("Bearer own"));
}

#[tokio::test]
async fn kubeconfig_in_home_is_used_and_its_token_file_wins() {
    let server = FakeServer::http();
    let text = dev_config(&format!("server: 'http://127.0.0.1:{}'", server.port), "tokenFile: ../token, token: inline");
    let home = Folder::new("connect").with(&[("token", "from-file\n"), (".kube/config", &text)]);
    let target = Target::Kubeconfig { files: Some("".into()), context: Some(String::new()) };
    let connection = connect_in(target, Some(&home), &no_account()).await.unwrap();
    assert_eq!(server.send(&connection).await, "Bearer from-file");
    assert_eq!(connection.default_namespace, "team");
    assert_eq!(connection.server, format!("http://127.0.0.1:{} (context dev of ~/.kube/config)", server.port));
}

#[tokio::test]
async fn several_kubeconfigs_are_merged_and_missing_ones_skipped() {
    let server = FakeServer::http();
    let contexts = "{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: \
                    {cluster: c, user: u, namespace: other}}]}";
    let rest = dev_config(&format!("server: 'http://127.0.0.1:{}'", server.port), "token: merged");
    let folder = Folder::new("connect").with(&[("one", contexts), ("two", &rest)]);
    let files = ["one", "gone", "two"].map(|name| folder.join(name).display().to_string()).join(":");
    for (context, namespace) in [(None, "default"), (Some("b"), "other"), (Some("dev"), "team")] {
        let connection = connect_in(kubeconfig(&files, context), None, &no_account()).await.unwrap();
        assert_eq!(server.send(&connection).await, "Bearer merged");
        assert_eq!(connection.default_namespace, namespace);
    }
}

#[tokio::test]
async fn tls_server_name_is_verified_instead_of_the_host() {
    let server = FakeServer::https();
    let folder = Folder::new("connect").with(&[("ca", &server.ca)]);
    for (name, accepted) in [("api.example.com", true), ("other.example.com", false)] {
        let cluster =
            format!("server: 'https://127.0.0.1:{}', certificate-authority: ca, tls-server-name: {name}", server.port);
        let file = folder.file("config", &dev_config(&cluster, "token: t"));
        let connection = connect_in(kubeconfig(file.to_str().unwrap(), None), None, &no_account()).await.unwrap();
        assert_eq!(get(&connection).await.is_ok(), accepted, "{name}");
    }
}

#[tokio::test]
async fn exec_plugin_provides_the_token_and_never_leaks() {
    let server = FakeServer::http();
    let folder = Folder::new("connect");
    let credential = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":"#;
    let config = |script: &str| {
        let plugin = folder.file("plugin", &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
        let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never, \
                    args: [planted-arg], env: [{name: SECRET, value: planted-env}]}";
        let cluster = format!("server: 'http://127.0.0.1:{}'", server.port);
        kubeconfig(folder.file("config", &dev_config(&cluster, exec)).to_str().unwrap(), None)
    };
    let target = config(&format!("echo '{credential}{{\"token\":\"from-plugin\"}}}}'"));
    let connection = connect_in(target, None, &no_account()).await.unwrap();
    assert_eq!(server.send(&connection).await, "Bearer from-plugin");

    for (script, why) in [
        ("echo planted-out; echo planted-err >&2; exit 3", "failed: exit status: 3"),
        ("echo '{\"planted-out\": planted'", "printed no ExecCredential"),
    ] {
        let error = connect_in(config(script), None, &no_account()).await.err().unwrap();
        assert!(matches!(&error, Error::Failed(text) if text.contains(why)), "{error}");
        assert!(!error.to_string().contains("planted"), "{error}");
    }

    // The first token has expired, and its refresh before a request fails.
    let marker = folder.join("marker");
    let first = format!(
        "[ -e {} ] && {{ echo planted-out; exit 3; }}\n\
         echo '{credential}{{\"token\":\"planted\",\"expirationTimestamp\":\"2020-01-01T00:00:00Z\"}}}}'",
        marker.display()
    );
    let connection = connect_in(config(&first), None, &no_account()).await.unwrap();
    fs::write(&marker, "").unwrap();
    let text = error_chain(&get(&connection).await.unwrap_err());
    assert_eq!(text, "the exec plugin of the kubeconfig failed: exit status: 3");
}

#[tokio::test]
async fn failed_request_is_not_repeated() {
    let server = FakeServer::start(String::new(), |tcp, seen| respond(tcp, seen, 503));
    let url = format!("http://127.0.0.1:{}", server.port);
    let connection = connect_in(named(&url, None, None), None, &no_account()).await.unwrap();
    let response = tokio::time::timeout(Duration::from_secs(10), get(&connection)).await;
    response.expect("fifteen attempts take minutes").unwrap_err();
    assert_eq!(server.headers.lock().len(), 1);
}

#[tokio::test]
async fn error_names_the_kubeconfig_and_the_accepted_form() {
    let folder = Folder::new("connect").with(&[
        ("yaml", "users: [{user: {token: s3cret\n"),
        ("current", &dev_config("server: 'http://a'", "").replace("current-context: dev, ", "")),
        ("lost", &dev_config("server: 'http://a'", "").replace("current-context: dev", "current-context: gone")),
        ("server", &dev_config("server: '127.0.0.1:7443'", "")),
        ("user", &dev_config("server: 'https://me:s3cret@a'", "")),
        ("proxy", &dev_config("server: 'http://a', proxy-url: 'http://b'", "")),
        ("ca", &dev_config("server: 'https://a', certificate-authority: nowhere", "")),
        ("file", &dev_config("server: 'http://a'", "tokenFile: nowhere")),
        ("plugin", &dev_config("server: 'http://a'", "exec: {apiVersion: v1, command: /nowhere}")),
    ]);
    let file = |name: &str| folder.join(name).display().to_string();
    for (name, context, parts) in [
        ("nowhere", None, ["kubeconfig ", "there is no such file"]),
        ("yaml", None, ["kubeconfig ", "expected a kubeconfig"]),
        ("current", None, ["kubeconfig ", "it has no current-context: expected --context with one of dev"]),
        ("lost", None, ["kubeconfig ", "its current-context gone does not exist"]),
        ("current", Some("prod"), ["--context prod: there is no such context in kubeconfig ", "one of dev"]),
        ("server", None, ["context dev of kubeconfig ", "expected a server such as https://"]),
        ("user", None, ["context dev of kubeconfig ", "expected a server such as https://"]),
        ("proxy", None, ["context dev of kubeconfig ", "proxy-url is not supported"]),
        ("ca", None, ["context dev of kubeconfig ", "failed to load certificate authority"]),
        ("file", None, ["context dev of kubeconfig ", "nowhere: cannot be read"]),
        ("plugin", None, ["context dev of kubeconfig ", "cannot be started"]),
    ] {
        let why = usage_error(kubeconfig(&file(name), context), None).await;
        assert!(why.starts_with(parts[0]) && why.contains(parts[1]) && !why.contains("s3cret"), "{name}: {why}");
    }
    let why = usage_error(Target::Kubeconfig { files: None, context: Some("dev".into()) }, Some(&folder)).await;
    assert!(why.starts_with("--context: there is no kubeconfig"), "{why}");
}

#[tokio::test]
async fn empty_kubeconfig_in_home_is_ignored() {
    let home = Folder::new("connect").with(&[(".kube/config", "apiVersion: v1\nkind: Config\ncontexts: []\n")]);
    let why = usage_error(Target::Kubeconfig { files: None, context: None }, Some(&home)).await;
    assert!(why.starts_with("no API server to connect to: expected "), "{why}");
}

#[tokio::test]
async fn ca_file_needs_a_certificate_in_pem() {
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = rcgen::CertificateParams::new(vec!["ca".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = &pem[..pem.len() / 2];
    for (name, text) in [("ok", pem.as_str()), ("cut", cut), ("hollow", hollow), ("key", &key.serialize_pem())] {
        let folder = Folder::new("connect").with(&[(name, text)]);
        let target = named("https://127.0.0.1:1", None, Some(folder.join(name)));
        let error = connect_in(target, None, &no_account()).await.err();
        let is_right = match &error {
            None => name == "ok",
            Some(error) => name != "ok" && matches!(error, Error::Usage(why) if why.contains("expected CA cert")),
        };
        assert!(is_right, "{name}: {error:?}");
    }
}

#[tokio::test]
async fn pod_without_a_kubeconfig_uses_its_service_account() {
    let server = FakeServer::https();
    let folder = account_files(&server.ca);
    let account = pod(&folder, "127.0.0.1", server.port);
    let target = Target::Kubeconfig { files: None, context: None };
    let connection = connect_in(target, None, &account).await.unwrap();
    assert_eq!(connection.server, format!("https://127.0.0.1:{} (the pod's service account)", server.port));
    assert_eq!((connection.default_namespace.as_str(), connection.pod_namespace.as_deref()), ("team", Some("team")));
    assert_eq!(server.send(&connection).await, "Bearer pod-token");
    for missing in ["token", "ca.crt"] {
        let folder = account_files(&server.ca);
        fs::remove_file(folder.join("account").join(missing)).unwrap();
        let target = Target::Kubeconfig { files: None, context: None };
        let error = connect_in(target, None, &pod(&folder, "127.0.0.1", 1)).await.err().unwrap();
        assert!(
            matches!(&error, Error::Usage(why) if why.contains(missing) && why.contains("No such file")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn service_account_is_for_its_own_cluster_only() {
    let server = FakeServer::https();
    let folder = account_files(&server.ca);
    let (account, ca) = (pod(&folder, "127.0.0.1", 443), Some(folder.join("account/ca.crt")));
    let url = format!("https://127.0.0.1:{}", server.port);
    for (token, header) in [(None, "Bearer pod-token"), (Some(Token::Inline("mine".into())), "Bearer mine")] {
        let connection = connect_in(named(&url, token, None), None, &account).await.unwrap();
        assert_eq!(server.send(&connection).await, header);
        assert!(connection.warnings.is_empty() && connection.default_namespace == "team");
    }
    let url = format!("https://localhost:{}", server.port);
    let connection = connect_in(named(&url, None, ca.clone()), None, &account).await.unwrap();
    assert_eq!(server.send(&connection).await, "none");

    let warnings = async |url, token| connect_in(named(url, token, ca.clone()), None, &account).await.unwrap().warnings;
    let expected = "no token is sent to https://master.example.com/: expected --token-file or --token";
    assert_eq!(warnings("https://master.example.com", None).await, [expected]);
    let plain = warnings("http://master.example.com", Some(Token::Inline("t".into()))).await;
    assert!(plain.len() == 1 && plain[0].contains("over plain http"), "{plain:?}");
}
