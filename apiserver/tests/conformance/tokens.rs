//! Tokens of ServiceAccounts.

use serde_json::json;

use crate::{
    objects::pod,
    test_env::{PerServer, TestEnv},
    wait::expect,
};

/// The default lifetime is one hour.
pub fn token_request_returns_a_token(env: &TestEnv) {
    let account = env.post("serviceaccounts", &json!({ "metadata": { "name": "app" } })).expect(201);
    let response = env.post("serviceaccounts/app/token", &json!({})).expect(201);
    let kind = json!([response["kind"], response["apiVersion"]]);
    assert_eq!(kind, json!(["TokenRequest", "authentication.k8s.io/v1"]));
    assert_eq!(response["metadata"]["name"], "app");
    assert_eq!(response["metadata"]["uid"], account["metadata"]["uid"]);
    assert_eq!(response["spec"]["expirationSeconds"], 3600);
    let expires = response["status"]["expirationTimestamp"].as_str().expect("a time");
    assert!(expires > account["metadata"]["creationTimestamp"].as_str().expect("a time"));
    let app = env.with_token(response["status"]["token"].as_str().expect("a token"));
    app.get("pods").error_message(403, "Forbidden");
}

/// The lifetime is too short, or the account is absent.
pub fn invalid_token_request_is_rejected(env: &TestEnv) {
    env.post("serviceaccounts", &json!({ "metadata": { "name": "app" } })).expect(201);
    let response = env.post("serviceaccounts/app/token", &json!({ "spec": { "expirationSeconds": 60 } }));
    let message = "Invalid value: 60: may not specify a duration less than 10 minutes";
    response.expect_invalid(json!([["FieldValueInvalid", "spec.expirationSeconds", message]]));
    let message = "serviceaccounts \"none\" not found";
    env.post("serviceaccounts/none/token", &json!({})).expect_error(404, "NotFound", message);
}

pub fn unknown_token_is_unauthorized(env: &TestEnv) {
    env.with_token("nonsense").get("pods").expect_error(401, "Unauthorized", "Unauthorized");
}

pub fn token_for_another_audience_is_unauthorized(env: &TestEnv) {
    env.post("serviceaccounts", &json!({ "metadata": { "name": "app" } })).expect(201);
    let response =
        env.post("serviceaccounts/app/token", &json!({ "spec": { "audiences": ["elsewhere"] } })).expect(201);
    let app = env.with_token(response["status"]["token"].as_str().expect("a token"));
    app.get("pods").expect_error(401, "Unauthorized", "Unauthorized");
}

/// A token belongs to the UID of its account, not to the name. The real server caches a valid token for ten seconds.
pub fn token_is_invalid_after_its_account_is_deleted(env: &TestEnv) {
    let app = env.with_new_account();
    app.get("pods").expect(403);
    env.delete("serviceaccounts/app").expect(200);
    env.post("serviceaccounts", &json!({ "metadata": { "name": "app" } })).expect(201);
    env.eventually("the token is no longer valid", || {
        let response = app.get("pods");
        expect(response.code == 401, response.text)
    });
}

/// Serial, with the ServiceAccount admission plugin and without the controller that creates accounts.
pub fn pod_needs_no_account_and_gets_no_token(env: &TestEnv) {
    let codes = [env.get("serviceaccounts/default").code, env.post("pods", &pod("a")).code];
    env.assert_difference("no-pod-accounts", codes, PerServer { embedded: [404, 201], real: [404, 403] });
    env.post("serviceaccounts", &json!({ "metadata": { "name": "default" } })).expect(201);
    let volume = env.post("pods", &pod("b")).expect(201)["spec"]["volumes"][0]["name"].clone();
    let has_token = volume.as_str().is_some_and(|name| name.starts_with("kube-api-access-"));
    env.assert_difference("no-pod-accounts", has_token, PerServer { embedded: false, real: true });
}

pub fn token_bound_to_an_object_is_rejected(env: &TestEnv) {
    env.post("serviceaccounts", &json!({ "metadata": { "name": "app" } })).expect(201);
    env.post("secrets", &json!({ "metadata": { "name": "a" } })).expect(201);
    let bound = json!({ "boundObjectRef": { "apiVersion": "v1", "kind": "Secret", "name": "a" } });
    let code = env.post("serviceaccounts/app/token", &json!({ "spec": bound })).code;
    env.assert_difference("unbound-tokens", code, PerServer { embedded: 422, real: 201 });
}
