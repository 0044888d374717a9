use serde_json::json;

use crate::{
    Fault, Rule,
    testing::{Api, CONFIG_MAPS, api},
};

async fn with(names: &[&str]) -> Api {
    let api = api();
    for name in names {
        api.create(name, json!({})).await;
    }
    api
}

fn next(answer: &crate::testing::Answer) -> String {
    answer.body["metadata"]["continue"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn all_pages_show_the_collection_as_the_first_one_did() {
    let api = with(&["a", "b", "c", "d", "e"]).await;
    let first = api.get(&format!("{CONFIG_MAPS}?limit=2")).await;
    assert_eq!((first.names(), &first.body["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(3)));

    api.delete("c").await;
    api.create("bb", json!({})).await;
    api.label("d", json!({ "new": "yes" })).await;

    let second = api.get(&format!("{CONFIG_MAPS}?limit=2&continue={}", next(&first))).await;
    assert_eq!((second.names(), second.version()), (vec!["c", "d"], first.version()));
    assert!(second.body["items"][1]["metadata"]["labels"].is_null());
    let last = api.get(&format!("{CONFIG_MAPS}?limit=2&continue={}", next(&second))).await;
    assert_eq!((last.names(), next(&last)), (vec!["e"], String::new()));
    assert_eq!(api.get(CONFIG_MAPS).await.names(), ["a", "b", "bb", "d", "e"], "a new list is of now");
}

#[tokio::test]
async fn after_a_compaction_a_page_is_410_and_brings_a_token_to_go_on_with() {
    let api = with(&["a", "b", "c"]).await;
    let first = api.get(&format!("{CONFIG_MAPS}?limit=1")).await;
    api.create("bb", json!({})).await;
    api.server.compact();

    let refused = api.get(&format!("{CONFIG_MAPS}?limit=1&continue={}", next(&first))).await;
    assert_eq!(refused.reason(), (410, "Expired"));
    assert!(refused.body["message"].as_str().unwrap().starts_with("The provided continue parameter is too old"));
    let rest = api.get(&format!("{CONFIG_MAPS}?continue={}", next(&refused))).await;
    assert_eq!((rest.names(), rest.version()), (vec!["b", "bb", "c"], api.server.revision()));
}

#[tokio::test]
async fn a_list_is_of_the_revision_that_was_asked_for() {
    let api = with(&["a"]).await;
    let then = api.server.revision();
    api.create("b", json!({})).await;
    let now = api.server.revision();

    for (query, names, version) in [
        (String::new(), vec!["a", "b"], now),
        ("resourceVersion=0".into(), vec!["a", "b"], now),
        (format!("resourceVersion={then}"), vec!["a", "b"], now),
        (format!("resourceVersion={then}&resourceVersionMatch=NotOlderThan&limit=9"), vec!["a", "b"], now),
        (format!("resourceVersion={then}&resourceVersionMatch=Exact"), vec!["a"], then),
        (format!("resourceVersion={then}&limit=9"), vec!["a"], then),
    ] {
        let list = api.get(&format!("{CONFIG_MAPS}?{query}")).await;
        assert_eq!((list.names(), list.version()), (names, version), "{query}");
    }
    api.server.compact();
    let too_old = api.get(&format!("{CONFIG_MAPS}?resourceVersion={then}&resourceVersionMatch=Exact")).await;
    assert_eq!(too_old.reason(), (410, "Expired"));
}

#[tokio::test]
async fn a_revision_that_is_yet_to_come_is_too_large() {
    let api = with(&["a"]).await;
    for uri in [CONFIG_MAPS.to_owned(), format!("{CONFIG_MAPS}/a")] {
        let refused = api.get(&format!("{uri}?resourceVersion=999999")).await;
        assert_eq!(refused.reason(), (504, "Timeout"));
        assert_eq!(refused.body["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
        assert_eq!(refused.headers["retry-after"], "1");
    }
}

#[tokio::test]
async fn a_page_counts_what_is_selected_and_does_not_know_what_remains() {
    let api = api();
    for (name, app) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "y")] {
        api.create(name, json!({ "app": app })).await;
    }
    let first = api.get(&format!("{CONFIG_MAPS}?limit=2&labelSelector=app%3Dx")).await;
    assert_eq!(first.names(), ["a", "c"]);
    assert!(first.body["metadata"].get("remainingItemCount").is_none());
    let last = api.get(&format!("{CONFIG_MAPS}?limit=2&labelSelector=app%3Dx&continue={}", next(&first))).await;
    assert_eq!(last.names(), [""; 0], "there was something left to look at, and nothing in it");
}

#[tokio::test]
async fn the_items_of_a_list_of_a_built_in_type_do_not_repeat_what_they_are() {
    let api = with(&["a", "b"]).await;
    let list = api.get(CONFIG_MAPS).await;
    assert_eq!(list.body["kind"], "ConfigMapList");
    assert!(list.body["items"][0].get("kind").is_none() && list.body["items"][1].get("apiVersion").is_none());
    assert_eq!(api.get(&format!("{CONFIG_MAPS}/a")).await.body["kind"], "ConfigMap");
}

#[tokio::test]
async fn a_replica_that_lags_shows_an_older_state_and_knows_no_newer_version() {
    let api = with(&["a"]).await;
    let b = api.create("b", json!({})).await;
    api.server.fault(Rule::new(Fault::StaleRead { lag: 1 }));
    assert_eq!(api.get(CONFIG_MAPS).await.names(), ["a"]);
    assert_eq!(api.get(&format!("{CONFIG_MAPS}/b")).await.code, 404);
    let list = api.get(&format!("{CONFIG_MAPS}?resourceVersion={}", b.version())).await;
    assert_eq!(list.reason(), (504, "Timeout"));
}
