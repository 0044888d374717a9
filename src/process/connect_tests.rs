use std::{collections::HashMap, sync::Mutex};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
};

use super::*;
use crate::{
    process::settings::{ROW, Setting, Settings, Table},
    testing::Folder,
};

static CONFIG: Setting = Setting { flag: "config", env: "CONFIG_FILE", ..ROW };
static TABLE: Table = &[(
    "",
    &[
        &target::KUBECONFIG,
        &target::CONTEXT,
        &target::API_ENDPOINT,
        &target::TOKEN,
        &target::TOKEN_FILE,
        &target::CA,
        &CONFIG,
    ],
)];

/// Connects as these flags (by their variables' names) and this `HOME` say.
async fn connected(flags: &[(&'static str, &str)], home: &Path) -> Result<Connection, Refusal> {
    connected_in(&[], flags, home).await
}

/// The same in an environment. The service account's files are in the folder `account`.
pub async fn connected_in(
    env: &[(&str, &str)],
    flags: &[(&'static str, &str)],
    home: &Path,
) -> Result<Connection, Refusal> {
    let flags: HashMap<_, _> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let env = |name: &str| match name {
        "HOME" => Some(home.as_os_str().to_owned()),
        _ => env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into()),
    };
    let settings = Settings::collect(TABLE, flags, &env, &CONFIG, &[], &|path| std::fs::read_to_string(path))?;
    let (target, warnings) = target::decide(&settings)?;
    connect(target, warnings, &env, &home.join("account")).await
}

/// A server that answers everything with this status, and the `Authorization` headers it has seen.
async fn server(status: StatusCode) -> (String, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let router = Router::new().fallback(move |headers: HeaderMap| async move {
        let header = headers.get(AUTHORIZATION).map_or("none", |value| value.to_str().unwrap());
        log.lock().unwrap().push(header.to_owned());
        (status, "{}")
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), seen)
}

pub async fn ask(connection: &Connection) -> Result<String, kube::Error> {
    connection.client.request_text(http::Request::get("/version").body(Vec::new()).unwrap()).await
}

#[tokio::test]
async fn a_token_goes_along_with_every_request_whichever_way_it_was_given() {
    let (url, seen) = server(StatusCode::OK).await;
    let home = Folder::new("connect").with(&[("token", "from-file\n")]);
    let file = home.join("token");
    for (flags, expected) in [
        (vec![], "none"),
        (vec![("K8S_TOKEN", "inline")], "Bearer inline"),
        // With the line end that `oc whoami -t > token` leaves.
        (vec![("DEMO_CONTROLLER_TOKEN_FILE", file.to_str().unwrap())], "Bearer from-file"),
    ] {
        let flags: Vec<_> = [("K8S_API_ENDPOINT", url.as_str())].into_iter().chain(flags).collect();
        let connection = connected(&flags, &home).await.unwrap();
        ask(&connection).await.unwrap();
        assert_eq!(seen.lock().unwrap().pop().as_deref(), Some(expected));
        assert_eq!(connection.server, format!("{url} (--api-endpoint)"));
        assert_eq!(connection.default_namespace, "default");
    }
}

#[tokio::test]
async fn a_kubeconfigs_token_file_may_end_in_a_line_end_and_beats_its_inline_token() {
    let (url, seen) = server(StatusCode::OK).await;
    let kubeconfig = format!(
        "{{current-context: a, contexts: [{{name: a, context: {{cluster: c, user: u, namespace: team}}}}],
           clusters: [{{name: c, cluster: {{server: '{url}'}}}}],
           users: [{{name: u, user: {{tokenFile: ../token, token: inline}}}}]}}"
    );
    let home = Folder::new("connect").with(&[("token", "from-file\n"), (".kube/config", &kubeconfig)]);
    let connection = connected(&[], &home).await.unwrap();
    ask(&connection).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["Bearer from-file"]);
    assert_eq!(connection.default_namespace, "team");
}

#[tokio::test]
async fn one_request_is_one_attempt() {
    let (url, seen) = server(StatusCode::SERVICE_UNAVAILABLE).await;
    let connection = connected(&[("K8S_API_ENDPOINT", &url)], Path::new("/nowhere")).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), ask(&connection)).await;
    answer.expect("one attempt takes no time, fifteen take minutes").unwrap_err();
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_ca_is_certificates_in_pem_and_nothing_less() {
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = rcgen::CertificateParams::new(vec!["ca".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let (first, _) = pem.split_at(pem.len() / 2);
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let files =
        [("ok", pem.clone()), ("cut", first.to_owned()), ("hollow", hollow.to_owned()), ("key", key.serialize_pem())];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let home = Folder::new("connect").with(&files);
    for (name, _) in files {
        let file = home.join(name);
        let flags = [("K8S_API_ENDPOINT", "127.0.0.1:1"), ("K8S_CA", file.to_str().unwrap())];
        match connected(&flags, &home).await {
            Ok(_) => assert_eq!(name, "ok"),
            Err(refusal) => {
                assert!(refusal.to_string().ends_with("expected CA certificates in PEM"), "{name}: {refusal}")
            }
        }
    }
}

#[tokio::test]
async fn an_empty_kubeconfig_that_nobody_asked_for_is_none() {
    let home = Folder::new("connect").with(&[(".kube/config", "apiVersion: v1\nkind: Config\ncontexts: []\n")]);
    let refusal = connected(&[], &home).await.err().unwrap();
    assert!(refusal.to_string().starts_with("no API server to connect to: give "), "{refusal}");
    assert_eq!(refusal.code, 2);
}
