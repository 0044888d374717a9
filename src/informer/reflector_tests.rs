//! Scenarios played at the HTTP boundary: the test is the API server. One for each way in which a list or a watch is
//! known to go wrong.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::{
    informer::{
        Key,
        thing::{Thing, short, wire},
    },
    testing::{Call, Server, api_server, pass, status},
};

struct Rig {
    server: Server,
    changes: mpsc::UnboundedReceiver<String>,
    store: Arc<Store<Thing>>,
    health: Arc<Health>,
    stop: CancellationToken,
}

fn start() -> Rig {
    let (client, server) = api_server();
    let (tell, changes) = mpsc::unbounded_channel();
    let (store, health) = (Arc::new(Store::new(|t: &Thing| &t.terms)), Arc::new(Health::default()));
    let reflector = Reflector {
        resource: "things",
        list_watch: ListWatch::new(client, "/api/v1/things"),
        store: store.clone(),
        health: health.clone(),
        watch_idle: Duration::from_secs(150),
        metrics: Metrics::default(),
    };
    let stop = CancellationToken::new();
    tokio::spawn(reflector.run(stop.clone(), move |change| drop(tell.send(short(&change)))));
    Rig { server, changes, store, health, stop }
}

impl Rig {
    /// Lets the reflector list `things` at `version` and open its first watch.
    async fn watching(&mut self, things: &[Value], version: &str) -> Call {
        let call = self.server.next().await;
        assert_list(&call);
        call.json(200, &list(things, version, ""));
        self.skip(things.len()).await;
        let watch = self.server.next().await;
        assert_watch(&watch, version);
        watch
    }

    async fn skip(&mut self, changes: usize) {
        for _ in 0..changes {
            self.changes.recv().await.unwrap();
        }
    }

    async fn change(&mut self) -> String {
        tokio::time::timeout(Duration::from_secs(60), self.changes.recv()).await.expect("a change").expect("a change")
    }

    /// The next request, and how long it was waited for.
    async fn next_timed(&mut self) -> (Call, Duration) {
        let begun = Instant::now();
        let call = self.server.next().await;
        (call, begun.elapsed())
    }
}

fn list(things: &[Value], version: &str, next: &str) -> Value {
    json!({ "metadata": { "resourceVersion": version, "continue": next }, "items": things })
}

fn bookmark(version: &str) -> Value {
    json!({ "metadata": { "resourceVersion": version } })
}

fn assert_list(call: &Call) {
    assert_eq!((call.line().as_str(), call.param("watch")), ("GET /api/v1/things", ""), "{:?}", call.query);
}

fn assert_watch(call: &Call, version: &str) {
    assert_eq!((call.param("watch"), call.param("resourceVersion")), ("true", version), "{:?}", call.query);
}

fn is_backoff(wait: Duration) -> bool {
    (Duration::from_millis(800)..=Duration::from_millis(1600)).contains(&wait)
}

#[tokio::test(start_paused = true)]
async fn the_first_list_is_consistent_and_comes_in_pages_of_500() {
    let mut rig = start();
    let call = rig.server.next().await;
    assert_eq!(call.param("limit"), "500");
    assert!(!call.query.contains_key("resourceVersion"), "no version asks for the state of this moment");
    call.json(200, &list(&[wire("a", 1)], "9", "tok/1"));

    let call = rig.server.next().await;
    assert_eq!((call.param("continue"), call.param("limit")), ("tok%2F1", "500"));
    assert!(rig.store.is_empty() && rig.health.check().is_err(), "half a list is no list");
    call.json(200, &list(&[wire("b", 2)], "9", ""));

    assert_eq!([rig.change().await, rig.change().await], ["*a1", "*b2"]);
    assert_watch(&rig.server.next().await, "9");
    assert!(rig.health.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_too_large_is_asked_for_again_with_fewer_objects() {
    let mut rig = start();
    let mut large = wire("a", 1);
    large["metadata"]["annotations"]["text"] = "x".repeat(33 << 20).into();
    for size in ["500", "125"] {
        let call = rig.server.next().await;
        assert_eq!((call.param("limit"), call.param("continue")), (size, ""));
        call.json(200, &list(std::slice::from_ref(&large), "9", "token"));
    }
    rig.server.next().await.json(200, &list(&[wire("a", 1)], "9", "token"));
    // So it goes on. The next list starts afresh.
    let call = rig.server.next().await;
    assert_eq!((call.param("limit"), call.param("continue")), ("31", "token"));
    call.status(500, "InternalError", "etcd is unwell");
    let call = rig.server.next().await;
    assert_eq!((call.param("limit"), call.param("continue")), ("500", ""));
}

#[tokio::test(start_paused = true)]
async fn a_continue_token_that_expired_restarts_as_one_whole_list() {
    let mut rig = start();
    rig.server.next().await.json(200, &list(&[wire("a", 1)], "9", "token"));
    rig.server.next().await.status(410, "Expired", "The provided continue parameter is too old");
    let (call, wait) = rig.next_timed().await;
    assert_eq!((call.param("limit"), call.param("continue")), ("", ""));
    assert_eq!(wait, Duration::ZERO);
    call.json(200, &list(&[wire("b", 12)], "12", ""));
    assert_eq!(rig.change().await, "*b12");
    assert_watch(&rig.server.next().await, "12");
    assert_eq!(rig.store.len(), 1, "nothing of the expired pages is left");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_starts_the_list_again_after_a_backoff() {
    let mut rig = start();
    rig.server.next().await.json(200, &list(&[wire("a", 1)], "9", "token"));
    rig.server.next().await.status(500, "InternalError", "etcd is unwell");
    let (call, wait) = rig.next_timed().await;
    assert_eq!((call.param("limit"), call.param("continue")), ("500", ""));
    assert!(is_backoff(wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_asks_for_bookmarks_and_for_a_time_limit_of_5_to_10_minutes() {
    let mut rig = start();
    let watch = rig.watching(&[], "9").await;
    assert_eq!(watch.param("allowWatchBookmarks"), "true");
    let seconds: u64 = watch.param("timeoutSeconds").parse().unwrap();
    assert!((300..=600).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn events_change_the_cache_and_move_the_version_on() {
    let mut rig = start();
    let stream = rig.watching(&[wire("a", 1)], "9").await.stream();
    stream.event("MODIFIED", &wire("a", 10));
    stream.event("ADDED", &wire("b", 11));
    stream.event("DELETED", &wire("a", 12));
    assert_eq!([rig.change().await, rig.change().await, rig.change().await], ["a1>10", "+b11", "-a10"]);
    pass(Duration::from_secs(2)).await;
    drop(stream);
    assert_watch(&rig.server.next().await, "12");
}

#[tokio::test(start_paused = true)]
async fn a_bookmark_moves_the_version_on_and_changes_nothing() {
    let mut rig = start();
    let stream = rig.watching(&[wire("a", 1)], "9").await.stream();
    stream.event("BOOKMARK", &bookmark("77"));
    pass(Duration::from_secs(2)).await;
    drop(stream);
    assert_watch(&rig.server.next().await, "77");
    assert!(rig.changes.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_watch_whose_time_is_up_is_opened_again_at_once_where_it_was() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    pass(Duration::from_secs(120)).await;
    drop(stream);
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "9");
    assert_eq!(wait, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn lines_may_arrive_in_any_pieces() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    let text = format!(
        "{}\n\n{}\n",
        json!({"type": "ADDED", "object": wire("a", 10)}),
        json!({"type": "ADDED", "object": wire("b", 11)})
    );
    for byte in text.bytes() {
        stream.raw(vec![byte]);
    }
    assert_eq!([rig.change().await, rig.change().await], ["+a10", "+b11"]);
}

#[tokio::test(start_paused = true)]
async fn expired_410_as_the_answer_to_a_watch_lists_again() {
    let mut rig = start();
    rig.watching(&[wire("a", 1)], "9").await.status(410, "Expired", "too old resource version: 9 (120)");
    let (call, wait) = rig.next_timed().await;
    assert_list(&call);
    assert!(is_backoff(wait), "{wait:?}");
    call.json(200, &list(&[wire("b", 100)], "120", ""));
    assert_eq!([rig.change().await, rig.change().await], ["-a1", "+b100"]);
    assert_watch(&rig.server.next().await, "120");
}

#[tokio::test(start_paused = true)]
async fn expired_410_inside_a_stream_of_200_lists_again() {
    let mut rig = start();
    let stream = rig.watching(&[wire("a", 1)], "9").await.stream();
    stream.event("ERROR", &status(410, "Gone", "too old resource version"));
    let (call, wait) = rig.next_timed().await;
    assert_list(&call);
    assert!(is_backoff(wait), "{wait:?}");
    assert!(stream.is_abandoned());
}

#[tokio::test(start_paused = true)]
async fn a_410_after_every_list_is_answered_ever_more_slowly() {
    let mut rig = start();
    let mut waits = Vec::new();
    for _ in 0..8 {
        let (call, wait) = rig.next_timed().await;
        assert_list(&call);
        waits.push(wait);
        call.json(200, &list(&[], "9", ""));
        rig.server.next().await.status(410, "Expired", "too old");
    }
    assert!(waits[7] >= Duration::from_secs(15), "successful lists must not reset the backoff: {waits:?}");
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(30)), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_the_server_does_not_know_yet_lists_again() {
    for words_only in [false, true] {
        let mut rig = start();
        let mut answer = status(504, "Timeout", "Timeout: Too large resource version: 9, current: 3");
        if !words_only {
            answer["message"] = "some other words".into();
            answer["details"] = json!({ "causes": [{ "reason": "ResourceVersionTooLarge", "message": "" }] });
        }
        rig.watching(&[], "9").await.json(504, &answer);
        let (call, wait) = rig.next_timed().await;
        assert_list(&call);
        assert!(is_backoff(wait), "{wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_keeps_the_version_and_backs_off_up_to_30_seconds() {
    let mut rig = start();
    let mut watch = rig.watching(&[], "9").await;
    let mut waits = Vec::new();
    for _ in 0..8 {
        watch.refuse();
        let (next, wait) = rig.next_timed().await;
        assert_watch(&next, "9");
        waits.push(wait);
        watch = next;
    }
    assert!(is_backoff(waits[0]), "{waits:?}");
    assert!(waits[7] >= Duration::from_secs(15) && waits[7] <= Duration::from_secs(30), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_429_is_obeyed_and_capped() {
    let mut rig = start();
    let busy = status(429, "TooManyRequests", "slow down").to_string();
    rig.watching(&[], "9").await.bytes(429, &[("Retry-After", "7")], busy.clone());
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "9");
    assert_eq!(wait, Duration::from_secs(7));
    watch.bytes(429, &[("Retry-After", "86400")], busy);
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "9");
    assert_eq!(wait, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_429_inside_the_stream_keeps_the_version() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    stream.event("ERROR", &status(429, "TooManyRequests", "storage is (re)initializing"));
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "9");
    assert!(is_backoff(wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn any_other_error_inside_the_stream_lists_again_and_cannot_wedge() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    stream.event("ERROR", &status(500, "InternalError", "unable to decode an event from the watch stream"));
    assert_list(&rig.server.next().await);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_closes_at_once_and_empty_backs_off_and_lists() {
    let mut rig = start();
    let mut waits = Vec::new();
    for _ in 0..7 {
        let (call, wait) = rig.next_timed().await;
        assert_list(&call);
        waits.push(wait);
        call.json(200, &list(&[], "9", ""));
        drop(rig.server.next().await.stream());
    }
    assert!(is_backoff(waits[1]) && waits[6] >= Duration::from_secs(12), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_given_up_and_opened_again_where_it_was() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "9");
    assert_eq!(wait, Duration::from_secs(150));
    assert!(stream.is_abandoned(), "the dead connection is not kept");

    let stream = watch.stream();
    pass(Duration::from_secs(149)).await;
    stream.event("BOOKMARK", &bookmark("10"));
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "10");
    assert_eq!(wait, Duration::from_secs(150), "a bookmark is a sign of life");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_says_nothing_is_given_30_seconds() {
    let mut rig = start();
    let _never_answered = rig.server.next().await;
    let (call, wait) = rig.next_timed().await;
    assert_list(&call);
    assert!(wait > Duration::from_secs(30) && wait < Duration::from_secs(32), "{wait:?}");
    assert!(rig.health.check().unwrap_err().contains("no answer within 30 s"), "{:?}", rig.health.check());
}

#[tokio::test(start_paused = true)]
async fn what_the_selectors_choose_is_asked_for_in_every_request() {
    let (client, mut server) = api_server();
    let list_watch = ListWatch::<Thing>::new(client, "/api/v1/things").selecting(Some("app in (a,b)"), Some("x=1"));
    tokio::spawn(async move {
        let _ = list_watch.list(&List::First).await;
        let _ = list_watch.list(&List::Continue("more".into())).await;
        let _ = list_watch.watch("7", Duration::from_secs(60)).await;
    });
    for part in ["limit", "continue", "watch"] {
        let call = server.next().await;
        assert!(call.query.contains_key(part), "{:?}", call.query);
        let chosen = (call.param("labelSelector"), call.param("fieldSelector"));
        assert_eq!(chosen, ("app+in+%28a%2Cb%29", "x%3D1"));
        call.json(200, &list(&[], "7", ""));
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_may_take_as_long_as_it_likes_while_bytes_keep_coming() {
    let mut rig = start();
    let body = rig.server.next().await.stream();
    let text = list(&[wire("a", 1)], "9", "").to_string();
    for byte in text.bytes() {
        body.raw(vec![byte]);
        pass(Duration::from_secs(29)).await;
    }
    drop(body);
    assert_eq!(rig.change().await, "*a1");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_stops_halfway_is_given_up() {
    let mut rig = start();
    let body = rig.server.next().await.stream();
    body.raw("{\"metadata\":");
    let (call, wait) = rig.next_timed().await;
    assert_list(&call);
    assert!(wait > Duration::from_secs(30), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_opened_again_where_it_was() {
    let mut rig = start();
    let stream = rig.watching(&[], "9").await.stream();
    stream.event("ADDED", &wire("a", 10));
    stream.raw("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"half");
    stream.reset();
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "10");
    assert!(is_backoff(wait), "{wait:?}");
    assert_eq!(rig.change().await, "+a10");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_decoded_is_passed_over_and_its_next_change_brings_it_back() {
    let mut rig = start();
    let stream = rig.watching(&[wire("a", 1)], "9").await.stream();
    let mut broken = wire("a", 10);
    broken["value"] = "not a number".into();
    stream.event("MODIFIED", &broken);
    stream.event("ADDED", &wire("b", 11));
    assert_eq!(rig.change().await, "+b11", "the rest goes on");
    assert_eq!(rig.store.get(&Key::new("ns", "a")).unwrap().version, "1", "the last good version stays");
    stream.event("MODIFIED", &wire("a", 12));
    assert_eq!(rig.change().await, "a1>12");
}

#[tokio::test(start_paused = true)]
async fn a_list_with_one_bad_object_brings_all_the_others() {
    let mut rig = start();
    let mut broken = wire("b", 2);
    broken["value"] = "not a number".into();
    let watch = rig.server.next().await;
    watch.json(200, &list(&[wire("a", 1), broken, wire("c", 3)], "9", ""));
    assert_eq!([rig.change().await, rig.change().await], ["*a1", "*c3"]);
    assert_watch(&rig.server.next().await, "9");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_needs_no_more_than_the_name() {
    let mut rig = start();
    let stream = rig.watching(&[wire("a", 1)], "9").await.stream();
    let mut broken = wire("a", 10);
    broken["value"] = "not a number".into();
    stream.event("DELETED", &broken);
    assert_eq!(rig.change().await, "-a1");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_no_json_or_names_nothing_ends_the_watch_and_lists_again() {
    let nameless = json!({ "type": "ADDED", "object": { "metadata": { "resourceVersion": "10" } } }).to_string();
    for line in ["<html>gateway</html>", nameless.as_str(), r#"{"type":"RENAMED","object":{}}"#] {
        let mut rig = start();
        let stream = rig.watching(&[], "9").await.stream();
        stream.raw(format!("{line}\n"));
        let (call, wait) = rig.next_timed().await;
        assert_list(&call);
        assert!(is_backoff(wait), "{line}: {wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_no_json_is_asked_for_again() {
    let mut rig = start();
    rig.server.next().await.bytes(200, &[], "<html>");
    let (call, wait) = rig.next_timed().await;
    assert_list(&call);
    assert!(is_backoff(wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_is_not_served_or_not_allowed_is_waited_for_and_the_reason_is_told() {
    for (code, reason) in [(404, "NotFound"), (403, "Forbidden")] {
        let mut rig = start();
        rig.server.next().await.status(code, reason, "things are not for you");
        let call = rig.server.next().await;
        assert_eq!(rig.health.check().unwrap_err(), format!("not synced: {code} {reason}: things are not for you"));
        call.json(200, &list(&[], "9", ""));
        assert_watch(&rig.server.next().await, "9");
        assert!(rig.health.check().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn the_backoff_starts_afresh_after_a_watch_that_lived() {
    let mut rig = start();
    let mut watch = rig.watching(&[], "9").await;
    for _ in 0..6 {
        watch.refuse();
        watch = rig.server.next().await;
    }
    let stream = watch.stream();
    pass(Duration::from_secs(31)).await;
    stream.event("BOOKMARK", &bookmark("10"));
    pass(Duration::from_secs(1)).await;
    stream.reset();
    let (watch, wait) = rig.next_timed().await;
    assert_watch(&watch, "10");
    assert!(is_backoff(wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn it_stops_in_the_middle_of_anything() {
    // While it lists, while it backs off, while it watches.
    for stage in 0..3 {
        let mut rig = start();
        let call = rig.server.next().await;
        let mut held = None;
        match stage {
            0 => held = Some(call.stream()),
            1 => call.refuse(),
            _ => {
                call.json(200, &list(&[], "9", ""));
                held = Some(rig.server.next().await.stream());
            }
        }
        rig.stop.cancel();
        assert!(rig.server.next_within(Duration::from_secs(600)).await.is_none(), "stage {stage}");
        assert!(held.is_none_or(|stream| stream.is_abandoned()), "stage {stage}");
        assert!(rig.changes.recv().await.is_none(), "the task has ended");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resync_hands_out_every_key_and_makes_no_request() {
    let mut rig = start();
    let _stream = rig.watching(&[wire("a", 1), wire("b", 2)], "9").await.stream();
    let (tell, mut keys) = mpsc::unbounded_channel();
    let store = rig.store.clone();
    tokio::spawn(async move {
        let resync = crate::informer::Resync { every: Duration::from_secs(60) };
        resync.run(&store, |key| drop(tell.send(key))).await;
    });
    for round in 1..=2 {
        let begun = Instant::now();
        let mut names = [keys.recv().await.unwrap(), keys.recv().await.unwrap()];
        names.sort();
        assert_eq!(names.map(|k| k.to_string()), ["ns/a", "ns/b"], "round {round}");
        assert!(begun.elapsed() <= Duration::from_secs(60));
    }
    assert!(rig.server.next_within(Duration::ZERO).await.is_none());
}
