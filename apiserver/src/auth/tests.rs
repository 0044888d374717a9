use http::HeaderValue;
use serde_json::{Value, json};

use super::*;
use crate::{
    object::{GroupResource, Key},
    request::{Target, Verb},
    server::{ApiServer, Settings},
};

fn now() -> Timestamp {
    "2030-01-01T00:00:00Z".parse().unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_secs(seconds)
}

/// A server with the ServiceAccount `x/name`, UID `1`.
fn server() -> ApiServer {
    let server = ApiServer::new(Settings::default());
    put(&server, "serviceaccounts", "name", "1");
    server
}

fn put(server: &ApiServer, plural: &str, name: &str, uid: &str) {
    let object =
        json!({ "metadata": { "name": name, "namespace": "x", "uid": uid }, "spec": { "serviceAccountName": "name" } });
    server.shared.lock().store.put(&GroupResource::new("", plural), Key::new("x", name), object);
}

fn target(group: &str, plural: &str, name: &str, subresource: &str) -> Target {
    Target {
        verb: Verb::Create,
        group: group.into(),
        version: "v1".into(),
        namespace: if name.is_empty() { String::new() } else { "x".into() },
        plural: plural.into(),
        name: name.into(),
        subresource: subresource.into(),
    }
}

fn request_token(server: &ApiServer, body: Value) -> Result<Value> {
    create_token(&mut server.shared.lock(), &target("", "serviceaccounts", "name", "token"), &body, now())
}

fn token(server: &ApiServer, spec: Value) -> String {
    let answer = request_token(server, json!({ "spec": spec })).expect("a token");
    answer["status"]["token"].as_str().expect("a token").to_owned()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
}

fn who(server: &ApiServer, pairs: &[(&'static str, &str)], now: Timestamp) -> Result<User> {
    authenticate(&server.shared.lock(), &headers(pairs), now)
}

fn with_token(server: &ApiServer, token: &str, now: Timestamp) -> Result<User> {
    who(server, &[("authorization", &format!("Bearer {token}"))], now)
}

#[test]
fn with_credentials_of_another_kind_it_is_nobody() {
    for wrong in ["Basic Zm9v", "rubbish", ""] {
        assert_eq!(who(&server(), &[("authorization", wrong)], now()), Err(Status::unauthorized()), "{wrong:?}");
    }
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    let server = server();
    let token = token(&server, json!({ "expirationSeconds": 600 }));
    assert!(with_token(&server, &token, later(599)).is_ok());
    assert_eq!(with_token(&server, &token, later(600)), Err(Status::unauthorized()));
}

fn ask(server: &ApiServer, user: &User, group: &str, plural: &str, body: Value) -> Result<Value> {
    review(&server.shared.lock().store, user, &target(group, plural, "", ""), &body).expect("a review")
}

#[test]
fn what_may_i() {
    let server = server();
    let ask = |spec: Value| {
        let user = User::service_account("x", "name", "1");
        ask(&server, &user, "authorization.k8s.io", "selfsubjectrulesreviews", json!({ "spec": spec }))
    };
    let status = ask(json!({ "namespace": "x" })).unwrap()["status"].take();
    assert_eq!(
        status["resourceRules"][0],
        json!({
            "verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
            "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        })
    );
    assert_eq!(status["nonResourceRules"].as_array().map(Vec::len), Some(2));
    assert_eq!(status["incomplete"], false);
    assert_eq!(ask(json!({})).unwrap_err(), Status::bad_request("no namespace on request"));
}
