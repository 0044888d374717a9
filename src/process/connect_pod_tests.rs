//! In a pod: which server is connected to, and which token it gets. Over TLS, as a service account's token goes nowhere
//! without.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use rustls::pki_types::PrivateKeyDer;

use super::{
    tests::{ask, connected_in},
    *,
};
use testkit::Folder;

/// A server that answers everything with `{}`, and the `Authorization` headers it has seen.
struct Server {
    port: String,
    /// In PEM.
    ca: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["127.0.0.1", "localhost"].map(str::to_owned);
        let cert = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (config, log) = (Arc::new(config), seen.clone());
        std::thread::spawn(move || {
            // A client that does not trust us is no reason to stop.
            listener.incoming().flatten().for_each(|stream| drop(answer(stream, &config, &log)));
        });
        Server { port, ca: cert.pem(), seen }
    }

    /// What the next request was sent with.
    async fn asked(&self, connection: &Connection) -> String {
        ask(connection).await.unwrap();
        self.seen.lock().unwrap().pop().unwrap()
    }
}

fn answer(mut tcp: TcpStream, config: &Arc<rustls::ServerConfig>, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut connection = rustls::ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
    let mut stream = rustls::Stream::new(&mut connection, &mut tcp);
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none");
    log.lock().unwrap().push(header.to_owned());
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")?;
    stream.flush()
}

fn in_pod(ca: &str) -> Folder {
    Folder::new("pod").with(&[
        ("account/token", "pod-token\n"),
        ("account/ca.crt", ca),
        ("account/namespace", "team\n"),
    ])
}

#[tokio::test]
async fn with_no_server_named_a_pod_connects_to_its_cluster_as_its_service_account() {
    let server = Server::start();
    let home = in_pod(&server.ca);
    let env = [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT", &server.port)];
    let connection = connected_in(&env, &[], &home).await.unwrap();
    assert_eq!(connection.server, format!("https://127.0.0.1:{} (the pod's service account)", server.port));
    assert_eq!(connection.default_namespace, "team");
    assert_eq!(server.asked(&connection).await, "Bearer pod-token");
}

#[tokio::test]
async fn a_setting_that_names_the_clusters_own_server_gets_the_service_accounts_token_and_ca_unless_it_brings_its_own()
{
    let server = Server::start();
    let home = in_pod(&server.ca);
    let env = [("KUBERNETES_SERVICE_HOST", "127.0.0.1")];
    let endpoint = format!("127.0.0.1:{}", server.port);
    for (token, expected) in [(None, "Bearer pod-token"), (Some(("K8S_TOKEN", "mine")), "Bearer mine")] {
        let flags: Vec<_> = [("K8S_API_ENDPOINT", endpoint.as_str())].into_iter().chain(token).collect();
        let connection = connected_in(&env, &flags, &home).await.unwrap();
        assert_eq!(server.asked(&connection).await, expected);
        assert!(connection.warnings.is_empty(), "{:?}", connection.warnings);
        assert_eq!(connection.default_namespace, "team");
    }
}

#[tokio::test]
async fn no_other_server_gets_the_service_accounts_token() {
    let server = Server::start();
    let home = in_pod(&server.ca);
    let (ca, token) = (home.join("account/ca.crt"), home.join("account/token"));
    let ca = ("K8S_CA", ca.to_str().unwrap());
    let env = [("KUBERNETES_SERVICE_HOST", "127.0.0.1")];
    let endpoint = format!("localhost:{}", server.port);
    let connection = connected_in(&env, &[("K8S_API_ENDPOINT", &endpoint), ca], &home).await.unwrap();
    assert_eq!(server.asked(&connection).await, "none");
    assert!(connection.warnings.is_empty(), "this machine may well have a proxy");

    let flags = [("K8S_API_ENDPOINT", "master.example.com:8443"), ca];
    let expected = "--api-endpoint master.example.com:8443: no token is sent, as none is given in the same place: ";
    let warned = connected_in(&env, &flags, &home).await.unwrap().warnings;
    let how = format!(
        "the pod's service account's goes to the cluster's own server only; if it is meant for this one, give \
         --token-file {}",
        token.display()
    );
    assert_eq!(warned, [format!("{expected}{how}")]);
    std::fs::remove_file(token).unwrap();
    let warned = connected_in(&[], &flags, &home).await.unwrap().warnings;
    assert_eq!(warned, [format!("{expected}give --token-file or --token")]);
}

#[tokio::test]
async fn a_pod_without_a_whole_service_account_is_told_which_file_is_missing() {
    let server = Server::start();
    for (missing, why) in [("token", "cannot be read: No such file"), ("ca.crt", "cannot be read: No such file")] {
        let home = in_pod(&server.ca);
        std::fs::remove_file(home.join("account").join(missing)).unwrap();
        let refusal = connected_in(&[("KUBERNETES_SERVICE_HOST", "127.0.0.1")], &[], &home).await.err().unwrap();
        let path = home.join("account").join(missing);
        let expected = format!("no API server to connect to ({}: {why}", path.display());
        assert!(refusal.to_string().starts_with(&expected), "{refusal}");
        assert_eq!(refusal.code, 2);
    }
    let env = [("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("KUBERNETES_SERVICE_PORT", "https")];
    let refusal = connected_in(&env, &[], Path::new("/nowhere")).await.err().unwrap().to_string();
    assert!(refusal.starts_with("no API server to connect to (KUBERNETES_SERVICE_HOST=10.0.0.1 and "), "{refusal}");
}
