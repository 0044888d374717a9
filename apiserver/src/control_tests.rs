use http::{HeaderMap, Method};

use super::*;
use crate::server::{ApiServer, Settings};

fn ask(server: &ApiServer, method: Method, path: &str, body: &str) -> Result<Value> {
    let request = Request::new(method, path, HeaderMap::new(), body.to_owned().into());
    answer(&mut server.shared.lock(), &request).expect("a path of the control endpoint")
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
}

#[test]
fn compaction_leaves_the_present_alone() {
    let server = ApiServer::new(Settings::default());
    let revision = server.revision();
    let answer = ask(&server, Method::POST, "/control/compact", "").unwrap();
    assert_eq!(answer, json!({ "revision": revision }));
    let state = server.shared.lock();
    assert_eq!((state.store.oldest(), state.store.revision()), (revision, revision));
}

#[test]
fn other_paths_and_methods_are_refused() {
    let server = ApiServer::new(Settings::default());
    assert_eq!(ask(&server, Method::GET, "/control/nonsense", "").unwrap_err().code, 404);
    assert_eq!(ask(&server, Method::PUT, "/control/faults", "").unwrap_err().code, 405);
    assert_eq!(ask(&server, Method::GET, "/control/compact", "").unwrap_err().code, 405);
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
