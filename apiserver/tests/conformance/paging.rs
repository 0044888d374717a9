//! `limit` and `continue`: a list in pages, all of one version.

use serde_json::json;

use crate::{
    objects::{ObjectExt, configmap, with_labels},
    test_env::TestEnv,
};

fn create_five(env: &TestEnv) {
    for name in ["a", "b", "c", "d", "e"] {
        env.post("configmaps", &with_labels(configmap(name), json!({ "all": "" }))).expect(201);
    }
}

pub fn limited_list_has_pages_and_a_remaining_count(env: &TestEnv) {
    create_five(env);
    let one = env.get("configmaps?limit=2").expect(200);
    assert_eq!((one.names(), &one["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(3)));
    let two = env.get(&format!("configmaps?limit=2&continue={}", one.continue_token())).expect(200);
    assert_eq!((two.names(), &two["metadata"]["remainingItemCount"]), (vec!["c", "d"], &json!(1)));
    let three = env.get(&format!("configmaps?limit=2&continue={}", two.continue_token())).expect(200);
    assert_eq!((three.names(), three.continue_token()), (vec!["e"], ""));
    assert_eq!(three["metadata"]["remainingItemCount"], json!(null));
    let all = env.get("configmaps?limit=5").expect(200);
    assert_eq!((all.names().len(), all.continue_token()), (5, ""));
}

/// The continue token contains the version.
pub fn all_pages_have_the_version_of_the_first(env: &TestEnv) {
    create_five(env);
    let one = env.get("configmaps?limit=2").expect(200);
    env.delete("configmaps/c").expect(200);
    env.post("configmaps", &configmap("d2")).expect(201);
    env.put("configmaps/e", &json!({ "metadata": { "name": "e" }, "data": { "a": "2" } })).expect(200);
    let rest = env.get(&format!("configmaps?continue={}", one.continue_token())).expect(200);
    assert_eq!((rest.names(), rest.resource_version()), (vec!["c", "d", "e"], one.resource_version()));
    assert_eq!(rest["items"][2]["data"], json!({ "a": "1" }));
}

pub fn continue_with_version_or_invalid_token_is_bad_request(env: &TestEnv) {
    create_five(env);
    let one = env.get("configmaps?limit=2").expect(200);
    let message = "specifying resource version is not allowed when using continue";
    env.get(&format!("configmaps?continue={}&resourceVersion=5", one.continue_token())).expect_error(
        400,
        "BadRequest",
        message,
    );
    let message = env.get("configmaps?limit=2&continue=abc").error_message(400, "BadRequest");
    assert!(message.starts_with("invalid continue token: continue key is not valid: "), "{message}");
}

/// Serial, without a watch cache. The new token continues at the latest version, so the list is inconsistent.
pub fn compacted_continue_token_expires_with_a_new_one(env: &TestEnv) {
    create_five(env);
    let one = env.get("configmaps?limit=2").expect(200);
    env.delete("configmaps/c").expect(200);
    env.compact();
    let response = env.get(&format!("configmaps?limit=2&continue={}", one.continue_token()));
    let again = response.body.continue_token().to_owned();
    assert_eq!((response.code, &response.body["reason"]), (410, &json!("Expired")), "{}", response.text);
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
    assert_eq!(response.body["message"], message);
    let rest = env.get(&format!("configmaps?limit=5&continue={again}")).expect(200);
    assert_eq!(rest.names(), ["d", "e"]);
    assert!(rest.revision() > one.revision());
}

/// Serial, without a watch cache.
pub fn list_of_a_compacted_version_has_expired(env: &TestEnv) {
    let then = env.post("configmaps", &configmap("a")).expect(201);
    env.post("configmaps", &configmap("b")).expect(201);
    env.compact();
    let path = format!("configmaps?resourceVersion={}&resourceVersionMatch=Exact", then.resource_version());
    let message = env.get(&path).error_message(410, "Expired");
    assert_eq!(message, "The resourceVersion for the provided list is too old.");
}
