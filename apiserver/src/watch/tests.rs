use futures::FutureExt;

use super::*;
use crate::{
    Settings,
    testing::{TestClient, TestResponse, WatchLines},
};

fn summary(kind: &str, name: &str, response: &TestResponse) -> String {
    format!("{kind} {name} {}", response.version())
}

/// Whether no event is available.
fn is_quiet(lines: &mut WatchLines) -> bool {
    lines.next().now_or_never().is_none()
}

async fn read_all(lines: &mut WatchLines) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(event) = lines.next().await {
        events.push(format!(
            "{} {}",
            event["type"].as_str().unwrap(),
            event["object"]["metadata"]["name"].as_str().unwrap_or("")
        ));
    }
    events
}

#[tokio::test(start_paused = true)]
async fn bookmarks_are_sent_every_minute_and_before_the_end() {
    let api = TestClient::new();
    let start = Instant::now();
    let mut watch = api
        .watch(&format!("allowWatchBookmarks=true&timeoutSeconds=150&resourceVersion={}", api.server.revision()))
        .await;
    let mut times = Vec::new();
    loop {
        // This change is not sent, but the next bookmark has its version.
        let uri = "/api/v1/namespaces/kube-system/configmaps";
        let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "generateName": "x" } }).to_string();
        api.send("POST", uri, &[], &body).await.unwrap();
        let event = watch.next_summary().await;
        times.push(start.elapsed().as_secs());
        if event == "end" {
            break;
        }
        assert_eq!(event, format!("BOOKMARK  {}", api.server.revision()));
    }
    assert_eq!(times, [60, 120, 148, 150]);
}

#[tokio::test(start_paused = true)]
async fn watch_ends_at_its_timeout() {
    let api = TestClient::new();
    api.create("a", json!({})).await;
    let mut watch = api.watch("timeoutSeconds=5").await;
    let start = Instant::now();
    assert_eq!(read_all(&mut watch).await, ["ADDED a"]);
    assert_eq!(start.elapsed(), Duration::from_secs(5));

    let mut unlimited = api.watch("").await;
    read_all(&mut unlimited).await;
    let minutes = start.elapsed().as_secs() / 60;
    assert!((30..=60).contains(&minutes), "after half an hour to an hour: {minutes}");

    assert_eq!(read_all(&mut api.watch("timeoutSeconds=-1").await).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn slow_watch_gets_an_error_after_compaction() {
    let api = TestClient::with_settings(Settings { log_capacity: 100, ..Settings::default() });
    let mut slow = api.watch(&format!("resourceVersion={}", api.server.revision())).await;
    for i in 0..50 {
        api.create(&format!("a{i}"), json!({})).await;
    }
    assert!(slow.next_summary().await.starts_with("ADDED a0"), "late, but the log still has the change");
    for i in 50..300 {
        api.create(&format!("a{i}"), json!({})).await;
    }
    let rest = read_all(&mut slow).await;
    assert_eq!(rest.len(), 50, "the batch that was read before the compaction, then: {:?}", rest.last());
    assert_eq!(rest.last().unwrap(), "ERROR ");
}

#[tokio::test(start_paused = true)]
async fn watch_of_a_future_version_waits_for_it() {
    let api = TestClient::new();
    let next = api.server.revision() + 2;
    let mut watch = api.watch(&format!("allowWatchBookmarks=true&timeoutSeconds=90&resourceVersion={next}")).await;
    assert!(is_quiet(&mut watch));
    // A bookmark is due, but it would contain the future version.
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(is_quiet(&mut watch));
    api.create("a", json!({})).await;
    api.create("b", json!({})).await;
    assert!(is_quiet(&mut watch), "no events up to the requested version");
    let c = api.create("c", json!({})).await;
    assert_eq!(watch.next_summary().await, summary("ADDED", "c", &c));
    assert_eq!(watch.next_summary().await, format!("BOOKMARK  {}", c.version()), "the version is reached");
    assert_eq!(watch.next_summary().await, "end");
}

#[tokio::test(start_paused = true)]
async fn frame_is_bounded_and_no_event_is_lost() {
    let api = TestClient::new();
    let mut watch = api.watch(&format!("resourceVersion={}", api.server.revision())).await;
    // More than one batch and one frame.
    for i in 0..BATCH_SIZE + 500 {
        api.create(&format!("a{i:05}"), json!({})).await;
    }
    let (mut lines, mut frames) = (String::new(), 0);
    while lines.matches('\n').count() < BATCH_SIZE + 500 {
        let frame = String::from_utf8(watch.frame().await.to_vec()).unwrap();
        let before_last = frame[..frame.len() - 1].rfind('\n').unwrap();
        assert!(frame.ends_with('\n') && before_last < FRAME_SIZE, "of {} bytes, {before_last}", frame.len());
        lines.push_str(&frame);
        frames += 1;
    }
    assert!(frames > 3, "{frames} of {} bytes", lines.len());
    for (i, line) in lines.lines().enumerate() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&event["type"], &event["object"]["metadata"]["name"]),
            (&json!("ADDED"), &json!(format!("a{i:05}")))
        );
    }
    assert!(is_quiet(&mut watch));
}

#[tokio::test(start_paused = true)]
async fn batch_for_another_watch_is_skipped() {
    let api = TestClient::new();
    let mut watch =
        api.watch(&format!("labelSelector=a&timeoutSeconds=5&resourceVersion={}", api.server.revision())).await;
    for i in 0..BATCH_SIZE + 500 {
        api.create(&format!("a{i}"), json!({})).await;
    }
    assert!(is_quiet(&mut watch), "the first batch");
    // The watch has yielded after the first batch, so the compaction affects the rest.
    api.server.compact();
    assert_eq!(read_all(&mut watch).await, ["ERROR "]);

    let mut watch =
        api.watch(&format!("labelSelector=a&timeoutSeconds=5&resourceVersion={}", api.server.revision())).await;
    for i in BATCH_SIZE..3 * BATCH_SIZE {
        api.label(&format!("a{}", i % 100), json!({ "b": i.to_string() })).await;
    }
    api.label("a7", json!({ "a": "yes" })).await;
    assert_eq!(read_all(&mut watch).await, ["ADDED a7"], "later batches are read");
}
