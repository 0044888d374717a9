//! Kubeconfigs that kubectl and this project have to understand in the same way.

use std::{fs, os::unix::fs::PermissionsExt};

use daemon::{
    child::ChildGroup,
    connect::{Target, connect},
    error_chain,
};
use http::Request;
use serde_json::{Value, json};
use testkit::{Folder, control_plane::TOKEN};

use crate::{api::RUNTIME, kubectl::Kubectl, test_env::TestEnv};

const REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// Of each kubeconfig, both either name the same user or fail.
pub fn kubeconfig_means_what_it_means_to_kubectl(env: &mut TestEnv) {
    let kubectl = env.servers.kubectl().expect("a real server has kubectl");
    let folder = files(env);
    let wrong: Vec<String> = cases(env)
        .iter()
        .filter_map(|(name, files)| {
            let paths = files.iter().enumerate().map(|(n, text)| folder.file(&format!("config-{n}"), text));
            let paths = paths.map(|path| path.display().to_string()).collect::<Vec<_>>().join(":");
            let (theirs, ours) = (user_of_kubectl(kubectl, &paths), user(&paths));
            let is_same = match (&theirs, &ours) {
                (Ok(theirs), Ok(ours)) => theirs == ours,
                (theirs, ours) => theirs.is_err() && ours.is_err(),
            };
            (!is_same).then(|| format!("{name}\n  kubectl: {theirs:?}\n  here:    {ours:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns a folder with the CA, a client certificate and plugins.
fn files(env: &TestEnv) -> Folder {
    let read = |name: &str| fs::read_to_string(env.dir.join(name)).expect("a file of the control plane");
    let folder = Folder::new("connection").with(&[
        ("ca.crt", &read("ca.crt")),
        ("client.crt", &read("client.crt")),
        ("client.key", &read("client.key")),
        ("token", &format!("{TOKEN}\n")),
        ("empty", ""),
    ]);
    let credential = |version: &str, status: Value| json!({ "apiVersion": format!("client.authentication.k8s.io/{version}"), "kind": "ExecCredential", "status": status });
    let certificate = json!({ "clientCertificateData": read("client.crt"), "clientKeyData": read("client.key") });
    for (name, printed) in [
        ("plugin-v1", credential("v1", json!({ "token": TOKEN }))),
        ("plugin-v1beta1", credential("v1beta1", json!({ "token": TOKEN }))),
        ("plugin-certificate", credential("v1", certificate)),
        ("plugin-half", credential("v1", json!({ "clientKeyData": read("client.key") }))),
        ("plugin-nothing", credential("v1", json!({}))),
        ("plugin-no-status", json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential" })),
        ("plugin-other-kind", json!({ "apiVersion": "v1", "kind": "Pod", "status": { "token": TOKEN } })),
        ("plugin-bad-time", credential("v1", json!({ "token": TOKEN, "expirationTimestamp": "soon" }))),
    ] {
        let script = folder.file(name, &format!("#!/bin/sh\ncat <<'END'\n{printed}\nEND\n"));
        fs::set_permissions(script, fs::Permissions::from_mode(0o755)).expect("a script");
    }
    folder
}

/// Returns the cases: a name and the files.
fn cases(env: &TestEnv) -> Vec<(String, Vec<String>)> {
    let port = env.servers.port();
    let server = format!("https://127.0.0.1:{port}");
    let data = |name: &str| Value::from(base64(&fs::read(env.dir.join(name)).expect("a file")));
    let (token, pair) =
        (json!({ "token": TOKEN }), json!({ "client-certificate": "client.crt", "client-key": "client.key" }));
    let with = |base: &Value, more: Value| {
        let mut all = base.clone();
        all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        all
    };
    let exec = |command: &str, version: &str, more: Value| {
        let version = format!("client.authentication.k8s.io/{version}");
        let base = json!({ "apiVersion": version, "command": command, "interactiveMode": "IfAvailable" });
        json!({ "exec": with(&base, more) })
    };
    let none = || json!({});
    let users = [
        token.clone(),
        none(),
        with(&token, json!({ "tokenFile": "", "username": "", "password": "", "client-certificate": "" })),
        with(&pair, json!({ "token": "", "client-certificate-data": "", "client-key-data": "" })),
        with(&pair, token.clone()),
        with(&token, json!({ "username": "me" })),
        json!({ "username": "me", "password": "wrong" }),
        json!({ "tokenFile": "token" }),
        json!({ "tokenFile": "token", "token": "wrong" }),
        json!({ "tokenFile": "missing", "token": TOKEN }),
        json!({ "tokenFile": "missing" }),
        json!({ "tokenFile": "empty", "token": TOKEN }),
        json!({ "token": 5 }),
        json!({ "client-certificate-data": data("client.crt"), "client-key-data": data("client.key") }),
        with(&pair, json!({ "client-certificate-data": data("client.crt") })),
        json!({ "client-certificate": "client.crt", "client-key-data": data("client.key") }),
        json!({ "client-certificate": "client.crt" }),
        json!({ "client-key": "client.key" }),
        json!({ "client-certificate": "client.crt", "client-key": "ca.crt" }),
        json!({ "client-certificate": "missing", "client-key": "client.key" }),
        with(&pair, exec("./plugin-v1", "v1", none())),
        exec("./plugin-v1", "v1", none()),
        with(&json!({ "token": "" }), exec("./plugin-v1", "v1", none())),
        with(&token, exec("./missing", "v1", none())),
        exec("./missing", "v1", none()),
        exec("sh", "v1", json!({ "args": ["plugin-v1"] })),
        exec(
            "sh",
            "v1",
            json!({ "args": ["-c", "cat $PLUGIN | sh"], "env": [{ "name": "PLUGIN", "value": "missing" }] }),
        ),
        exec("./plugin-v1beta1", "v1beta1", json!({ "interactiveMode": "" })),
        exec("./plugin-v1", "v1", json!({ "interactiveMode": null })),
        exec("./plugin-v1", "v1", json!({ "interactiveMode": "Never" })),
        exec("./plugin-v1", "v1", json!({ "interactiveMode": "Always" })),
        exec("./plugin-v1", "v1", json!({ "interactiveMode": "never" })),
        exec("./plugin-v1", "v1", json!({ "provideClusterInfo": true })),
        exec("./plugin-v1", "v1beta1", none()),
        exec("./plugin-v1", "v1alpha1", none()),
        exec("", "v1", none()),
        exec("./plugin-certificate", "v1", none()),
        exec("./plugin-half", "v1", none()),
        exec("./plugin-nothing", "v1", none()),
        exec("./plugin-no-status", "v1", none()),
        exec("./plugin-other-kind", "v1", none()),
        exec("./plugin-bad-time", "v1", none()),
        with(&exec("./plugin-v1", "v1", none()), json!({ "auth-provider": { "name": "oidc" } })),
        json!({ "auth-provider": { "name": "gcp" } }),
        json!({ "auth-provider": { "name": "none-such" } }),
        with(&token, json!({ "as": "other" })),
        with(&token, json!({ "as": "", "as-groups": [] })),
        with(&token, json!({ "as-groups": ["group"] })),
        with(
            &token,
            json!({ "as": "other", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": { "key": ["x"] } }),
        ),
    ];
    let ca = json!({ "server": server, "certificate-authority": "ca.crt" });
    let clusters = [
        json!({ "server": server, "certificate-authority-data": data("ca.crt") }),
        with(&ca, json!({ "certificate-authority-data": "", "tls-server-name": "", "proxy-url": "" })),
        json!({ "server": server, "certificate-authority": "", "certificate-authority-data": data("ca.crt") }),
        with(&ca, json!({ "certificate-authority-data": data("ca.crt") })),
        with(&ca, json!({ "insecure-skip-tls-verify": true })),
        json!({ "server": server, "insecure-skip-tls-verify": true }),
        json!({ "server": server, "insecure-skip-tls-verify": "true" }),
        json!({ "server": server }),
        json!({ "server": server, "certificate-authority": "missing" }),
        json!({ "server": server, "certificate-authority": "token" }),
        json!({ "server": server, "certificate-authority": "client.key" }),
        json!({ "server": server, "certificate-authority-data": "no base64" }),
        with(&ca, json!({ "tls-server-name": "localhost" })),
        with(&ca, json!({ "tls-server-name": "other" })),
        with(&ca, json!({ "server": format!("127.0.0.1:{port}") })),
        with(&ca, json!({ "server": format!("localhost:{port}/") })),
        with(&ca, json!({ "server": format!("{server}/") })),
        with(&ca, json!({ "server": "" })),
        with(&ca, json!({ "server": "ftp://127.0.0.1" })),
        with(&ca, json!({ "server": "https://127.0.0.1:99999" })),
        json!({ "server": format!("127.0.0.1:{port}") }),
        with(&ca, json!({ "proxy-url": "http://127.0.0.1:1" })),
        with(&ca, json!({ "proxy-url": "127.0.0.1:1" })),
        with(&ca, json!({ "proxy-url": "ftp://127.0.0.1" })),
        with(&ca, json!({ "disable-compression": true })),
    ];
    let config = |cluster: &Value, user: &Value| {
        json!({
            "current-context": "a", "contexts": [{ "name": "a", "context": { "cluster": "c", "user": "u" } }],
            "clusters": [{ "name": "c", "cluster": cluster }], "users": [{ "name": "u", "user": user }],
        })
    };
    let good = config(&ca, &token);
    let changed = |path: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(path).expect("a field") = value;
        changed.to_string()
    };
    let empty = r#"{"current-context": "", "contexts": null, "clusters": null, "users": null}"#.to_owned();
    let mut cases: Vec<_> = users.iter().map(|user| (user.to_string(), vec![config(&ca, user).to_string()])).collect();
    cases.extend(clusters.iter().map(|cluster| (cluster.to_string(), vec![config(cluster, &token).to_string()])));
    let other_user = json!([{ "name": "u", "user": { "token": "wrong" } }]);
    for files in [
        vec![empty.clone(), good.to_string()],
        vec![String::new(), good.to_string()],
        vec![good.to_string(), empty.clone()],
        vec![empty],
        vec![json!({ "users": other_user }).to_string(), good.to_string()],
        vec![good.to_string(), json!({ "users": other_user, "current-context": "b" }).to_string()],
        vec![json!({ "current-context": "b" }).to_string(), good.to_string()],
        vec![changed("/current-context", json!(""))],
        vec![changed("/contexts/0/context", json!({ "cluster": "c" }))],
        vec![changed("/contexts/0/context", json!({ "cluster": "c", "user": "missing" }))],
        vec![changed("/contexts/0/context", json!({ "cluster": "missing", "user": "u" }))],
        vec![changed("/contexts/0/context", Value::Null)],
        vec![changed("/users/0/user", Value::Null)],
        vec![with(&good, json!({ "kind": "Config", "apiVersion": "v1", "preferences": {} })).to_string()],
        vec![with(&good, json!({ "kind": "Pod", "apiVersion": "v1" })).to_string()],
        vec![with(&good, json!({ "kind": "Config", "apiVersion": "v2" })).to_string()],
        vec![with(&good, json!({ "contexts": [good["contexts"][0], { "name": "b" }, { "name": "c", "context": { "user": "u" } }] })).to_string()],
        vec![with(&good, json!({ "clusters": [good["clusters"][0], { "name": "b", "cluster": {} }] })).to_string()],
        vec![with(&good, json!({ "unknown": [1, 2] })).to_string()],
        vec![format!("\u{feff}{good}")],
        vec![format!("# a comment\n---\n{good}\n")],
        vec!["[".to_owned()],
        vec!["text".to_owned()],
    ] {
        cases.push((files.join(" and "), files));
    }
    cases
}

fn user_of_kubectl(kubectl: &Kubectl, kubeconfig: &str) -> Result<String, String> {
    kubectl.run_as(kubeconfig, &["auth", "whoami", "--output=jsonpath={.status.userInfo.username}"])
}

fn user(kubeconfig: &str) -> Result<String, String> {
    RUNTIME.block_on(async {
        let target = Target::Kubeconfig { files: Some(kubeconfig.into()), context: None };
        let connection = connect(target, &ChildGroup::default()).await.map_err(|e| e.to_string())?;
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
        let request = Request::post(REVIEWS).header("content-type", "application/json");
        let request = request.body(review.to_string().into()).map_err(|e| e.to_string())?;
        let review: Value = connection.client.request(request).await.map_err(|e| error_chain(&e))?;
        Ok(review["status"]["userInfo"]["username"].as_str().unwrap_or_default().to_owned())
    })
}

fn base64(bytes: &[u8]) -> String {
    serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec()))
        .expect("a string")
        .as_str()
        .unwrap_or_default()
        .to_owned()
}
