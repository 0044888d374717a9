//! limit and continue: a long list in pages, all of one version.

use serde_json::json;

use crate::{
    objects::{Is, configmap, labelled},
    world::World,
};

fn five(w: &World) {
    for name in ["a", "b", "c", "d", "e"] {
        w.post("configmaps", &labelled(configmap(name), json!({ "all": "" }))).is(201);
    }
}

/// How many are left, and where to go on.
pub fn a_limit_gives_pages_and_says_how_many_are_left(w: &World) {
    five(w);
    let one = w.get("configmaps?limit=2").is(200);
    assert_eq!((one.names(), &one["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(3)));
    let two = w.get(&format!("configmaps?limit=2&continue={}", one.more())).is(200);
    assert_eq!((two.names(), &two["metadata"]["remainingItemCount"]), (vec!["c", "d"], &json!(1)));
    let three = w.get(&format!("configmaps?limit=2&continue={}", two.more())).is(200);
    assert_eq!((three.names(), three.more()), (vec!["e"], ""));
    assert_eq!(three["metadata"]["remainingItemCount"], json!(null));
    let all = w.get("configmaps?limit=5").is(200);
    assert_eq!((all.names().len(), all.more()), (5, ""));
}

/// What the continue token remembers: the version of the first page.
pub fn all_pages_are_of_the_first_page_s_version(w: &World) {
    five(w);
    let one = w.get("configmaps?limit=2").is(200);
    w.delete("configmaps/c").is(200);
    w.post("configmaps", &configmap("d2")).is(201);
    w.put("configmaps/e", &json!({ "metadata": { "name": "e" }, "data": { "a": "2" } })).is(200);
    let rest = w.get(&format!("configmaps?continue={}", one.more())).is(200);
    assert_eq!((rest.names(), rest.version()), (vec!["c", "d", "e"], one.version()));
    assert_eq!(rest["items"][2]["data"], json!({ "a": "1" }));
}

/// A token already says the version, and one that is no token says nothing.
pub fn a_continue_token_stands_alone_and_is_the_server_s_own(w: &World) {
    five(w);
    let one = w.get("configmaps?limit=2").is(200);
    let message = "specifying resource version is not allowed when using continue";
    w.get(&format!("configmaps?continue={}&resourceVersion=5", one.more())).refused(400, "BadRequest", message);
    let message = w.get("configmaps?limit=2&continue=abc").refusal(400, "BadRequest");
    assert!(message.starts_with("invalid continue token: continue key is not valid: "), "{message}");
}

/// Alone, without a cache: the version that the token remembers has been forgotten. The answer holds a token that goes on
/// where it was, with what is there now: a list of two versions, for those who can live with one.
pub fn a_token_from_before_the_compaction_has_expired_and_another_goes_on(w: &World) {
    five(w);
    let one = w.get("configmaps?limit=2").is(200);
    w.delete("configmaps/c").is(200);
    w.compact();
    let answer = w.get(&format!("configmaps?limit=2&continue={}", one.more()));
    let again = answer.body.more().to_owned();
    assert_eq!((answer.code, &answer.body["reason"]), (410, &json!("Expired")), "{}", answer.text);
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
    assert_eq!(answer.body["message"], message);
    let rest = w.get(&format!("configmaps?limit=5&continue={again}")).is(200);
    assert_eq!(rest.names(), ["d", "e"]);
    assert!(rest.revision() > one.revision());
}

/// Alone: a list of exactly a version that has been forgotten.
pub fn a_list_of_exactly_a_forgotten_version_has_expired(w: &World) {
    let then = w.post("configmaps", &configmap("a")).is(201);
    w.post("configmaps", &configmap("b")).is(201);
    w.compact();
    let path = format!("configmaps?resourceVersion={}&resourceVersionMatch=Exact", then.version());
    let message = w.get(&path).refusal(410, "Expired");
    assert_eq!(message, "The resourceVersion for the provided list is too old.");
}
