use std::time::Duration;

use testkit::Folder;

use super::{
    super::{
        Settings, build_client,
        tests::{FakeServer, get},
        tls::PemSource,
    },
    *,
};

/// Returns the settings for a server, with a client certificate in files.
fn settings(server: &FakeServer, folder: &Folder) -> Settings {
    let file = |name: &str| PemSource::File(folder.join(name));
    let identity = Some((file("client.crt"), file("client.key")));
    let config = Config::new(format!("https://127.0.0.1:{}", server.port).parse().unwrap());
    Settings { config, tls: TlsSources { ca: Some(file("ca.crt")), identity }, auth: Auth::Config }
}

/// After this, files are read again.
async fn pass_11_s() {
    // Not paused during a request: the clock would advance to the time limit.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn replaced_client_certificate_and_ca_are_used() {
    let (server, other) = (FakeServer::https(), FakeServer::https());
    let (first, second) = (server.client_certificate(), server.client_certificate());
    let folder =
        Folder::new("rotation").with(&[("ca.crt", &server.ca), ("client.crt", &first.1), ("client.key", &first.2)]);
    let client = build_client(settings(&server, &folder)).await.unwrap();
    get(&client).await.unwrap();
    assert_eq!(server.take_seen()[0].certificate.as_ref(), Some(&first.0));

    // Of a pair that does not match, the last one stays in use.
    folder.file("client.crt", &second.1);
    pass_11_s().await;
    get(&client).await.unwrap();
    assert_eq!(server.take_seen()[0].certificate.as_ref(), Some(&first.0));

    folder.file("client.key", &second.2);
    folder.file("ca.crt", &(other.ca.clone() + &server.ca));
    pass_11_s().await;
    get(&client).await.unwrap();
    assert_eq!(server.take_seen()[0].certificate.as_ref(), Some(&second.0));

    folder.file("ca.crt", &other.ca);
    pass_11_s().await;
    assert!(error_chain(&get(&client).await.unwrap_err()).contains("certificate"));
}

#[tokio::test]
async fn client_whose_task_panicked_is_built_again() {
    // kube panics at a request to a URL without a scheme, which the checks of the server refuse.
    let config = Config::new("127.0.0.1:1".parse().unwrap());
    let transport = Transport::new(config, TlsSources::default(), Auth::Config).await.unwrap();
    for _ in 0..2 {
        assert!(transport.built.lock().is_some());
        let request = Request::get("/").body(Body::empty()).unwrap();
        assert!(transport.send(request).await.is_err());
        assert!(transport.built.lock().is_none(), "a dead client is dropped");
        transport.client(None).unwrap();
    }
}
