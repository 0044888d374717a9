use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use parking_lot::Mutex;
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, Stream, crypto::ring::default_provider, pki_types::PrivateKeyDer,
    server::WebPkiClientVerifier,
};
use testkit::Folder;

use super::*;

mod kubeconfig;

/// An API server that responds to every request with `{}`, and records its credentials.
pub(super) struct FakeServer {
    pub port: u16,
    /// In PEM. It signs the server's certificate, and those of clients.
    pub ca: String,
    signer: Option<rcgen::Issuer<'static, rcgen::KeyPair>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// The credentials of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// `none` if the header is missing.
    pub authorization: String,
    /// The client certificate in DER.
    pub certificate: Option<Vec<u8>>,
}

impl FakeServer {
    pub fn http() -> Self {
        FakeServer::http_with(|_| 200)
    }

    /// Starts a server that responds with the status code that `judge` returns.
    pub fn http_with(judge: impl Fn(&Seen) -> u16 + Send + 'static) -> Self {
        FakeServer::start(String::new(), None, move |tcp, seen| respond(tcp, None, seen, &judge))
    }

    pub fn https() -> Self {
        let new_params = |names: &[&str]| {
            rcgen::CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
        };
        let mut params = new_params(&[]);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let ca = params.self_signed(&ca_key).unwrap();
        let signer = rcgen::Issuer::new(params, ca_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = new_params(&["127.0.0.1", "localhost", "api.example.com"]).signed_by(&key, &signer).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let provider = Arc::new(default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.allow_unauthenticated().build().unwrap())
            .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let config = Arc::new(config);
        FakeServer::start(ca.pem(), Some(signer), move |mut tcp, seen| {
            let mut connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
            connection.complete_io(&mut tcp)?;
            let certificate = connection.peer_certificates().map(|chain| chain[0].to_vec());
            respond(Stream::new(&mut connection, &mut tcp), certificate, seen, &|_| 200)
        })
    }

    fn start(
        ca: String,
        signer: Option<rcgen::Issuer<'static, rcgen::KeyPair>>,
        serve: impl Fn(TcpStream, &Mutex<Vec<Seen>>) -> std::io::Result<()> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let record = seen.clone();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|tcp| drop(serve(tcp, &record))));
        FakeServer { port, ca, signer, seen }
    }

    /// Returns a client certificate (as DER and PEM), and its key in PEM.
    pub fn client_certificate(&self) -> (Vec<u8>, String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["client".to_owned()]).unwrap();
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let cert = params.signed_by(&key, self.signer.as_ref().unwrap()).unwrap();
        (cert.der().to_vec(), cert.pem(), key.serialize_pem())
    }

    /// Returns the credentials of all requests since the last call.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock())
    }

    /// Sends a request and returns its `Authorization` header.
    async fn send(&self, connection: &Connection) -> String {
        get(&connection.client).await.unwrap();
        self.take_seen().pop().unwrap().authorization
    }
}

fn respond(
    mut stream: impl Read + Write,
    certificate: Option<Vec<u8>>,
    seen: &Mutex<Vec<Seen>>,
    judge: &dyn Fn(&Seen) -> u16,
) -> std::io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let authorization = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none");
    let request = Seen { authorization: authorization.to_owned(), certificate };
    let code = judge(&request);
    seen.lock().push(request);
    write!(stream, "HTTP/1.1 {code} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}")?;
    stream.flush()
}

pub(super) async fn get(client: &Client) -> Result<String, kube::Error> {
    client.request_text(Request::get("/version").body(Vec::new()).unwrap()).await
}
async fn open(target: Target, home: Option<&Path>, account: &ServiceAccount) -> Result<Connection, Error> {
    connect_in(target, home, account, &ChildGroup::default()).await
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
    match open(target, home, &no_account()).await.err() {
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
        let connection = open(named(&url, token, None), None, &no_account()).await.unwrap();
        assert_eq!(server.send(&connection).await, header);
        assert_eq!(connection.server, format!("{url} (--api-endpoint)"));
        assert_eq!((connection.default_namespace.as_str(), connection.warnings.len()), ("default", 0));
    }
    local_client(&url, Some("own"))
        .await
        .unwrap()
        .request_text(Request::get("/").body(Vec::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(server.take_seen()[0].authorization, "Bearer own");
}

#[tokio::test]
async fn failed_request_is_not_repeated() {
    let server = FakeServer::http_with(|_| 503);
    let url = format!("http://127.0.0.1:{}", server.port);
    let connection = open(named(&url, None, None), None, &no_account()).await.unwrap();
    let response = tokio::time::timeout(Duration::from_secs(10), get(&connection.client)).await;
    response.expect("fifteen attempts take minutes").unwrap_err();
    assert_eq!(server.take_seen().len(), 1);
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
        let error = open(target, None, &no_account()).await.err();
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
    let connection = open(target, None, &account).await.unwrap();
    assert_eq!(connection.server, format!("https://127.0.0.1:{} (the pod's service account)", server.port));
    assert_eq!((connection.default_namespace.as_str(), connection.pod_namespace.as_deref()), ("team", Some("team")));
    assert_eq!(server.send(&connection).await, "Bearer pod-token");
    for missing in ["token", "ca.crt"] {
        let folder = account_files(&server.ca);
        fs::remove_file(folder.join("account").join(missing)).unwrap();
        let target = Target::Kubeconfig { files: None, context: None };
        let error = open(target, None, &pod(&folder, "127.0.0.1", 1)).await.err().unwrap();
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
        let connection = open(named(&url, token, None), None, &account).await.unwrap();
        assert_eq!(server.send(&connection).await, header);
        assert!(connection.warnings.is_empty() && connection.default_namespace == "team");
    }
    let url = format!("https://localhost:{}", server.port);
    let connection = open(named(&url, None, ca.clone()), None, &account).await.unwrap();
    assert_eq!(server.send(&connection).await, "none");

    let warnings = async |url, token| open(named(url, token, ca.clone()), None, &account).await.unwrap().warnings;
    let expected = "no token is sent to https://master.example.com/: expected --token-file or --token";
    assert_eq!(warnings("https://master.example.com", None).await, [expected]);
    let plain = warnings("http://master.example.com", Some(Token::Inline("t".into()))).await;
    assert!(plain.len() == 1 && plain[0].contains("over plain http"), "{plain:?}");
}
