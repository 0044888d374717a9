//! The certificate itself, judged by others: openssl and a TLS handshake.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::Arc,
    thread,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};

use crate::{
    controller::{Controller, Setup},
    objects::{Is, pod_mounting, pod_path},
    stage::Stage,
};

pub fn the_secret_is_of_the_promised_shape_and_openssl_accepts_the_chain(stage: &mut Stage) {
    let _controller = Controller::ready(stage, Setup::default());
    stage.namespace("shape");
    stage.create_pki("shape", "web", json!({ "serviceName": "app1", "commonName": "app2", "dnsNames": ["app2"] }));
    let pki = stage.wait_pki("shape", "web", "Issued");
    let secret = stage.secret("shape", "web");

    assert_eq!(secret["type"], "kubernetes.io/tls");
    assert_eq!(secret["metadata"]["labels"]["app.kubernetes.io/managed-by"], "demo-controller");
    let owners =
        json!([{ "apiVersion": "box.com/v1", "kind": "Pki", "name": "web", "uid": pki.uid(), "controller": true }]);
    assert_eq!(secret["metadata"]["ownerReferences"], owners, "controlling, and without blockOwnerDeletion");
    let keys: Vec<&String> = secret["data"].as_object().into_iter().flatten().map(|(key, _)| key).collect();
    assert_eq!(keys, ["ca.crt", "tls.crt", "tls.key"]);
    assert!(secret.data("tls.key").starts_with(b"-----BEGIN PRIVATE KEY-----"), "PKCS#8");
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&secret.data("tls.crt")).map(Result::unwrap).collect();
    let ca = CertificateDer::from_pem_slice(&secret.data("ca.crt")).unwrap();
    assert_eq!(chain.len(), 2, "the leaf, then the CA");
    assert_eq!(chain[1], ca);

    // openssl, as strict as it can be.
    let dir = stage.dir.join("openssl");
    std::fs::create_dir_all(&dir).unwrap();
    for key in keys {
        std::fs::write(dir.join(key), secret.data(key)).unwrap();
    }
    let openssl = |words: &str| {
        let output = Command::new("openssl").args(words.split(' ')).current_dir(&dir).output().expect("openssl runs");
        assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for purpose in ["sslserver", "sslclient"] {
        assert_eq!(openssl(&format!("verify -x509_strict -purpose {purpose} -CAfile ca.crt tls.crt")), "tls.crt: OK\n");
    }
    let read = |what: &str| openssl(&format!("x509 -in tls.crt -noout {what}"));
    let names = read("-ext subjectAltName");
    let names: BTreeSet<&str> = names.split([',', '\n']).filter_map(|name| name.trim().strip_prefix("DNS:")).collect();
    let wanted = ["app1", "app1.shape", "app1.shape.svc", "app1.shape.svc.cluster.local", "app2"];
    assert_eq!(names, BTreeSet::from(wanted));
    assert!(read("-subject").replace(' ', "").contains("CN=app2"), "{}", read("-subject"));
    let usage = read("-ext extendedKeyUsage");
    assert!(
        usage.contains("TLS Web Server Authentication") && usage.contains("TLS Web Client Authentication"),
        "{usage}"
    );
    let text = read("-text");
    assert!(text.contains("ASN1 OID: prime256v1") && text.contains("ecdsa-with-SHA256"), "{text}");
    let ca = openssl("x509 -in ca.crt -noout -text");
    for words in
        ["X509v3 Basic Constraints: critical", "CA:TRUE, pathlen:0", "X509v3 Key Usage: critical", "Certificate Sign"]
    {
        assert!(ca.contains(words), "{words}: {ca}");
    }

    // The status tells of this very certificate.
    let digits = |text: &str| text.replace(':', "").trim().trim_start_matches('0').to_lowercase();
    assert_eq!(
        digits(&read("-serial").replace("serial=", "")),
        digits(pki["status"]["serialNumber"].as_str().unwrap())
    );
    assert_eq!(pki["status"]["observedGeneration"], 1);
    assert_eq!(pki.ready("status"), "True");
    let dates = read("-dates -dateopt iso_8601").replace(' ', "T");
    for (word, field) in [("notBefore=", "notBefore"), ("notAfter=", "notAfter")] {
        let date = format!("{word}{}", pki["status"][field].as_str().unwrap());
        assert!(dates.lines().any(|line| line == date), "{date} in {dates}");
    }
}

pub fn a_tls_handshake_succeeds_in_the_promised_names_and_in_no_other(stage: &mut Stage) {
    let _controller = Controller::ready(stage, Setup::default());
    stage.namespace("handshake");
    stage.create_pki("handshake", "web", json!({ "serviceName": "app2" }));
    stage.wait_pki("handshake", "web", "Issued");
    let secret = stage.secret("handshake", "web");
    for name in ["app2", "app2.handshake", "app2.handshake.svc", "app2.handshake.svc.cluster.local"] {
        assert_eq!(shake_hands(&secret, name), Ok("hello".to_owned()), "{name}");
    }
    for name in ["app1", "app2.default.svc", "app2.handshake.svc.example.com"] {
        let error = shake_hands(&secret, name).unwrap_err();
        assert!(error.contains("not valid for name"), "{name}: {error}");
    }
    // And it is what a pod gets to see.
    stage.create_pod(&pod_mounting("handshake", "web", "web"));
    stage.wait_for(&pod_path("handshake", "web"), "runs", |pod| pod["status"]["phase"] == "Running");
}

/// Over a real socket: the application serves with what is in its Secret, and the client trusts `ca.crt` alone.
fn shake_hands(secret: &Value, name: &str) -> Result<String, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = CertificateDer::pem_slice_iter(&secret.data("tls.crt")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&secret.data("tls.key")).unwrap();
    let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let server = server.with_no_client_auth().with_single_cert(chain, key).map_err(|e| e.to_string())?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&secret.data("ca.crt")).unwrap()).map_err(|e| e.to_string())?;
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(server)).unwrap(), socket);
        // Fails when the client hangs up on a name that it does not like: the client's error is the one to look at.
        let _ = stream.write_all(b"hello");
        stream.conn.send_close_notify();
        let _ = stream.flush();
    });
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(client), name).unwrap(), socket);
    let mut heard = String::new();
    stream.read_to_string(&mut heard).map_err(|e| e.to_string())?;
    Ok(heard)
}
