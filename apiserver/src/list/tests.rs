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
async fn a_replica_that_lags_shows_an_older_state_and_knows_no_newer_version() {
    let api = with(&["a"]).await;
    let b = api.create("b", json!({})).await;
    api.server.fault(Rule::new(Fault::StaleRead { lag: 1 }));
    assert_eq!(api.get(CONFIG_MAPS).await.names(), ["a"]);
    assert_eq!(api.get(&format!("{CONFIG_MAPS}/b")).await.code, 404);
    let list = api.get(&format!("{CONFIG_MAPS}?resourceVersion={}", b.version())).await;
    assert_eq!(list.reason(), (504, "Timeout"));
}
