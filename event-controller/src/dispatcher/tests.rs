use std::collections::VecDeque;

use futures::FutureExt;
use proptest::prelude::*;
use serde_json::json;
use testkit::Log;

use super::*;
use crate::plugin::tests::event_of;

/// Notes each event, and fails as the test says.
#[derive(Default)]
struct Scripted {
    events: Mutex<Vec<String>>,
    failures: Mutex<VecDeque<ReconcileError>>,
}

impl Plugin for Scripted {
    async fn handle_event(&self, event: &Event, _: &Config) -> Result<(String, Level), ReconcileError> {
        let (r#type, object) = (event.r#type.as_str(), &event.object);
        self.events.lock().push(format!("{type} {}{}", object.uid(), object.resource_version()));
        self.failures.lock().pop_front().map_or(Ok(("fine".into(), Level::Info)), Err)
    }
}

struct Setup {
    store: Arc<Store<Dynamic>>,
    plugin: Arc<Scripted>,
    dispatcher: Dispatcher<Scripted>,
}

fn setup() -> Setup {
    let (store, plugin) = (Arc::new(Store::new()), Arc::new(Scripted::default()));
    let resource = event_of(EventType::Added, r#"{"metadata":{"name":"a"}}"#).resource;
    let dispatcher = Dispatcher::new(store.clone(), resource, plugin.clone(), Config::new());
    Setup { store, plugin, dispatcher }
}

fn key() -> Key {
    Key::new("ns", "a")
}

/// The object `ns/a` of this UID, in this version.
fn object(uid: &str, version: u32) -> Dynamic {
    let metadata = json!({ "namespace": "ns", "name": "a", "uid": uid, "resourceVersion": version.to_string() });
    serde_json::from_value(json!({ "metadata": metadata })).unwrap()
}

impl Setup {
    fn apply(&self, uid: &str, version: u32) {
        self.store.apply(object(uid, version)).iter().for_each(|change| self.dispatcher.track(change));
    }

    fn delete(&self) {
        self.store.delete(&key()).iter().for_each(|change| self.dispatcher.track(change));
    }

    /// A new list, as after a lost connection.
    fn replace(&self, list: Vec<Dynamic>) {
        self.store.replace(list, &[]).iter().for_each(|change| self.dispatcher.track(change));
    }

    fn reconcile(&self) -> Result<Outcome, ReconcileError> {
        self.dispatcher.reconcile(&key()).now_or_never().expect("the plugin answers at once")
    }

    /// The events of this reconcile and of those that follow at once: `DELETED u1, ADDED w2`.
    fn events(&self) -> String {
        while matches!(self.reconcile(), Ok(Outcome::RequeueAfter(Duration::ZERO))) {}
        self.plugin.events.lock().drain(..).collect::<Vec<_>>().join(", ")
    }

    fn fail_next(&self) {
        self.plugin.failures.lock().push_back(ReconcileError::Transient("no".into()));
    }

    fn refuse_next(&self) {
        self.plugin.failures.lock().push_back(ReconcileError::Permanent { why: "never".into(), requeue_after: None });
    }

    fn give_up(&self) -> Outcome {
        self.dispatcher.on_retries_exhausted(&key(), "no").now_or_never().unwrap().unwrap()
    }

    fn is_empty(&self) -> bool {
        self.dispatcher.known.is_empty()
    }
}

#[test]
fn object_is_followed_from_added_to_deleted() {
    let setup = setup();
    assert_eq!(setup.events(), "", "nothing is there");
    setup.apply("u", 1);
    assert_eq!(setup.events(), "ADDED u1");
    assert_eq!(setup.events(), "", "nothing repeated");
    setup.apply("u", 2);
    setup.apply("u", 3);
    assert_eq!(setup.events(), "MODIFIED u3", "states in between may be skipped");
    setup.apply("u", 4);
    setup.delete();
    assert_eq!(setup.events(), "DELETED u4", "newer than the version that the plugin knows");
    setup.apply("w", 5);
    setup.delete();
    assert_eq!(setup.events(), "", "the plugin never knew it");
    assert!(setup.is_empty());
}

#[test]
fn reconnect_repeats_nothing_and_loses_nothing() {
    let setup = setup();
    setup.replace(vec![object("u", 1)]);
    assert_eq!(setup.events(), "ADDED u1");
    setup.replace(vec![object("u", 1)]);
    assert_eq!(setup.events(), "", "the same list again");
    setup.replace(vec![object("u", 4)]);
    assert_eq!(setup.events(), "MODIFIED u4", "changed during the outage");
    setup.replace(vec![object("w", 6)]);
    assert_eq!(setup.events(), "DELETED u4, ADDED w6", "replaced during the outage");
    setup.replace(vec![]);
    assert_eq!(setup.events(), "DELETED w6", "deleted during the outage");
}

#[test]
fn failed_event_comes_again_with_the_present_state() {
    let setup = setup();
    setup.apply("u", 1);
    setup.fail_next();
    assert_eq!(setup.events(), "ADDED u1");
    setup.apply("u", 2);
    assert_eq!(setup.events(), "ADDED u2");
    setup.apply("w", 3);
    setup.fail_next();
    assert_eq!(setup.events(), "DELETED u2");
    assert_eq!(setup.events(), "DELETED u2, ADDED w3");
    setup.apply("x", 4);
    setup.events();
    setup.delete();
    setup.apply("y", 5);
    setup.fail_next();
    assert_eq!(setup.events(), "DELETED x4");
    setup.delete();
    assert_eq!(setup.events(), "DELETED x4");
}

#[test]
fn failed_added_is_followed_by_deleted() {
    let setup = setup();
    setup.apply("u", 1);
    setup.fail_next();
    setup.events();
    setup.delete();
    assert_eq!(setup.events(), "DELETED u1", "the event may have had its effect");
}

#[test]
fn dropped_deletion_is_forgotten_but_not_its_successor() {
    let setup = setup();
    setup.apply("u", 1);
    setup.events();
    setup.apply("u", 2);
    setup.fail_next();
    assert_eq!(setup.events(), "MODIFIED u2");
    setup.delete();
    assert_eq!(setup.give_up(), Outcome::AwaitChange, "MODIFIED is dropped, DELETED is not");
    setup.fail_next();
    assert_eq!(setup.events(), "DELETED u2");
    setup.apply("w", 3);
    assert_eq!(setup.give_up(), Outcome::RequeueAfter(Duration::ZERO));
    assert_eq!(setup.events(), "ADDED w3");
    setup.delete();
    setup.fail_next();
    setup.events();
    assert_eq!(setup.give_up(), Outcome::AwaitChange);
    assert!(setup.is_empty());
}

#[test]
fn refused_event_is_logged_and_dropped() {
    let (setup, log) = (setup(), Log::start(tracing::Level::ERROR));
    setup.apply("u", 1);
    setup.refuse_next();
    assert!(matches!(setup.reconcile(), Err(ReconcileError::Permanent { requeue_after: None, .. })));
    assert_eq!(log.lines()[0]["error"], "never");
    setup.apply("u", 2);
    assert_eq!(setup.events(), "ADDED u1, ADDED u2");
    setup.apply("w", 3);
    setup.refuse_next();
    assert!(matches!(setup.reconcile(), Err(ReconcileError::Permanent { requeue_after: Some(Duration::ZERO), .. })));
    assert_eq!(setup.events(), "DELETED u2, ADDED w3");
}

/// Applies an event to what a plugin believes to exist.
fn follow(believed: &mut Option<String>, event: &str, acknowledged: bool) {
    let (what, object) = event.split_once(' ').unwrap();
    let uid = object[..1].to_owned();
    match what {
        "ADDED" => assert!(believed.is_none(), "{event}, but it has {believed:?}"),
        "MODIFIED" => assert_eq!(believed.as_ref(), Some(&uid), "{event}"),
        _ => assert!(believed.is_none() || *believed == Some(uid.clone()), "{event}, but it has {believed:?}"),
    }
    if acknowledged {
        *believed = (what != "DELETED").then_some(uid);
    }
}

proptest! {
    /// Whatever happens, whenever a worker reconciles and however often the plugin fails: its events are consistent, and in the
    /// end what it believes is true.
    #[test]
    fn events_are_consistent_and_end_with_the_truth(
        life in prop::collection::vec((0usize..4, any::<bool>(), any::<bool>()), 1..40)
    ) {
        let setup = setup();
        let (mut believed, mut truth) = (None, None);
        for (version, (uid, reconciled, fails)) in life.into_iter().enumerate() {
            match ["u", "w", "x"].get(uid) {
                Some(uid) => setup.apply(uid, version as u32),
                None => setup.delete(),
            }
            truth = ["u", "w", "x"].get(uid).map(|uid| (*uid).to_owned());
            if reconciled {
                if fails {
                    setup.fail_next();
                }
                let events = setup.events();
                let has_failed = fails && setup.plugin.failures.lock().drain(..).count() == 0;
                for (n, event) in events.split(", ").filter(|event| !event.is_empty()).enumerate() {
                    follow(&mut believed, event, !(has_failed && n == 0));
                }
            }
        }
        for event in setup.events().split(", ").filter(|event| !event.is_empty()) {
            follow(&mut believed, event, true);
        }
        prop_assert_eq!(believed, truth);
        prop_assert_eq!(setup.events(), "");
    }
}
