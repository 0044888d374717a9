//! Lists and gets: of which version, in which order, and in what shape.

use serde_json::json;

use crate::{
    objects::{Is, configmap},
    world::World,
};

/// The list's own version covers what is in it; items do not repeat their kind.
pub fn a_list_is_in_order_and_as_new_as_its_newest_item(w: &World) {
    assert_eq!(w.get("configmaps").is(200)["items"], json!([]));
    for name in ["b", "c", "a"] {
        w.post("configmaps", &configmap(name)).is(201);
    }
    let list = w.get("configmaps").is(200);
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ConfigMapList"), &json!("v1")));
    assert_eq!(list.names(), ["a", "b", "c"]);
    assert!(list["items"].as_array().expect("items").iter().all(|item| list.revision() >= item.revision()));
    let bare = &list["items"][0];
    assert_eq!((&bare["kind"], &bare["apiVersion"]), (&json!(null), &json!(null)), "{bare}");
}

/// All namespaces: sorted by namespace first. And one that is not there is empty, not unknown.
pub fn a_list_of_all_namespaces_is_sorted_by_namespace(w: &World) {
    let (one, two) = (format!("{}-1", w.namespace), format!("{}-2", w.namespace));
    for (namespace, name) in [(&two, "a"), (&one, "b"), (&one, "a")] {
        w.post("/api/v1/namespaces", &json!({ "metadata": { "name": namespace } }));
        let mut body = configmap(name);
        body["metadata"]["labels"] = json!({ "of": w.namespace });
        w.post(&format!("/api/v1/namespaces/{namespace}/configmaps"), &body).is(201);
    }
    let list = w.get(&format!("/api/v1/configmaps?labelSelector=of%3D{}", w.namespace)).is(200);
    let keys: Vec<_> =
        list["items"].as_array().expect("items").iter().map(|i| (i.meta("namespace"), i.name())).collect();
    assert_eq!(keys, [(one.as_str(), "a"), (one.as_str(), "b"), (two.as_str(), "a")]);
    assert_eq!(w.get("/api/v1/namespaces/nowhere-at-all/configmaps").is(200).names(), [""; 0]);
}

/// The way back through the log.
pub fn a_list_of_exactly_a_version_is_as_it_was_then(w: &World) {
    w.post("configmaps", &configmap("a")).is(201);
    w.post("configmaps", &configmap("b")).is(201);
    let changed = json!({ "metadata": { "name": "b" }, "data": { "a": "2" } });
    let then = w.put("configmaps/b", &changed).is(200);
    w.put("configmaps/b", &configmap("b")).is(200);
    w.delete("configmaps/a").is(200);
    w.post("configmaps", &configmap("c")).is(201);
    let path = format!("configmaps?resourceVersion={}&resourceVersionMatch=Exact", then.version());
    let list = w.get(&path).is(200);
    assert_eq!(list.names(), ["a", "b"]);
    assert_eq!((list.version(), &list["items"][1]["data"]), (then.version(), &json!({ "a": "2" })));
}

/// A version that nobody has seen yet. The real server waits three seconds for it before it says so.
pub fn a_version_from_the_future_is_too_large(w: &World) {
    w.post("configmaps", &configmap("a")).is(201);
    for path in ["configmaps?resourceVersion=99999999", "configmaps/a?resourceVersion=99999999"] {
        let answer = w.get(path);
        assert_eq!(answer.headers.get("retry-after").and_then(|v| v.to_str().ok()), Some("1"));
        let body = answer.body.clone();
        let message = answer.refusal(504, "Timeout");
        assert!(message.starts_with("Timeout: Too large resource version: 99999999, current: "), "{message}");
        let cause = json!({ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" });
        assert_eq!(body["details"], json!({ "causes": [cause], "retryAfterSeconds": 1 }));
    }
}

/// The table of what may be asked for together.
pub fn a_version_and_how_it_is_meant_have_to_fit(w: &World) {
    let field = "resourceVersionMatch";
    let refused = |query: &str, reason: &str, message: &str| {
        w.get(&format!("configmaps?{query}")).invalid(json!([[reason, field, message]]));
    };
    let message = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided";
    refused("resourceVersionMatch=Exact", "FieldValueForbidden", message);
    let message = "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
    refused("resourceVersion=0&resourceVersionMatch=Exact", "FieldValueForbidden", message);
    let message = "Unsupported value: \"Newest\": supported values: \"Exact\", \"NotOlderThan\", \"\"";
    refused("resourceVersion=1&resourceVersionMatch=Newest", "FieldValueNotSupported", message);
    let answer = w.get("configmaps?sendInitialEvents=true");
    let message = "Forbidden: sendInitialEvents is forbidden for list";
    answer.invalid(json!([["FieldValueForbidden", "sendInitialEvents", message]]));
}

/// What is no number is told apart from a number that will not do.
pub fn a_version_or_limit_that_is_no_number_is_a_bad_request(w: &World) {
    let message = "invalid resource version: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax";
    w.get("configmaps?resourceVersion=abc").refused(400, "BadRequest", message);
    let message = "strconv.ParseInt: parsing \"abc\": invalid syntax";
    w.get("configmaps?limit=abc").refused(400, "BadRequest", message);
    // Of one object it is another code.
    let answer = w.get("configmaps/a?resourceVersion=abc");
    assert_eq!((answer.code, &answer.body["reason"]), (500, &json!(null)), "{}", answer.text);
}
