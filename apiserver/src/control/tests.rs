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
async fn a_service_account_is_refused_everywhere_and_changes_nothing() {
    use crate::testing::{CONFIG_MAPS, api};
    let api = api();
    // All that a Role can give.
    let token = api.account(json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }])).await;
    let headers = [("authorization", token.as_str())];
    assert_eq!(api.send("GET", CONFIG_MAPS, &headers, "").await.unwrap().code, 200, "it is known, and has rights");

    let kept = r#"{"verb":"watch","resource":"pods","fault":{"WatchCut":{"after":2}}}"#;
    add(&api.server, kept).unwrap();
    let before = ask(&api.server, Method::GET, "/control/faults", "").unwrap();
    let oldest = api.server.shared.lock().store.oldest();
    assert!(oldest < api.server.revision(), "there is something to compact");
    let mut watch = api.watch("").await;
    for what in ["faults", "compact", "cut", "requests", "nonsense"] {
        for method in ["GET", "POST", "DELETE", "PUT", "PATCH"] {
            let path = format!("/control/{what}");
            let answer = api.send(method, &path, &headers, r#"{"fault":"ResetAfter"}"#).await.unwrap();
            assert_eq!(answer.reason(), (403, "Forbidden"), "{method} {path}: {}", answer.body);
            let words = format!(
                "forbidden: User \"system:serviceaccount:default:app\" cannot {} path \"{path}\"",
                method.to_lowercase()
            );
            assert_eq!(answer.body["message"], words);
        }
    }
    assert_eq!(ask(&api.server, Method::GET, "/control/faults", "").unwrap(), before, "no rule added, none removed");
    assert_eq!(api.server.shared.lock().store.oldest(), oldest, "nothing compacted");
    let version = api.create("a", json!({})).await.version();
    assert_eq!(watch.told().await, format!("ADDED a {version}"), "no watch cut");

    // The same requests, without the token, are the administrator's.
    let answer = api.send("POST", "/control/compact", &[], "").await.unwrap();
    assert_eq!(answer.code, 200, "{}", answer.body);
    assert!(api.server.shared.lock().store.oldest() > oldest);
}
