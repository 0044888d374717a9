use std::{cell::RefCell, sync::Mutex};

use super::*;

const REMIND: Duration = Duration::from_secs(1800);

fn object(uid: &str) -> ObjectRef {
    ObjectRef {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: "app1".into(),
        name: uid.into(),
        uid: uid.into(),
        resource_version: None,
    }
}

/// Tells `message` to `uids` at `at` seconds, and returns who was actually told.
struct Rig {
    told: Told,
    start: Instant,
    tickets: Mutex<Vec<Ticket>>,
}

impl Rig {
    fn new() -> Self {
        Rig { told: Told::default(), start: Instant::now(), tickets: Mutex::default() }
    }

    fn tell(&self, message: &str, uids: &[&str], at: u64) -> (Vec<String>, Duration) {
        let heard = RefCell::new(Vec::new());
        let audience: Vec<_> = uids.iter().map(|uid| object(uid)).collect();
        let now = self.start + Duration::from_secs(at);
        let next = self.told.tell(&Key::new("app1", "pki"), message, &audience, now, REMIND, |object| {
            heard.borrow_mut().push(object.uid.clone());
            self.tickets.lock().unwrap().pop().unwrap_or_else(|| Ticket::new(false))
        });
        (heard.into_inner(), next)
    }
}

#[test]
fn everyone_is_told_once_however_often_it_is_looked_at() {
    let rig = Rig::new();
    assert_eq!(rig.tell("no", &["pki", "pod-1"], 0), (vec!["pki".into(), "pod-1".into()], REMIND));
    assert_eq!(rig.tell("no", &["pki", "pod-1"], 600), (vec![], Duration::from_secs(1200)));
}

#[test]
fn a_pod_that_comes_later_is_told_and_nobody_else() {
    let rig = Rig::new();
    rig.tell("no", &["pki", "pod-1"], 0);
    assert_eq!(rig.tell("no", &["pki", "pod-1", "pod-2"], 60).0, ["pod-2"]);
}

#[test]
fn an_error_that_persists_is_told_again_when_it_is_due() {
    let rig = Rig::new();
    rig.tell("no", &["pki"], 0);
    rig.tell("no", &["pki", "pod-1"], 60);
    assert_eq!(rig.tell("no", &["pki", "pod-1"], 1799), (vec![], Duration::from_secs(1)));
    assert_eq!(rig.tell("no", &["pki", "pod-1"], 1800), (vec!["pki".into()], Duration::from_secs(60)));
}

#[test]
fn another_error_is_told_to_everyone() {
    let rig = Rig::new();
    rig.tell("no", &["pki", "pod-1"], 0);
    assert_eq!(rig.tell("still no", &["pki", "pod-1"], 1).0, ["pki", "pod-1"]);
}

#[test]
fn an_error_that_comes_back_is_told_again() {
    let rig = Rig::new();
    rig.tell("no", &["pki"], 0);
    rig.told.forget(&Key::new("app1", "pki"));
    assert_eq!(rig.tell("no", &["pki"], 1).0, ["pki"]);
}

#[test]
fn a_pod_whose_event_was_dropped_is_told_at_a_later_look() {
    let rig = Rig::new();
    rig.tickets.lock().unwrap().push(Ticket::new(true));
    assert_eq!(rig.tell("no", &["pod-1"], 0).0, ["pod-1"]);
    assert!(rig.tell("no", &["pod-1"], 1).0.is_empty(), "not at every retry");
    assert_eq!(rig.tell("no", &["pod-1"], 60).0, ["pod-1"]);
    assert!(rig.tell("no", &["pod-1"], 61).0.is_empty());
}

#[test]
fn pods_that_are_gone_are_not_remembered() {
    let rig = Rig::new();
    rig.tell("no", &["pki", "pod-1"], 0);
    rig.tell("no", &["pki"], 1);
    assert_eq!(rig.told.lock().values().map(|telling| telling.heard.len()).sum::<usize>(), 1);
}
