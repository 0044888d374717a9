use http::{HeaderMap, Method};

use super::*;
use crate::{
    faults::{Fault, Rule},
    server::{ApiServer, Settings},
};

fn send(server: &ApiServer, method: Method, path: &str, body: &str) -> Result<Value> {
    let request = Request::new(method, path, HeaderMap::new(), body.to_owned().into());
    handle(&mut server.shared.lock(), &request)
}

fn add(server: &ApiServer, body: &str) -> Result<Value> {
    send(server, Method::POST, "/control/faults", body)
}

#[test]
fn rules_are_added_listed_and_removed() {
    let server = ApiServer::new(Settings::default());
    let list = || send(&server, Method::GET, "/control/faults", "").unwrap()["rules"].take();
    add(&server, r#"{"verb":"watch","resource":"pods","fault":{"WatchCut":{"after":2}}}"#).unwrap();
    add(&server, r#"[{"fault":"ResetAfter","nth":2},{"fault":{"Delay":{"duration":"1m 30s"}},"probability":0.5}]"#)
        .unwrap();
    assert_eq!(
        list(),
        json!([
            { "verb": "watch", "resource": "pods", "fault": { "WatchCut": { "after": 2 } }, "matched": 0, "hit": 0 },
            { "fault": "ResetAfter", "nth": 2, "matched": 0, "hit": 0 },
            { "fault": { "Delay": { "duration": "1m 30s" } }, "probability": 0.5, "matched": 0, "hit": 0 },
        ])
    );
    send(&server, Method::DELETE, "/control/faults", "").unwrap();
    assert_eq!(list(), json!([]));
}

#[test]
fn list_with_an_invalid_rule_adds_none() {
    let server = ApiServer::new(Settings::default());
    add(&server, r#"[{"fault":"ResetAfter"},{"fault":"Nonsense"}]"#).unwrap_err();
    assert!(server.faults().is_empty());
}

#[test]
fn number_of_rules_is_limited() {
    let server = ApiServer::new(Settings::default());
    let many = format!("[{}]", vec![r#"{"fault":"Compact"}"#; Faults::CAPACITY].join(","));
    add(&server, &many).unwrap();
    let error = add(&server, r#"{"fault":"Compact"}"#).unwrap_err();
    assert_eq!((error.code, &*error.message), (400, "more than 1000 rules; DELETE removes all"));
    let one_more = || server.fault(Rule::new(Fault::Compact));
    assert!(!one_more(), "the limit holds for rules that are added in process, too");
    assert_eq!(server.faults().len(), 1_000);
    server.clear_faults();
    assert!(one_more());
}

#[tokio::test]
async fn cut_resets_open_watches_and_no_later_ones() {
    use http_body_util::BodyExt;
    use tower_service::Service;
    let server = ApiServer::new(Settings::default());
    let open = || async {
        let request = http::Request::get("/api/v1/pods?watch=true&resourceVersion=0");
        let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
        server.clone().call(request).await.unwrap().into_body()
    };
    let mut watches = [open().await, open().await];
    assert_eq!(send(&server, Method::POST, "/control/cut", "").unwrap(), json!({ "watches": 2 }));
    for watch in &mut watches {
        assert!(watch.frame().await.unwrap().is_err(), "the watch ended without a reset");
    }
    let mut later = open().await;
    let silent = tokio::time::timeout(std::time::Duration::from_millis(10), later.frame()).await;
    assert!(silent.is_err(), "the later watch is not open: {silent:?}");
}

#[tokio::test]
async fn service_account_is_forbidden_on_every_control_path() {
    let api = crate::testing::TestClient::new();
    // Every right that a Role can grant.
    let token = api.create_account(json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }])).await;
    let headers = [("authorization", token.as_str())];
    for what in ["faults", "compact", "cut", "requests", "nonsense"] {
        for method in ["GET", "POST", "DELETE"] {
            let path = format!("/control/{what}");
            let response = api.send(method, &path, &headers, r#"{"fault":"ResetAfter"}"#).await.unwrap();
            assert_eq!(response.reason(), (403, "Forbidden"), "{method} {path}: {}", response.body);
        }
    }
    assert!(api.server.faults().is_empty(), "a rule was added");
}
