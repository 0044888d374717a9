//! Tokens of ServiceAccounts.

use serde_json::json;

use crate::{
    objects::pod,
    wait::expect,
    world::{Differs, World},
};

/// The answer is the request with its token; default lifetime an hour.
pub fn a_token_is_made_for_a_service_account(w: &World) {
    let account = w.post("serviceaccounts", &json!({ "metadata": { "name": "app" } })).is(201);
    let answer = w.post("serviceaccounts/app/token", &json!({})).is(201);
    let kind = json!([answer["kind"], answer["apiVersion"]]);
    assert_eq!(kind, json!(["TokenRequest", "authentication.k8s.io/v1"]));
    assert_eq!(answer["metadata"]["name"], "app");
    assert_eq!(answer["metadata"]["uid"], account["metadata"]["uid"]);
    assert_eq!(answer["spec"]["expirationSeconds"], 3600);
    let expires = answer["status"]["expirationTimestamp"].as_str().expect("a time");
    assert!(expires > account["metadata"]["creationTimestamp"].as_str().expect("a time"));
    let app = w.with_token(answer["status"]["token"].as_str().expect("a token"));
    app.get("pods").refusal(403, "Forbidden");
}

/// What a token may not be made of.
pub fn a_token_lives_ten_minutes_at_least_and_needs_its_account(w: &World) {
    w.post("serviceaccounts", &json!({ "metadata": { "name": "app" } })).is(201);
    let answer = w.post("serviceaccounts/app/token", &json!({ "spec": { "expirationSeconds": 60 } }));
    let message = "Invalid value: 60: may not specify a duration less than 10 minutes";
    answer.invalid(json!([["FieldValueInvalid", "spec.expirationSeconds", message]]));
    let message = "serviceaccounts \"none\" not found";
    w.post("serviceaccounts/none/token", &json!({})).refused(404, "NotFound", message);
}

/// A token that nobody made is nobody's, not anonymous.
pub fn a_token_that_nobody_made_is_unauthorized(w: &World) {
    w.with_token("nonsense").get("pods").refused(401, "Unauthorized", "Unauthorized");
}

/// It is for this server, or for somebody else.
pub fn a_token_for_another_audience_is_unauthorized(w: &World) {
    w.post("serviceaccounts", &json!({ "metadata": { "name": "app" } })).is(201);
    let answer = w.post("serviceaccounts/app/token", &json!({ "spec": { "audiences": ["elsewhere"] } })).is(201);
    let app = w.with_token(answer["status"]["token"].as_str().expect("a token"));
    app.get("pods").refused(401, "Unauthorized", "Unauthorized");
}

/// A token ends with its account, not with the account's name: the UID decides. (The real server remembers for ten
/// seconds what it has found good.)
pub fn a_token_ends_with_its_service_account(w: &World) {
    let account = json!({ "metadata": { "name": "app" } });
    w.post("serviceaccounts", &account).is(201);
    let answer = w.post("serviceaccounts/app/token", &json!({})).is(201);
    let app = w.with_token(answer["status"]["token"].as_str().expect("a token"));
    app.get("pods").is(403);
    w.delete("serviceaccounts/app").is(200);
    w.post("serviceaccounts", &account).is(201);
    w.eventually("the token is no longer good", || {
        let answer = app.get("pods");
        expect(answer.code == 401, answer.text)
    });
}

/// Alone: where a pod's account is asked for. The real server's plugin that does so waits for what a controller makes.
pub fn a_pod_needs_no_account_and_is_given_no_token(w: &World) {
    let codes = [w.get("serviceaccounts/default").code, w.post("pods", &pod("a")).code];
    w.differs("no-pod-accounts", codes, Differs { embedded: [404, 201], real: [404, 403] });
    w.post("serviceaccounts", &json!({ "metadata": { "name": "default" } })).is(201);
    let volume = w.post("pods", &pod("b")).is(201)["spec"]["volumes"][0]["name"].clone();
    let has_token = volume.as_str().is_some_and(|name| name.starts_with("kube-api-access-"));
    w.differs("no-pod-accounts", has_token, Differs { embedded: false, real: true });
}

/// A token that ends with a pod or a Secret is refused, not made without that bond.
pub fn tokens_are_bound_to_no_object(w: &World) {
    w.post("serviceaccounts", &json!({ "metadata": { "name": "app" } })).is(201);
    w.post("secrets", &json!({ "metadata": { "name": "a" } })).is(201);
    let bound = json!({ "boundObjectRef": { "apiVersion": "v1", "kind": "Secret", "name": "a" } });
    let code = w.post("serviceaccounts/app/token", &json!({ "spec": bound })).code;
    w.differs("unbound-tokens", code, Differs { embedded: 422, real: 201 });
}
