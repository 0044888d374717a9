use http::HeaderValue;
use serde_json::json;

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

fn remove(server: &ApiServer, plural: &str, name: &str) {
    server.shared.lock().store.remove(&GroupResource::new("", plural), &Key::new("x", name));
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
    create_token(&mut server.shared.lock(), &target("", "serviceaccounts", "name", "token"), body, now())
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
fn without_a_token_it_is_the_administrator() {
    let server = server();
    assert_eq!(who(&server, &[], now()), Ok(User::admin()));
}

#[test]
fn with_credentials_of_another_kind_it_is_nobody() {
    for wrong in ["Basic Zm9v", "rubbish", ""] {
        assert_eq!(who(&server(), &[("authorization", wrong)], now()), Err(Status::unauthorized()), "{wrong:?}");
    }
}

#[test]
fn a_token_is_its_account() {
    let server = server();
    let token = token(&server, json!({}));
    let user = with_token(&server, &token, now()).unwrap();
    assert_eq!(user, User::service_account("x", "name", "1"));
    assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:x", "system:authenticated"]);
    let lower = format!("bearer {token}");
    assert_eq!(who(&server, &[("authorization", &lower)], now()), Ok(user), "the scheme in any case");
}

#[test]
fn any_other_token_is_refused() {
    let server = server();
    for value in ["Bearer nonsense", "Bearer ", "Bearer"] {
        assert_eq!(who(&server, &[("authorization", value)], now()), Err(Status::unauthorized()), "{value}");
    }
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    let server = server();
    let token = token(&server, json!({ "expirationSeconds": 600 }));
    assert!(with_token(&server, &token, later(599)).is_ok());
    assert_eq!(with_token(&server, &token, later(600)), Err(Status::unauthorized()));
}

#[test]
fn a_token_ends_with_its_account() {
    let server = server();
    let token = token(&server, json!({}));
    remove(&server, "serviceaccounts", "name");
    assert_eq!(with_token(&server, &token, now()), Err(Status::unauthorized()));
    put(&server, "serviceaccounts", "name", "2");
    assert_eq!(with_token(&server, &token, now()), Err(Status::unauthorized()), "a new account is another one");
}

#[test]
fn a_token_ends_with_what_it_is_bound_to() {
    let server = server();
    let bound = |kind: &str| json!({ "boundObjectRef": { "apiVersion": "v1", "kind": kind, "name": "a" } });
    let missing = request_token(&server, json!({ "spec": bound("Pod") })).unwrap_err();
    assert_eq!(missing, Status::not_found("", "pods", "a"));
    for (kind, plural) in [("Pod", "pods"), ("Secret", "secrets")] {
        put(&server, plural, "a", "7");
        let token = token(&server, bound(kind));
        assert!(with_token(&server, &token, now()).is_ok());
        remove(&server, plural, "a");
        assert_eq!(with_token(&server, &token, now()), Err(Status::unauthorized()), "{kind}");
    }
    let refused = request_token(&server, json!({ "spec": bound("Node") })).unwrap_err();
    assert_eq!((refused.code, &*refused.message), (400, "cannot bind token to object of type /v1, Kind=Node"));
}

#[test]
fn a_token_for_another_audience_opens_nothing_here() {
    let server = server();
    let elsewhere = token(&server, json!({ "audiences": ["vault"] }));
    assert_eq!(with_token(&server, &elsewhere, now()), Err(Status::unauthorized()));
    let both = token(&server, json!({ "audiences": ["vault", "https://kubernetes.default.svc"] }));
    assert!(with_token(&server, &both, now()).is_ok());
}

#[test]
fn the_answer_to_a_token_request_has_the_real_ones_shape() {
    let server = server();
    let mut answer = request_token(&server, json!({})).unwrap();
    let token = answer["status"]["token"].take();
    assert_eq!(token.as_str().map(str::len), Some(64));
    assert_eq!(
        answer,
        json!({
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
            "metadata": { "name": "name", "namespace": "x", "uid": "1", "creationTimestamp": "2030-01-01T00:00:00Z" },
            "spec": {
                "audiences": ["https://kubernetes.default.svc"], "expirationSeconds": 3600, "boundObjectRef": null,
            },
            "status": { "token": null, "expirationTimestamp": "2030-01-01T01:00:00Z" },
        })
    );
    assert_ne!(self::token(&server, json!({})), self::token(&server, json!({})));
}

#[test]
fn a_wrong_token_request_is_refused_in_the_real_words() {
    let server = server();
    let invalid = "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: ";
    for (body, code, message) in [
        (
            json!({ "spec": { "expirationSeconds": 599 } }),
            422,
            &*format!("{invalid}599: may not specify a duration less than 10 minutes"),
        ),
        (
            json!({ "spec": { "expirationSeconds": 4_294_967_297_u64 } }),
            422,
            &format!("{invalid}4294967297: may not specify a duration larger than 2^32 seconds"),
        ),
        (
            json!({ "metadata": { "name": "other" } }),
            422,
            "TokenRequest.authentication.k8s.io \"name\" is invalid: metadata.name: Invalid value: \"other\": \
             must match the service account name if specified",
        ),
        (
            json!({ "metadata": { "namespace": "other" } }),
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            json!({ "kind": "Pod", "apiVersion": "v1" }),
            400,
            "Pod in version \"v1\" cannot be handled as a TokenRequest: converting (v1.Pod) to \
             (authentication.TokenRequest): unknown conversion",
        ),
        (
            json!({ "spec": { "expirationSeconds": "x" } }),
            400,
            "TokenRequest in version \"v1\" cannot be handled as a TokenRequest: json: cannot unmarshal string into \
             Go struct field TokenRequestSpec.spec.expirationSeconds of type int64",
        ),
    ] {
        let refused = request_token(&server, body).unwrap_err();
        assert_eq!((refused.code, &*refused.message), (code, message));
    }
    for body in [json!([]), json!("x"), json!({ "spec": { "expirationSeconds": u64::MAX } })] {
        assert_eq!(request_token(&server, body).unwrap_err().code, 400);
    }
    let nobody = target("", "serviceaccounts", "none", "token");
    let refused = create_token(&mut server.shared.lock(), &nobody, json!({}), now()).unwrap_err();
    assert_eq!(refused, Status::not_found("", "serviceaccounts", "none"));
}

#[test]
fn the_administrator_may_be_anybody() {
    let server = server();
    let account = who(&server, &[("impersonate-user", "system:serviceaccount:x:name")], now()).unwrap();
    assert_eq!(account, User::service_account("x", "name", ""));
    let bob = who(&server, &[("impersonate-user", "bob"), ("impersonate-group", "g")], now()).unwrap();
    assert_eq!((&*bob.name, bob.groups), ("bob", vec!["g".to_owned(), "system:authenticated".to_owned()]));
    let nobody = who(&server, &[("impersonate-user", "system:anonymous")], now()).unwrap();
    assert_eq!(nobody.groups, ["system:unauthenticated"]);
    let refused = who(&server, &[("impersonate-group", "g")], now()).unwrap_err();
    assert_eq!(
        (refused.code, &*refused.message),
        (
            400,
            "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"g\"}, Extra:map[string][]string(nil)} \
             without impersonating a user name"
        )
    );
}

#[test]
fn others_need_the_right_to_impersonate() {
    let server = server();
    let bearer = format!("Bearer {}", token(&server, json!({})));
    let refused = who(&server, &[("authorization", &bearer), ("impersonate-user", "bob")], now()).unwrap_err();
    assert_eq!(
        (refused.code, &*refused.message),
        (
            403,
            "users \"bob\" is forbidden: User \"system:serviceaccount:x:name\" cannot impersonate resource \"users\" \
             in API group \"\" at the cluster scope"
        )
    );
}

fn ask(server: &ApiServer, user: &User, group: &str, plural: &str, body: Value) -> Result<Value> {
    review(&server.shared.lock(), user, &target(group, plural, "", ""), &body).expect("a review")
}

#[test]
fn who_am_i() {
    let server = server();
    let ask = |user| ask(&server, &user, "authentication.k8s.io", "selfsubjectreviews", json!({})).unwrap();
    assert_eq!(
        ask(User::service_account("x", "name", "1"))["status"]["userInfo"],
        json!({
            "username": "system:serviceaccount:x:name", "uid": "1",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:x", "system:authenticated"],
        })
    );
    assert_eq!(ask(User::admin())["status"]["userInfo"]["username"], "system:admin");
}

#[test]
fn may_i() {
    let server = server();
    let ask = |user: User, spec: Value| {
        let body = json!({ "spec": spec });
        ask(&server, &user, "authorization.k8s.io", "selfsubjectaccessreviews", body)
    };
    let account = || User::service_account("x", "name", "1");
    let list = json!({ "resourceAttributes": { "namespace": "x", "verb": "list", "resource": "pods" } });
    assert_eq!(ask(account(), list.clone()).unwrap()["status"], json!({ "allowed": false }));
    assert_eq!(ask(User::admin(), list.clone()).unwrap()["status"], json!({ "allowed": true }));
    let version = json!({ "nonResourceAttributes": { "verb": "get", "path": "/version" } });
    assert_eq!(ask(account(), version.clone()).unwrap()["status"]["allowed"], true);
    let neither = ask(account(), json!({})).unwrap_err();
    assert_eq!(
        neither.message,
        ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: null: \
         exactly one of nonResourceAttributes or resourceAttributes must be specified"
    );
    let mut both = list;
    both["nonResourceAttributes"] = version["nonResourceAttributes"].clone();
    assert_eq!(
        ask(account(), both).unwrap_err().message,
        ".authorization.k8s.io \"\" is invalid: spec.nonResourceAttributes: Invalid value: \
         {\"Path\":\"/version\",\"Verb\":\"get\"}: cannot be specified in combination with resourceAttributes"
    );
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

#[test]
fn of_more_tokens_than_are_remembered_the_one_that_would_expire_first_goes() {
    let server = server();
    let first = token(&server, json!({ "expirationSeconds": 601 }));
    let shortest = token(&server, json!({ "expirationSeconds": 600 }));
    let mut last = String::new();
    for _ in 0..token::CAPACITY - 1 {
        last = token(&server, json!({}));
    }
    assert_eq!(with_token(&server, &shortest, now()), Err(Status::unauthorized()), "it made room");
    assert!(with_token(&server, &first, now()).is_ok() && with_token(&server, &last, now()).is_ok());
    // What has expired goes before anything that is still good.
    let body = json!({ "spec": { "expirationSeconds": 600 } });
    let target = target("", "serviceaccounts", "name", "token");
    let answer = create_token(&mut server.shared.lock(), &target, body, later(602)).unwrap();
    assert!(with_token(&server, answer["status"]["token"].as_str().unwrap(), later(602)).is_ok());
    assert_eq!(with_token(&server, &first, now()), Err(Status::unauthorized()));
    assert!(with_token(&server, &last, later(602)).is_ok());
}
