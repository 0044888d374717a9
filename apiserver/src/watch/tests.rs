use futures::FutureExt;

use super::*;
use crate::{
    Settings,
    testing::{Answer, Lines, api, api_with},
};

fn told(kind: &str, name: &str, answer: &Answer) -> String {
    format!("{kind} {name} {}", answer.version())
}

/// What is there to be read without waiting.
fn quiet(lines: &mut Lines) -> bool {
    lines.next().now_or_never().is_none()
}

async fn all(lines: &mut Lines) -> Vec<String> {
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
async fn bookmarks_come_once_a_minute_and_shortly_before_the_end() {
    let api = api();
    let start = Instant::now();
    let mut watch = api
        .watch(&format!("allowWatchBookmarks=true&timeoutSeconds=150&resourceVersion={}", api.server.revision()))
        .await;
    let mut times = Vec::new();
    loop {
        // Something that does not concern this watch: a bookmark says that it has seen it nevertheless.
        let uri = "/api/v1/namespaces/kube-system/configmaps";
        let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "generateName": "x" } }).to_string();
        api.send("POST", uri, &[], &body).await.unwrap();
        let told = watch.told().await;
        times.push((told.clone(), start.elapsed().as_secs()));
        if told == "end" {
            break;
        }
        assert_eq!(told, format!("BOOKMARK  {}", api.server.revision()));
    }
    assert_eq!(times.iter().map(|(_, at)| *at).collect::<Vec<_>>(), [60, 120, 148, 150]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_when_its_time_is_up_whatever_happens_meanwhile() {
    let api = api();
    api.create("a", json!({})).await;
    let mut watch = api.watch("timeoutSeconds=5").await;
    let start = Instant::now();
    assert_eq!(all(&mut watch).await, ["ADDED a"]);
    assert_eq!(start.elapsed(), Duration::from_secs(5));

    let mut unlimited = api.watch("").await;
    all(&mut unlimited).await;
    let minutes = start.elapsed().as_secs() / 60;
    assert!((30..=60).contains(&minutes), "after half an hour to an hour: {minutes}");

    assert_eq!(all(&mut api.watch("timeoutSeconds=-1").await).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_watch_is_cut_off_when_the_log_has_moved_on() {
    let api = api_with(Settings { log_capacity: 100, ..Settings::default() });
    let mut slow = api.watch(&format!("resourceVersion={}", api.server.revision())).await;
    for i in 0..50 {
        api.create(&format!("a{i}"), json!({})).await;
    }
    assert!(slow.told().await.starts_with("ADDED a0"), "so long it was late, but in time");
    for i in 50..300 {
        api.create(&format!("a{i}"), json!({})).await;
    }
    let rest = all(&mut slow).await;
    assert_eq!(rest.len(), 50, "what had been taken from the log already, and then: {:?}", rest.last());
    assert_eq!(rest.last().unwrap(), "ERROR ");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_yet_to_come_is_waited_for() {
    let api = api();
    let next = api.server.revision() + 2;
    let mut watch = api.watch(&format!("allowWatchBookmarks=true&timeoutSeconds=90&resourceVersion={next}")).await;
    assert!(quiet(&mut watch));
    // A bookmark is due. It would say that the version is there.
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(quiet(&mut watch));
    api.create("a", json!({})).await;
    api.create("b", json!({})).await;
    assert!(quiet(&mut watch), "up to it nothing is told");
    let c = api.create("c", json!({})).await;
    assert_eq!(watch.told().await, told("ADDED", "c", &c));
    assert_eq!(watch.told().await, format!("BOOKMARK  {}", c.version()), "now there is something to say");
    assert_eq!(watch.told().await, "end");
}

#[tokio::test(start_paused = true)]
async fn a_frame_is_bounded_and_nothing_is_lost_between_frames() {
    let api = api();
    let mut watch = api.watch(&format!("resourceVersion={}", api.server.revision())).await;
    // More than a batch, and more than a frame.
    for i in 0..BATCH + 500 {
        api.create(&format!("a{i:05}"), json!({})).await;
    }
    let (mut lines, mut frames) = (String::new(), 0);
    while lines.matches('\n').count() < BATCH + 500 {
        let frame = String::from_utf8(watch.frame().await.to_vec()).unwrap();
        let before_last = frame[..frame.len() - 1].rfind('\n').unwrap();
        assert!(frame.ends_with('\n') && before_last < FRAME, "of {} bytes, {before_last}", frame.len());
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
    assert!(quiet(&mut watch));
}

#[tokio::test(start_paused = true)]
async fn batch_for_another_watch_is_skipped() {
    let api = api();
    let mut watch =
        api.watch(&format!("labelSelector=a&timeoutSeconds=5&resourceVersion={}", api.server.revision())).await;
    for i in 0..BATCH + 500 {
        api.create(&format!("a{i}"), json!({})).await;
    }
    assert!(quiet(&mut watch), "the first batch");
    // The others' turn. If it had read on, this would be nothing to it.
    api.server.compact();
    assert_eq!(all(&mut watch).await, ["ERROR "]);

    let mut watch =
        api.watch(&format!("labelSelector=a&timeoutSeconds=5&resourceVersion={}", api.server.revision())).await;
    for i in BATCH..3 * BATCH {
        api.label(&format!("a{}", i % 100), json!({ "b": i.to_string() })).await;
    }
    api.label("a7", json!({ "a": "yes" })).await;
    assert_eq!(all(&mut watch).await, ["ADDED a7"], "it comes to what is for it");
}
