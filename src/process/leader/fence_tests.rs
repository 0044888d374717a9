use std::time::Duration;

use http::StatusCode;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::PostParams};

use super::*;
use crate::{
    request::Failure,
    testing::{api_server, pass},
};

const SECOND: Duration = Duration::from_secs(1);

fn request(method: Method) -> Request<Body> {
    Request::builder().method(method).uri("/api/v1/things").body(Body::empty()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn reads_pass_and_writes_do_not_unless_the_fence_is_open() {
    let (client, mut server) = api_server();
    let fence = Fence::default();
    let guarded = fence.guard(&client);
    tokio::spawn(async move {
        loop {
            server.next().await.json(200, &serde_json::json!({}));
        }
    });
    let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    for method in &writes {
        let failure = Failure::from(guarded.send(request(method.clone())).await.unwrap_err());
        assert!(matches!(failure, Failure::NotSent(_)) && failure.is_unavailable(), "{method}: {failure:?}");
    }
    assert_eq!(guarded.send(request(Method::GET)).await.unwrap().status(), StatusCode::OK);
    fence.open_until(Instant::now() + SECOND);
    for method in &writes {
        assert!(guarded.send(request(method.clone())).await.is_ok(), "{method}");
    }
    pass(SECOND).await;
    assert!(guarded.send(request(Method::POST)).await.is_err(), "the deadline itself is too late");
    fence.open_until(Instant::now() + SECOND);
    fence.close();
    assert!(guarded.send(request(Method::POST)).await.is_err());
    assert!(client.send(request(Method::POST)).await.is_ok(), "the other client is as it was");
}

#[tokio::test(start_paused = true)]
async fn the_reason_arrives_in_words() {
    let (client, _server) = api_server();
    let api: Api<ConfigMap> = Api::namespaced(Fence::default().guard(&client), "ns");
    // Let out, it would wait for an answer for ever.
    let (params, map) = (PostParams::default(), ConfigMap::default());
    let answer = tokio::time::timeout(SECOND, api.create(&params, &map)).await.expect("it is not let out");
    let error = answer.unwrap_err();
    assert_eq!(Failure::from(error).to_string(), "not sent: this process does not lead");
}

/// A service that takes a while until it could send, as one that waits for a connection does.
fn slow(sent: Arc<Mutex<bool>>) -> Client {
    let service = service_fn(move |_: Request<Body>| {
        let sent = sent.clone();
        async move {
            tokio::time::sleep(SECOND * 9).await;
            *sent.lock().unwrap() = true;
            Ok::<_, BoxError>(http::Response::new(Body::empty()))
        }
    });
    Client::new(service, "default")
}

#[tokio::test(start_paused = true)]
async fn a_write_that_waits_for_a_connection_is_asked_again_when_there_is_one() {
    for (open, passes) in [(10, true), (5, false)] {
        let (sent, fence) = (Arc::new(Mutex::new(false)), Fence::default());
        let guarded = fence.guard(&slow(sent.clone()));
        fence.open_until(Instant::now() + SECOND * open);
        assert_eq!(guarded.send(request(Method::PATCH)).await.is_ok(), passes);
        assert_eq!(*sent.lock().unwrap(), passes, "open for {open} s");
    }
}
