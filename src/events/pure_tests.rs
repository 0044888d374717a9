//! The parts that need no server: names, bookkeeping, memory and limits.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::advance;

use super::{
    known::{Known, Seen},
    note::{Kind, MESSAGE_LIMIT, Note, ObjectRef},
    pending::Pending,
    spam::{Buckets, PER_NAMESPACE, PER_OBJECT},
};
use crate::informer::Key;

fn about(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: namespace.into(),
        name: name.into(),
        uid: format!("uid of {name}"),
        resource_version: Some("7".into()),
    }
}

fn note(namespace: &str, name: &str, message: &str) -> Note {
    Note::new(&about(namespace, name), Kind::Warning, "pki ServiceName error", message)
}

fn key(note: &Note) -> Key {
    note.key("controlplane")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A thousand different events need a thousand different keys, no more.
fn keys(namespace: &str, count: usize) -> Vec<Key> {
    (0..count).map(|n| Key::new(namespace, &format!("event-{n}"))).collect()
}

fn seen(count: i32) -> Seen {
    Seen { count, first: None, last: None, version: None }
}

#[test]
fn the_name_of_an_event_never_changes_between_releases() {
    // Worked out once, written down here: a controller that is upgraded has to find the Events of the one before.
    assert_eq!(key(&note("app1", "app1-pod", "no such name")).as_str(), "app1/app1-pod.0d0b181efbe5f327");
}

#[test]
fn each_word_that_is_said_makes_another_event() {
    let base = note("ns", "pod", "text");
    let same_words_elsewhere_split = Note { reason: "a".into(), message: "bc".into(), ..base.clone() };
    let others = [
        Note { message: "other".into(), ..base.clone() },
        Note { reason: "Other".into(), ..base.clone() },
        Note { kind: Kind::Normal, ..base.clone() },
        Note { about: ObjectRef { uid: "other".into(), ..base.about.clone() }, ..base.clone() },
        same_words_elsewhere_split.clone(),
        Note { reason: "ab".into(), message: "c".into(), ..same_words_elsewhere_split },
    ];
    let mut names: Vec<Key> = others.iter().map(key).collect();
    names.push(key(&base));
    names.push(base.key("another component"));
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);

    let later = Note { about: ObjectRef { resource_version: Some("8".into()), ..base.about.clone() }, ..base.clone() };
    assert_eq!(key(&later), key(&base), "the version of the object is not part of what is said");
}

#[test]
fn a_name_is_always_one_that_the_server_takes() {
    let dots = format!("{}.tail-that-is-cut-off", "a".repeat(234));
    let cut = format!("{}-.b", "a".repeat(234));
    for name in ["pod", &"a".repeat(253), &dots, &cut, "system:node", "", "Ünicode", "..."] {
        let key = key(&note("ns", name, "text"));
        let name = key.name();
        assert!(name.len() <= 253, "{name}");
        for label in name.split('.') {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            assert!(label.starts_with(plain) && label.ends_with(plain), "{name}");
            assert!(label.chars().all(|c| plain(c) || c == '-'), "{name}");
        }
    }
    assert!(
        key(&note("ns", &cut, "text")).name().starts_with("aaa"),
        "what is left of the name is still there to read"
    );
    assert_eq!(key(&note("ns", &"a".repeat(253), "text")).name().len(), 253, "no more is cut than has to be");
}

#[test]
fn a_long_message_is_cut_at_a_character() {
    // Two bytes each, after one of a single byte: the limit falls in the middle of a character.
    let long = format!("a{}", "é".repeat(MESSAGE_LIMIT));
    let message = note("ns", "pod", &long).message;
    assert_eq!(message.len(), MESSAGE_LIMIT - 1);
    assert!(long.starts_with(&message));
    let exact = "a".repeat(MESSAGE_LIMIT);
    assert_eq!(note("ns", "pod", &exact).message, exact);
}

#[test]
fn the_event_is_what_kubectl_describe_looks_for() {
    let event = note("app1", "app1-pod", "no such name").event("controlplane", "the-name", 3, at(60), at(120));
    assert_eq!(
        serde_json::to_value(event).unwrap(),
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "the-name", "namespace": "app1"},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "namespace": "app1", "name": "app1-pod",
                "uid": "uid of app1-pod", "resourceVersion": "7",
            },
            "type": "Warning",
            "reason": "pki ServiceName error",
            "message": "no such name",
            "count": 3,
            "firstTimestamp": "1970-01-01T00:01:00Z",
            "lastTimestamp": "1970-01-01T00:02:00Z",
            "source": {"component": "controlplane"},
            "reportingComponent": "controlplane",
        })
    );
}

#[test]
fn the_event_of_an_object_without_a_namespace_lives_in_default() {
    let note = note("", "node-1", "text");
    assert_eq!(key(&note).namespace(), "default");
    let event = note.event("controlplane", "the-name", 1, at(0), at(0));
    assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
    assert_eq!(event.involved_object.namespace, None);
}

#[test]
fn repeats_before_the_first_attempt_are_one_batch() {
    let (mut pending, note) = (Pending::default(), note("ns", "pod", "text"));
    let key = key(&note);
    for second in [5, 6, 9] {
        pending.add(&key, note.clone(), at(second));
    }
    let (_, batch) = pending.begin(&key).unwrap();
    assert_eq!((batch.count, batch.first, batch.last), (3, at(5), at(9)));
    assert!(!pending.sent(&key));
    assert!(pending.begin(&key).is_none());
}

#[test]
fn a_batch_that_is_tried_again_is_the_same_batch() {
    let (mut pending, note) = (Pending::default(), note("ns", "pod", "text"));
    let key = key(&note);
    pending.add(&key, note.clone(), at(5));
    pending.begin(&key).unwrap();
    pending.add(&key, note.clone(), at(6));
    pending.aim_at(&key, 1);

    let (_, again) = pending.begin(&key).unwrap();
    assert_eq!((again.count, again.last, again.aim), (1, at(5), Some(1)));
    assert!(pending.sent(&key), "there is more");
    let (_, next) = pending.begin(&key).unwrap();
    assert_eq!((next.count, next.first, next.aim), (1, at(6), None));
    assert!(!pending.sent(&key));
}

#[test]
fn giving_up_tells_the_tickets_of_what_was_not_sent_only() {
    let (mut pending, note) = (Pending::default(), note("ns", "pod", "text"));
    let key = key(&note);
    let sent = pending.add(&key, note.clone(), at(1));
    pending.begin(&key).unwrap();
    let in_flight = pending.add(&key, note.clone(), at(2));
    pending.sent(&key);
    pending.begin(&key).unwrap();
    let meanwhile = pending.add(&key, note.clone(), at(3));
    assert!(!in_flight.dropped());

    assert_eq!(pending.give_up(&key), 2);
    assert!(!sent.dropped());
    assert!(in_flight.dropped() && meanwhile.dropped());
    assert_eq!(pending.give_up(&key), 0, "nothing is counted twice");

    assert!(!pending.add(&key, note.clone(), at(4)).dropped(), "a later one has its own fate");
}

#[test]
fn the_oldest_is_told_even_when_later_ones_were_sent() {
    let mut pending = Pending::default();
    let keys = keys("ns", 2);
    for key in &keys {
        pending.add(key, note("ns", "pod", "text"), at(1));
    }
    assert_eq!((pending.oldest(), pending.recorded()), (Some(1), 2));
    pending.begin(&keys[1]);
    pending.sent(&keys[1]);
    assert_eq!(pending.oldest(), Some(1));
    pending.begin(&keys[0]);
    assert_eq!(pending.oldest(), Some(1));
    pending.sent(&keys[0]);
    assert_eq!(pending.oldest(), None);
}

#[test]
fn there_is_room_for_so_many_events_and_for_every_repeat() {
    let mut pending = Pending::default();
    let (first, second) = (keys("one", Pending::NAMESPACE_LIMIT), keys("two", Pending::LIMIT));
    let mut add = |key: &Key| {
        let room = pending.has_room(key);
        if room {
            pending.add(key, note("ns", "pod", "text"), at(1));
        }
        room
    };
    assert!(first.iter().all(&mut add));
    assert!(!add(&Key::new("one", "another")), "a noisy namespace leaves room for the others");
    assert_eq!(second.iter().filter(|key| add(key)).count(), Pending::LIMIT - Pending::NAMESPACE_LIMIT);
    assert!(!add(&Key::new("three", "another")));
    assert!(add(&first[0]), "a repeat takes no room");
}

#[test]
fn whoever_waits_for_a_namespace_knows_its_place_in_the_line() {
    let mut pending = Pending::default();
    let (keys, other) = (keys("ns", 3), Key::new("other", "event"));
    for key in keys.iter().chain([&other]) {
        pending.add(key, note("ns", "pod", "text"), at(1));
    }
    let places: Vec<u32> = keys.iter().map(|key| pending.wait_in_line(key)).collect();
    assert_eq!(places, [0, 1, 2]);
    assert_eq!(pending.wait_in_line(&other), 0);
    assert_eq!(pending.wait_in_line(&keys[0]), 2, "it does not wait for itself");
    pending.begin(&keys[0]);
    assert_eq!(pending.wait_in_line(&keys[1]), 1, "who writes waits no more");
}

#[test]
fn what_is_used_is_remembered_and_the_memory_is_bounded() {
    let mut known = Known::default();
    let used = Key::new("ns", "used");
    known.put(used.clone(), seen(1));
    for (n, key) in keys("ns", 3 * Known::LIMIT).into_iter().enumerate() {
        known.put(key, seen(1));
        assert!(known.len() <= Known::LIMIT);
        if n % 1000 == 0 {
            let count = known.get(&used).expect("used a thousand events ago").count;
            known.put(used.clone(), seen(count + 1));
        }
    }
    assert!(known.get(&Key::new("ns", "event-0")).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_object_has_a_burst_of_25_and_then_one_event_in_five_minutes() {
    let mut buckets = Buckets::new(PER_OBJECT);
    assert_eq!((0..40).filter(|_| buckets.take("pod").is_ok()).count(), 25);
    assert!(buckets.take("another pod").is_ok());
    advance(Duration::from_secs(299)).await;
    assert!(buckets.take("pod").is_err());
    advance(Duration::from_secs(1)).await;
    assert!(buckets.take("pod").is_ok());
    assert!(buckets.take("pod").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_has_a_burst_of_200_and_is_told_how_long_to_wait() {
    let mut buckets = Buckets::new(PER_NAMESPACE);
    assert_eq!((0..300).filter(|_| buckets.take("ns").is_ok()).count(), 200);
    let wait = buckets.take("ns").unwrap_err();
    assert!(wait > Duration::ZERO && wait <= Duration::from_millis(200), "{wait:?}");
    advance(wait).await;
    assert!(buckets.take("ns").is_ok());
    assert!(buckets.take("ns").is_err());
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_any_number_of_objects_fit_in_a_bounded_memory() {
    let mut buckets = Buckets::new(PER_OBJECT);
    for n in 0..3 * Buckets::LIMIT {
        assert!(buckets.take(&n.to_string()).is_ok());
        assert!(buckets.len() <= Buckets::LIMIT);
    }
}

#[tokio::test(start_paused = true)]
async fn making_room_forgets_the_objects_whose_bucket_is_full_again() {
    let mut buckets = Buckets::new(PER_OBJECT);
    while buckets.take("noisy").is_ok() {}
    for n in 0..Buckets::LIMIT - 1 {
        assert!(buckets.take(&n.to_string()).is_ok());
    }
    advance(Duration::from_secs(3600)).await;
    assert!(buckets.take("another").is_ok());
    assert_eq!(buckets.len(), 2);
    assert_eq!((0..25).filter(|_| buckets.take("noisy").is_ok()).count(), 12, "an hour's worth, not a new burst");
}
