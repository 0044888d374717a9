use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};

use super::*;
use testkit::{Log, Server, api_server};

struct Rig {
    server: Server,
    waiting: Arc<Waiting>,
    stop: CancellationToken,
    task: JoinHandle<Option<Resource>>,
}

fn start(resource: &str) -> Rig {
    let (client, server) = api_server();
    let (waiting, stop) = (Arc::new(Waiting::default()), CancellationToken::new());
    let wanted = Wanted::parse(Some(resource), None, None, None).unwrap();
    let task = tokio::spawn({
        let (waiting, stop) = (waiting.clone(), stop.clone());
        async move { wait(&client, &wanted, Some("a"), &waiting, &stop).await }
    });
    Rig { server, waiting, stop, task }
}

fn pkis() -> Value {
    json!({ "groupVersion": "box.com/v1", "resources": [
        { "name": "pkis", "singularName": "pki", "namespaced": true, "kind": "Pki", "verbs": ["list", "watch"] },
    ]})
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_comes_later_is_waited_for_and_the_reason_is_known_all_the_time() {
    let mut rig = start("pkis.v1.box.com");
    let call = rig.server.next().await;
    assert!(rig.waiting.check().unwrap_err().contains("is being asked"));
    call.refuse();
    let call = rig.server.next().await;
    assert_eq!(
        rig.waiting.check().unwrap_err(),
        "/apis/box.com/v1: no connection: connection refused",
        "of the last search, while the next is under way"
    );
    call.bytes(404, &[], "404 page not found");
    // Has it other versions, then? Or was another group meant?
    for path in ["/apis/box.com", "/apis"] {
        let call = rig.server.next().await;
        assert_eq!(call.path, path);
        call.bytes(404, &[], "404 page not found");
    }
    let call = rig.server.next().await;
    assert!(rig.waiting.check().unwrap_err().contains("serves no pkis.v1.box.com"));
    call.json(200, &pkis());
    let resource = rig.task.await.unwrap().unwrap();
    assert_eq!(resource.path, "/apis/box.com/v1/namespaces/a/pkis");
    assert_eq!(rig.waiting.check(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_reason_is_logged_once_for_as_long_as_it_is_the_same() {
    let log = Log::start(tracing::Level::INFO);
    let mut rig = start("nodes.v1");
    for _ in 0..5 {
        rig.server.next().await.refuse();
    }
    for _ in 0..3 {
        rig.server.next().await.status(403, "Forbidden", "no");
    }
    rig.server.next().await.refuse();
    let nodes = json!({ "name": "nodes", "kind": "Node", "verbs": ["list", "watch"] });
    rig.server.next().await.json(200, &json!({ "groupVersion": "v1", "resources": [nodes] }));
    assert_eq!(rig.task.await.unwrap().unwrap().path, "/api/v1/nodes");
    let lines = log.lines();
    let told: Vec<_> = lines.iter().map(|line| line["reason"].as_str().unwrap_or_default()).collect();
    let refused = "/api/v1: no connection: connection refused";
    assert_eq!(told, [refused, "/api/v1: 403 Forbidden: no", refused, "", ""]);
    assert!(lines[..3].iter().all(|line| line["level"] == "WARN" && line["wanted"] == "nodes.v1"));
    assert_eq!((&lines[3]["level"], &lines[3]["path"]), (&"INFO".into(), &"/api/v1/nodes".into()));
    assert_eq!((&lines[4]["level"], &lines[4]["namespace"]), (&"WARN".into(), &"a".into()), "it is ignored");
}

#[tokio::test(start_paused = true)]
async fn it_asks_more_and_more_seldom_but_at_least_every_30_seconds() {
    let mut rig = start("pkis.v1.box.com");
    rig.server.next().await.refuse();
    let mut longest = Duration::ZERO;
    for wait in [800, 1600, 3200, 6400, 12_800, 15_000, 15_000].map(Duration::from_millis) {
        let begun = Instant::now();
        let call = rig.server.next().await;
        let waited = begun.elapsed();
        assert!(waited >= wait && waited <= (wait * 2).min(Duration::from_secs(31)), "{waited:?} instead of {wait:?}");
        longest = longest.max(waited);
        call.refuse();
    }
    assert!(longest >= Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_to_be_left_alone_is_left_alone() {
    let mut rig = start("pkis.v1.box.com");
    for (asked, least) in [("20", 20), ("86400", 30)] {
        rig.server.next().await.bytes(429, &[("retry-after", asked)], "too many requests");
        let begun = Instant::now();
        rig.server.next().await.bytes(429, &[("retry-after", "1")], "too many requests");
        assert!(begun.elapsed() >= Duration::from_secs(least) && begun.elapsed() < Duration::from_secs(32));
    }
}

#[tokio::test(start_paused = true)]
async fn the_stop_ends_it_in_the_middle_of_a_search_and_in_the_middle_of_a_pause() {
    let mut rig = start("pkis.v1.box.com");
    let call = rig.server.next().await;
    rig.stop.cancel();
    assert_eq!(rig.task.await.unwrap(), None);
    drop(call);
    let mut rig = start("pkis.v1.box.com");
    rig.server.next().await.refuse();
    testkit::pass(Duration::from_millis(1)).await;
    rig.stop.cancel();
    let begun = Instant::now();
    assert_eq!(rig.task.await.unwrap(), None);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}
