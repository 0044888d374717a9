//! Lists and gets: version, order and shape.

use serde_json::json;

use crate::{
    objects::{ObjectExt, configmap},
    test_env::TestEnv,
};

/// The items of a list have neither kind nor apiVersion.
pub fn list_is_sorted_and_as_new_as_its_newest_item(env: &TestEnv) {
    assert_eq!(env.get("configmaps").expect(200)["items"], json!([]));
    for name in ["b", "c", "a"] {
        env.post("configmaps", &configmap(name)).expect(201);
    }
    let list = env.get("configmaps").expect(200);
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ConfigMapList"), &json!("v1")));
    assert_eq!(list.names(), ["a", "b", "c"]);
    assert!(list["items"].as_array().expect("items").iter().all(|item| list.revision() >= item.revision()));
    let bare = &list["items"][0];
    assert_eq!((&bare["kind"], &bare["apiVersion"]), (&json!(null), &json!(null)), "{bare}");
}

/// The list of an absent namespace is empty.
pub fn list_of_all_namespaces_is_sorted_by_namespace(env: &TestEnv) {
    let (one, two) = (format!("{}-1", env.namespace), format!("{}-2", env.namespace));
    for (namespace, name) in [(&two, "a"), (&one, "b"), (&one, "a")] {
        env.post("/api/v1/namespaces", &json!({ "metadata": { "name": namespace } }));
        let mut body = configmap(name);
        body["metadata"]["labels"] = json!({ "of": env.namespace });
        env.post(&format!("/api/v1/namespaces/{namespace}/configmaps"), &body).expect(201);
    }
    let list = env.get(&format!("/api/v1/configmaps?labelSelector=of%3D{}", env.namespace)).expect(200);
    let keys: Vec<_> =
        list["items"].as_array().expect("items").iter().map(|i| (i.meta("namespace"), i.name())).collect();
    assert_eq!(keys, [(one.as_str(), "a"), (one.as_str(), "b"), (two.as_str(), "a")]);
    assert_eq!(env.get("/api/v1/namespaces/absent/configmaps").expect(200).names(), [""; 0]);
}

pub fn list_of_an_exact_version_shows_the_old_objects(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    env.post("configmaps", &configmap("b")).expect(201);
    let changed = json!({ "metadata": { "name": "b" }, "data": { "a": "2" } });
    let then = env.put("configmaps/b", &changed).expect(200);
    env.put("configmaps/b", &configmap("b")).expect(200);
    env.delete("configmaps/a").expect(200);
    env.post("configmaps", &configmap("c")).expect(201);
    let path = format!("configmaps?resourceVersion={}&resourceVersionMatch=Exact", then.resource_version());
    let list = env.get(&path).expect(200);
    assert_eq!(list.names(), ["a", "b"]);
    assert_eq!((list.resource_version(), &list["items"][1]["data"]), (then.resource_version(), &json!({ "a": "2" })));
}

/// The real server waits three seconds for that version first.
pub fn future_resource_version_is_too_large(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    for path in ["configmaps?resourceVersion=99999999", "configmaps/a?resourceVersion=99999999"] {
        let response = env.get(path);
        assert_eq!(response.headers.get("retry-after").and_then(|v| v.to_str().ok()), Some("1"));
        let body = response.body.clone();
        let message = response.error_message(504, "Timeout");
        assert!(message.starts_with("Timeout: Too large resource version: 99999999, current: "), "{message}");
        let cause = json!({ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" });
        assert_eq!(body["details"], json!({ "causes": [cause], "retryAfterSeconds": 1 }));
    }
}

pub fn resource_version_match_must_fit_resource_version(env: &TestEnv) {
    let field = "resourceVersionMatch";
    let expect_invalid = |query: &str, reason: &str, message: &str| {
        env.get(&format!("configmaps?{query}")).expect_invalid(json!([[reason, field, message]]));
    };
    let message = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided";
    expect_invalid("resourceVersionMatch=Exact", "FieldValueForbidden", message);
    let message = "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
    expect_invalid("resourceVersion=0&resourceVersionMatch=Exact", "FieldValueForbidden", message);
    let message = "Unsupported value: \"Newest\": supported values: \"Exact\", \"NotOlderThan\", \"\"";
    expect_invalid("resourceVersion=1&resourceVersionMatch=Newest", "FieldValueNotSupported", message);
    let response = env.get("configmaps?sendInitialEvents=true");
    let message = "Forbidden: sendInitialEvents is forbidden for list";
    response.expect_invalid(json!([["FieldValueForbidden", "sendInitialEvents", message]]));
}

pub fn non_numeric_version_or_limit_is_bad_request(env: &TestEnv) {
    let message = "invalid resource version: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax";
    env.get("configmaps?resourceVersion=abc").expect_error(400, "BadRequest", message);
    let message = "strconv.ParseInt: parsing \"abc\": invalid syntax";
    env.get("configmaps?limit=abc").expect_error(400, "BadRequest", message);
    // A get returns another code.
    let response = env.get("configmaps/a?resourceVersion=abc");
    assert_eq!((response.code, &response.body["reason"]), (500, &json!(null)), "{}", response.text);
}
