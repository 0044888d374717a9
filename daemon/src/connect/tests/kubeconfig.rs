use base64::{Engine, prelude::BASE64_STANDARD};

use super::*;

#[tokio::test]
async fn kubeconfig_in_home_is_used_and_its_token_file_wins() {
    let server = FakeServer::http();
    let text = dev_config(&format!("server: 'http://127.0.0.1:{}'", server.port), "tokenFile: ../token, token: inline");
    let home = Folder::new("connect").with(&[("token", "from-file\n"), (".kube/config", &text)]);
    let target = Target::Kubeconfig { files: Some("".into()), context: Some(String::new()) };
    let connection = open(target, Some(&home), &no_account()).await.unwrap();
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
        let connection = open(kubeconfig(&files, context), None, &no_account()).await.unwrap();
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
        let connection = open(kubeconfig(file.to_str().unwrap(), None), None, &no_account()).await.unwrap();
        assert_eq!(get(&connection.client).await.is_ok(), accepted, "{name}");
    }
}

/// Returns a file of these fields, in a folder with the CA and a client certificate.
fn write_config(server: &FakeServer, cluster: &str, user: &str) -> (Folder, Vec<u8>) {
    let (der, certificate, key) = server.client_certificate();
    let cluster = format!("server: 'https://127.0.0.1:{}', {cluster}", server.port);
    let folder = Folder::new("connect").with(&[
        ("ca", &server.ca),
        ("client.crt", &certificate),
        ("client.key", &key),
        ("token", "from-file"),
        ("config", &dev_config(&cluster, user)),
    ]);
    (folder, der)
}

#[tokio::test]
async fn empty_field_is_unset() {
    let server = FakeServer::https();
    let (ca, pair) = (BASE64_STANDARD.encode(&server.ca), "client-certificate: client.crt, client-key: client.key");
    let data = format!("certificate-authority: '', certificate-authority-data: {ca}");
    let file = "certificate-authority: ca, certificate-authority-data: ''";
    let others = "certificate-authority: ca, tls-server-name: '', proxy-url: '', insecure-skip-tls-verify: null";
    let pair_and = |field: &str| format!("{pair}, {field}");
    for (cluster, user, authorization, has_certificate) in [
        (data.as_str(), "token: t", "Bearer t", false),
        (file, "token: t", "Bearer t", false),
        (others, "token: t, tokenFile: '', username: '', password: '', as: ''", "Bearer t", false),
        (others, "tokenFile: token, token: ''", "Bearer from-file", false),
        (others, "tokenFile: nowhere, token: t", "Bearer t", false),
        (others, "token: t, exec: null, auth-provider: null", "Bearer t", false),
        (others, "username: me, password: ''", "Basic bWU6", false),
        (others, "username: me", "Basic bWU6", false),
        (others, &pair_and("token: '', exec: null"), "none", true),
        (others, &pair_and("client-certificate-data: '', client-key-data: ''"), "none", true),
        (others, &pair_and("token: t"), "Bearer t", true),
        (others, &pair_and("exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: plugin}"), "none", true),
        (others, "client-certificate: '', token: t", "Bearer t", false),
    ] {
        let (folder, der) = write_config(&server, cluster, user);
        let file = folder.join("config").display().to_string();
        let connection =
            open(kubeconfig(&file, None), None, &no_account()).await.unwrap_or_else(|e| panic!("{user}: {e}"));
        get(&connection.client).await.unwrap();
        let expected = Seen { authorization: authorization.to_owned(), certificate: has_certificate.then_some(der) };
        assert_eq!(server.take_seen(), [expected], "{cluster} {user}");
    }
}

#[tokio::test]
async fn empty_current_context_is_taken_from_the_next_file() {
    let rest = dev_config("server: 'http://127.0.0.1:1'", "token: t");
    let empty = "{current-context: '', contexts: null, clusters: null, users: null}";
    let broken =
        "{contexts: [{name: dev, context: null}, {name: x}], clusters: [{name: y, cluster: 5}], users: [{name: z}]}";
    let folder = Folder::new("connect").with(&[("empty", empty), ("nothing", ""), ("rest", &rest), ("broken", broken)]);
    let files = ["empty", "nothing", "rest", "broken"].map(|name| folder.join(name).display().to_string()).join(":");
    let connection = open(kubeconfig(&files, None), None, &no_account()).await.unwrap();
    assert_eq!(connection.default_namespace, "team");
    for text in [empty, "", "apiVersion: v1\nkind: Config\ncontexts: []\n"] {
        let home = Folder::new("connect").with(&[(".kube/config", text)]);
        let why = usage_error(Target::Kubeconfig { files: None, context: None }, Some(&home)).await;
        assert!(why.starts_with("no API server to connect to: expected "), "{text}: {why}");
    }
}

#[tokio::test]
async fn proxy_of_the_kubeconfig_is_used() {
    let (server, proxy) = (FakeServer::https(), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("http://127.0.0.1:{}", proxy.local_addr().unwrap().port());
    let tunnel = std::thread::spawn(move || {
        let (mut client, _) = proxy.accept().unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            client.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut upstream = TcpStream::connect(head.split(' ').nth(1).unwrap()).unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut upstream, &mut client);
        head
    });
    let (folder, _) = write_config(&server, &format!("certificate-authority: ca, proxy-url: '{url}'"), "token: t");
    let file = folder.join("config").display().to_string();
    let connection = open(kubeconfig(&file, None), None, &no_account()).await.unwrap();
    assert_eq!(server.send(&connection).await, "Bearer t");
    drop(connection);
    assert!(tunnel.join().unwrap().starts_with(&format!("CONNECT 127.0.0.1:{} ", server.port)));
}

#[tokio::test]
async fn error_names_the_kubeconfig_and_the_accepted_form() {
    let dev = "context dev of kubeconfig ";
    for (text, context, parts) in [
        ("users: [{user: {token: s3cret\n", None, ["kubeconfig ", "line 1, column 16: expected a kubeconfig"]),
        ("s3cret", None, ["kubeconfig ", "expected a kubeconfig"]),
        ("{kind: Pod, apiVersion: v1}", None, ["kubeconfig ", "expected a kubeconfig"]),
        (
            "{contexts: [{name: a}, {name: b}]}",
            None,
            ["kubeconfig ", "it has no current-context: expected --context with one of a, b"],
        ),
        (
            "{current-context: gone}",
            None,
            ["kubeconfig ", "its current-context gone does not exist: expected --context with one of none"],
        ),
        (
            "{contexts: [{name: a}]}",
            Some("prod"),
            ["--context prod: there is no such context in kubeconfig ", "one of a"],
        ),
        ("{contexts: [{name: dev, context: {cluster: c}}]}", Some("dev"), [dev, "there is no cluster \"c\""]),
    ] {
        let folder = Folder::new("connect").with(&[("config", text)]);
        let why = usage_error(kubeconfig(&folder.join("config").display().to_string(), context), None).await;
        assert!(why.starts_with(parts[0]) && why.contains(parts[1]) && !why.contains("s3cret"), "{text}: {why}");
    }
    let why = usage_error(kubeconfig("/nowhere", None), None).await;
    assert_eq!(why, "kubeconfig /nowhere: there is no such file");
    let target = Target::Kubeconfig { files: None, context: Some("dev".into()) };
    let why = usage_error(target, Some(Path::new("/nowhere"))).await;
    assert!(why.starts_with("--context: there is no kubeconfig"), "{why}");
}

/// kubectl refuses all of these, too.
#[tokio::test]
async fn error_names_the_wrong_field_but_no_value() {
    let server = FakeServer::https();
    let (_, _, key) = server.client_certificate();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nczNjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let ca = BASE64_STANDARD.encode(&server.ca);
    let one = "certificate-authority: ca";
    let exec =
        |fields: &str| format!("exec: {{apiVersion: client.authentication.k8s.io/v1, command: plugin, {fields}}}");
    for (cluster, user, why) in [
        ("server: ''", "", "server: expected a URL such as https://10.0.0.1:6443"),
        ("server: 'https://me:s3cret@a'", "", "server: expected a URL such as https://10.0.0.1:6443"),
        ("server: [s3cret]", "", "cluster.server: expected another type or value"),
        ("proxy-url: 'ftp://me:s3cret@b'", "", "proxy-url: expected a proxy such as http://10.0.0.1:3128"),
        ("certificate-authority: nowhere", "", "nowhere: No such file"),
        ("certificate-authority: token", "", "token: expected CA certificates in PEM"),
        ("certificate-authority-data: s3cret!", "", "certificate-authority-data: expected base64"),
        ("certificate-authority-data: czNjcmV0", "", "certificate-authority-data: expected CA certificates in PEM"),
        (&format!("{one}, certificate-authority-data: {ca}"), "", "are both set"),
        (&format!("{one}, insecure-skip-tls-verify: true"), "", "insecure-skip-tls-verify and certificate-authority"),
        (one, "token: [s3cret]", "user.token: expected another type or value"),
        (one, "tokenFile: nowhere", "nowhere: cannot be read"),
        (one, "tokenFile: empty", "empty: expected a token"),
        (one, "token: s3cret, username: me", "token and username are both set"),
        (one, "as-groups: [s3cret]", "expected a user in `as`"),
        (one, "client-certificate: client.crt", "client-key: expected the key of the client-certificate"),
        (one, "client-certificate: client.crt, client-key: nowhere", "nowhere: No such file"),
        (
            one,
            "client-certificate: client.crt, client-key: encrypted",
            "encrypted: expected a key without a passphrase",
        ),
        (one, "client-certificate: client.crt, client-key: client.crt", "expected a private key in PEM"),
        (one, "client-certificate: ca, client-key: other", "for a client certificate its key"),
        (one, "client-certificate: client.key, client-key: client.key", "expected a client certificate in PEM"),
        (one, "auth-provider: {name: gcp}", "auth-provider: expected oidc, or an exec plugin instead"),
        (one, "exec: {}, auth-provider: {name: oidc}", "exec and auth-provider are both set"),
        (one, &exec(""), "expected interactiveMode Never, IfAvailable or Always"),
        (one, &exec("interactiveMode: s3cret"), "user.exec.interactiveMode: expected another type or value"),
        (
            one,
            &exec("interactiveMode: Never").replace("plugin,", "./nowhere,"),
            "the exec plugin nowhere cannot be started",
        ),
    ] {
        let (folder, _) = write_config(&server, cluster, user);
        let folder = folder.with(&[("encrypted", encrypted), ("other", &key), ("empty", "")]);
        if cluster.starts_with("server") {
            folder.file("config", &dev_config(cluster, user));
        }
        let error = usage_error(kubeconfig(&folder.join("config").display().to_string(), None), None).await;
        assert!(error.starts_with("context dev of kubeconfig ") && error.contains(why), "{cluster} {user}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}
