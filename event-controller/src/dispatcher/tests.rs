use std::collections::VecDeque;

use futures::FutureExt;
use proptest::prelude::*;
use serde_json::json;
use testkit::Log;

use super::*;
use crate::plugin::tests::event_of;

/// A plugin that records each event, and fails on demand.
#[derive(Default)]
struct FakePlugin {
    events: Mutex<Vec<String>>,
    failures: Mutex<VecDeque<ReconcileError>>,
}

impl Plugin for FakePlugin {
    async fn handle_event(&self, event: &Event, _: &Config) -> Result<(String, Level), ReconcileError> {
        let (r#type, object) = (event.r#type.as_str(), &event.object);
        self.events.lock().push(format!("{type} {}{}", object.uid(), object.resource_version()));
        self.failures.lock().pop_front().map_or(Ok(("fine".into(), Level::Info)), Err)
    }
}

struct Harness {
    store: Arc<Store<DynamicObject>>,
    plugin: Arc<FakePlugin>,
    dispatcher: Dispatcher<FakePlugin>,
}

fn key() -> Key {
    Key::new("ns", "a")
}

/// Returns the object `ns/a` with this UID and version.
fn object(uid: &str, version: u32) -> DynamicObject {
    let metadata = json!({ "namespace": "ns", "name": "a", "uid": uid, "resourceVersion": version.to_string() });
    serde_json::from_value(json!({ "metadata": metadata })).unwrap()
}

impl Harness {
    fn new() -> Harness {
        let (store, plugin) = (Arc::new(Store::new()), Arc::new(FakePlugin::default()));
        let resource = event_of(EventType::Added, r#"{"metadata":{"name":"a"}}"#).resource;
        let dispatcher = Dispatcher::new(store.clone(), resource, plugin.clone(), Config::new());
        Harness { store, plugin, dispatcher }
    }

    fn apply(&self, uid: &str, version: u32) {
        self.store.apply(object(uid, version)).iter().for_each(|change| self.dispatcher.track(change));
    }

    fn delete(&self) {
        self.store.delete(&key()).iter().for_each(|change| self.dispatcher.track(change));
    }

    /// Applies a new list, as after a lost connection.
    fn replace(&self, list: Vec<DynamicObject>) {
        self.store.replace(list, &[]).iter().for_each(|change| self.dispatcher.track(change));
    }

    fn reconcile(&self) -> Result<Action, ReconcileError> {
        self.dispatcher.reconcile(&key()).now_or_never().expect("the plugin does not wait")
    }

    /// Returns the events of this reconcile and of those that follow at once: `DELETED u1, ADDED w2`.
    fn events(&self) -> String {
        while matches!(self.reconcile(), Ok(Action::RequeueAfter(Duration::ZERO))) {}
        self.plugin.events.lock().drain(..).collect::<Vec<_>>().join(", ")
    }

    fn fail_next(&self) {
        self.plugin.failures.lock().push_back(ReconcileError::Transient("no".into()));
    }

    fn reject_next(&self) {
        self.plugin.failures.lock().push_back(ReconcileError::Permanent { why: "never".into(), requeue_after: None });
    }

    fn exhaust_retries(&self) -> Action {
        self.dispatcher.on_retries_exhausted(&key(), "no").now_or_never().unwrap().unwrap()
    }

    fn is_empty(&self) -> bool {
        self.dispatcher.delivered.is_empty()
    }
}

#[test]
fn object_has_events_from_added_to_deleted() {
    let harness = Harness::new();
    assert_eq!(harness.events(), "", "no object");
    harness.apply("u", 1);
    assert_eq!(harness.events(), "ADDED u1");
    assert_eq!(harness.events(), "", "no repeated event");
    harness.apply("u", 2);
    harness.apply("u", 3);
    assert_eq!(harness.events(), "MODIFIED u3", "states in between may be skipped");
    harness.apply("u", 4);
    harness.delete();
    assert_eq!(harness.events(), "DELETED u4", "newer than the version that was delivered");
    harness.apply("w", 5);
    harness.delete();
    assert_eq!(harness.events(), "", "it was never delivered");
    assert!(harness.is_empty());
}

#[test]
fn reconnect_repeats_and_loses_no_event() {
    let harness = Harness::new();
    harness.replace(vec![object("u", 1)]);
    assert_eq!(harness.events(), "ADDED u1");
    harness.replace(vec![object("u", 1)]);
    assert_eq!(harness.events(), "", "the same list again");
    harness.replace(vec![object("u", 4)]);
    assert_eq!(harness.events(), "MODIFIED u4", "changed during the outage");
    harness.replace(vec![object("w", 6)]);
    assert_eq!(harness.events(), "DELETED u4, ADDED w6", "replaced during the outage");
    harness.replace(vec![]);
    assert_eq!(harness.events(), "DELETED w6", "deleted during the outage");
}

#[test]
fn failed_event_is_retried_with_the_current_state() {
    let harness = Harness::new();
    harness.apply("u", 1);
    harness.fail_next();
    assert_eq!(harness.events(), "ADDED u1");
    harness.apply("u", 2);
    assert_eq!(harness.events(), "ADDED u2");
    harness.apply("w", 3);
    harness.fail_next();
    assert_eq!(harness.events(), "DELETED u2");
    assert_eq!(harness.events(), "DELETED u2, ADDED w3");
    harness.apply("x", 4);
    harness.events();
    harness.delete();
    harness.apply("y", 5);
    harness.fail_next();
    assert_eq!(harness.events(), "DELETED x4");
    harness.delete();
    assert_eq!(harness.events(), "DELETED x4");
}

#[test]
fn failed_added_is_followed_by_deleted() {
    let harness = Harness::new();
    harness.apply("u", 1);
    harness.fail_next();
    harness.events();
    harness.delete();
    assert_eq!(harness.events(), "DELETED u1", "the plugin may have handled it");
}

#[test]
fn dropped_deletion_does_not_drop_its_successor() {
    let harness = Harness::new();
    harness.apply("u", 1);
    harness.events();
    harness.apply("u", 2);
    harness.fail_next();
    assert_eq!(harness.events(), "MODIFIED u2");
    harness.delete();
    assert_eq!(harness.exhaust_retries(), Action::AwaitChange, "MODIFIED is dropped, DELETED is not");
    harness.fail_next();
    assert_eq!(harness.events(), "DELETED u2");
    harness.apply("w", 3);
    assert_eq!(harness.exhaust_retries(), Action::RequeueAfter(Duration::ZERO));
    assert_eq!(harness.events(), "ADDED w3");
    harness.delete();
    harness.fail_next();
    harness.events();
    assert_eq!(harness.exhaust_retries(), Action::AwaitChange);
    assert!(harness.is_empty());
}

#[test]
fn rejected_event_is_logged_and_dropped() {
    let (harness, log) = (Harness::new(), Log::start(tracing::Level::ERROR));
    harness.apply("u", 1);
    harness.reject_next();
    assert!(matches!(harness.reconcile(), Err(ReconcileError::Permanent { requeue_after: None, .. })));
    assert_eq!(log.lines()[0]["error"], "never");
    harness.apply("u", 2);
    assert_eq!(harness.events(), "ADDED u1, ADDED u2");
    harness.apply("w", 3);
    harness.reject_next();
    assert!(matches!(harness.reconcile(), Err(ReconcileError::Permanent { requeue_after: Some(Duration::ZERO), .. })));
    assert_eq!(harness.events(), "DELETED u2, ADDED w3");
}

/// Applies an event to the state that a plugin derives from its events, the UID of the object.
fn apply_event(derived: &mut Option<String>, event: &str, acknowledged: bool) {
    let (r#type, object) = event.split_once(' ').unwrap();
    let uid = object[..1].to_owned();
    match r#type {
        "ADDED" => assert!(derived.is_none(), "{event}, but the plugin has {derived:?}"),
        "MODIFIED" => assert_eq!(derived.as_ref(), Some(&uid), "{event}"),
        _ => assert!(derived.is_none() || *derived == Some(uid.clone()), "{event}, but the plugin has {derived:?}"),
    }
    if acknowledged {
        *derived = (r#type != "DELETED").then_some(uid);
    }
}

proptest! {
    /// For any changes, reconciles and failures of the plugin.
    #[test]
    fn events_are_consistent_and_end_with_the_actual_state(
        steps in prop::collection::vec((0usize..4, any::<bool>(), any::<bool>()), 1..40)
    ) {
        let harness = Harness::new();
        let (mut derived, mut actual) = (None, None);
        for (version, (uid, reconciled, fails)) in steps.into_iter().enumerate() {
            match ["u", "w", "x"].get(uid) {
                Some(uid) => harness.apply(uid, version as u32),
                None => harness.delete(),
            }
            actual = ["u", "w", "x"].get(uid).map(|uid| (*uid).to_owned());
            if reconciled {
                if fails {
                    harness.fail_next();
                }
                let events = harness.events();
                let has_failed = fails && harness.plugin.failures.lock().drain(..).count() == 0;
                for (n, event) in events.split(", ").filter(|event| !event.is_empty()).enumerate() {
                    apply_event(&mut derived, event, !(has_failed && n == 0));
                }
            }
        }
        for event in harness.events().split(", ").filter(|event| !event.is_empty()) {
            apply_event(&mut derived, event, true);
        }
        prop_assert_eq!(derived, actual);
        prop_assert_eq!(harness.events(), "");
    }
}
