use http::{HeaderMap, Method};

use super::*;
use crate::{
    faults::{Fault, Rule},
    server::{ApiServer, Settings},
};

fn ask(server: &ApiServer, method: Method, path: &str, body: &str) -> Result<Value> {
    let request = Request::new(method, path, HeaderMap::new(), body.to_owned().into());
    answer(&mut server.shared.lock(), &request)
}

fn add(server: &ApiServer, body: &str) -> Result<Value> {
    ask(server, Method::POST, "/control/faults", body)
}

#[test]
fn rules_are_added_listed_and_removed() {
    let server = ApiServer::new(Settings::default());
    let list = || ask(&server, Method::GET, "/control/faults", "").unwrap()["rules"].take();
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
    ask(&server, Method::DELETE, "/control/faults", "").unwrap();
    assert_eq!(list(), json!([]));
}

#[test]
fn of_several_rules_all_are_taken_or_none() {
    let server = ApiServer::new(Settings::default());
    add(&server, r#"[{"fault":"ResetAfter"},{"fault":"Nonsense"}]"#).unwrap_err();
    assert!(server.faults().is_empty());
}

#[test]
fn there_is_an_end_to_the_number_of_rules() {
    let server = ApiServer::new(Settings::default());
    let many = format!("[{}]", vec![r#"{"fault":"Compact"}"#; Faults::CAPACITY].join(","));
    add(&server, &many).unwrap();
    let refused = add(&server, r#"{"fault":"Compact"}"#).unwrap_err();
    assert_eq!((refused.code, &*refused.message), (400, "more than 1000 rules; DELETE removes all"));
    let one_more = || server.fault(Rule::new(Fault::Compact));
    assert!(!one_more(), "whoever adds it in process is told as well");
    assert_eq!(server.faults().len(), 1_000);
    server.clear_faults();
    assert!(one_more());
}

#[tokio::test]
async fn a_cut_hangs_up_on_the_watches_that_are_open_and_on_no_other() {
    use http_body_util::BodyExt;
    use tower_service::Service;
    let server = ApiServer::new(Settings::default());
    let open = || async {
        let request = http::Request::get("/api/v1/pods?watch=true&resourceVersion=0");
        let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
        server.clone().call(request).await.unwrap().into_body()
    };
    let mut watches = [open().await, open().await];
    assert_eq!(ask(&server, Method::POST, "/control/cut", "").unwrap(), json!({ "watches": 2 }));
    for watch in &mut watches {
        assert!(watch.frame().await.unwrap().is_err(), "no proper end");
    }
    let mut later = open().await;
    let silent = tokio::time::timeout(std::time::Duration::from_millis(10), later.frame()).await;
    assert!(silent.is_err(), "it is open: {silent:?}");
}

#[tokio::test]
async fn service_account_is_refused_on_every_control_path() {
    let api = crate::testing::TestClient::new();
    // All that a Role can give.
    let token = api.create_account(json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }])).await;
    let headers = [("authorization", token.as_str())];
    for what in ["faults", "compact", "cut", "requests", "nonsense"] {
        for method in ["GET", "POST", "DELETE"] {
            let path = format!("/control/{what}");
            let answer = api.send(method, &path, &headers, r#"{"fault":"ResetAfter"}"#).await.unwrap();
            assert_eq!(answer.reason(), (403, "Forbidden"), "{method} {path}: {}", answer.body);
        }
    }
    assert!(api.server.faults().is_empty(), "no rule is added");
}
