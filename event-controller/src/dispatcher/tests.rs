use std::collections::VecDeque;

use futures::FutureExt;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use testkit::Log;

/// Notes what it is told, and answers as the test says; fine if the test says nothing.
#[derive(Default)]
struct Scripted {
    heard: Mutex<Vec<String>>,
    answers: Mutex<VecDeque<Error>>,
}

impl Plugin for Scripted {
    async fn handle_event(&self, event: &Event, _: &Config) -> Result<(String, Level), Error> {
        let heard = format!("{} {}{}", event.r#type, event.object.uid(), event.object.resource_version());
        self.heard.lock().unwrap().push(heard);
        match self.answers.lock().unwrap().pop_front() {
            Some(error) => Err(error),
            None => Ok(("fine".into(), Level::Info)),
        }
    }
}

struct Rig {
    store: Arc<Store<Dynamic>>,
    plugin: Arc<Scripted>,
    job: Deliver<Scripted>,
}

fn rig() -> Rig {
    let (store, plugin) = (Arc::new(Store::new(|_: &Dynamic| &[])), Arc::new(Scripted::default()));
    let resource = Resource {
        api_version: "v1".into(),
        kind: "Thing".into(),
        name: "things".into(),
        path: "/api/v1/things".into(),
        namespaced: true,
    };
    let job = Deliver::new(store.clone(), Arc::new(resource), plugin.clone(), Config::new());
    Rig { store, plugin, job }
}

fn key() -> Key {
    Key::new("ns", "a")
}

/// The object `ns/a` of this UID, in this version.
fn object(uid: &str, version: u32) -> Dynamic {
    let metadata = json!({ "namespace": "ns", "name": "a", "uid": uid, "resourceVersion": version.to_string() });
    serde_json::from_value(json!({ "metadata": metadata })).unwrap()
}

impl Rig {
    /// The object is in the cache in this version, as the watch tells of it.
    fn apply(&self, uid: &str, version: u32) {
        let change = self.store.apply(object(uid, version));
        change.iter().for_each(|change| self.job.notice(change));
    }

    fn delete(&self) {
        self.store.delete(&key()).iter().for_each(|change| self.job.notice(change));
    }

    /// A new list, as after a lost connection.
    fn replace(&self, list: Vec<Dynamic>) {
        self.store.replace(list, &[]).iter().for_each(|change| self.job.notice(change));
    }

    fn try_look(&self) -> Result<Outcome, Error> {
        self.job.reconcile(&key()).now_or_never().expect("the plugin of this test answers at once")
    }

    /// What the plugin heard at this look, `ADDED u1, MODIFIED u2`, and at those that follow at once.
    fn look(&self) -> String {
        while matches!(self.try_look(), Ok(Outcome::RequeueAfter(Duration::ZERO))) {}
        self.plugin.heard.lock().unwrap().drain(..).collect::<Vec<_>>().join(", ")
    }

    fn fails_next(&self) {
        self.plugin.answers.lock().unwrap().push_back(Error::Transient("no".into()));
    }

    fn give_up(&self) -> Outcome {
        self.job.gave_up(&key(), "no").now_or_never().unwrap().unwrap()
    }

    fn is_empty(&self) -> bool {
        self.job.told().is_empty()
    }
}

#[test]
fn an_object_is_followed_from_its_beginning_to_its_end() {
    let rig = rig();
    assert_eq!(rig.look(), "", "nothing is there");
    rig.apply("u", 1);
    assert_eq!(rig.look(), "ADDED u1");
    assert_eq!(rig.look(), "", "nothing repeated");
    rig.apply("u", 2);
    rig.apply("u", 3);
    assert_eq!(rig.look(), "MODIFIED u3", "states in between may be skipped");
    rig.delete();
    assert_eq!(rig.look(), "DELETED u3");
    assert_eq!(rig.look(), "");
    assert!(rig.is_empty(), "what is known of an object goes with it");
}

#[test]
fn a_deletion_brings_the_object_as_it_was_last_known() {
    let rig = rig();
    rig.apply("u", 1);
    rig.look();
    rig.apply("u", 2);
    rig.delete();
    assert_eq!(rig.look(), "DELETED u2", "newer than what the plugin was told of");
}

#[test]
fn an_object_that_came_and_went_unheard_is_not_mentioned() {
    let rig = rig();
    rig.apply("u", 1);
    rig.delete();
    assert_eq!(rig.look(), "");
    assert!(rig.is_empty());
}

#[test]
fn another_object_of_the_same_name_is_an_end_and_a_beginning() {
    let rig = rig();
    rig.apply("u", 1);
    rig.look();
    rig.apply("u", 2);
    rig.apply("w", 3);
    assert_eq!(rig.look(), "DELETED u2, ADDED w3");
    // Two successors between two looks: the one in the middle was never heard of.
    rig.apply("x", 4);
    rig.apply("y", 5);
    assert_eq!(rig.look(), "DELETED w3, ADDED y5");
}

#[test]
fn after_a_lost_connection_nothing_is_repeated_and_nothing_lost() {
    let rig = rig();
    rig.replace(vec![object("u", 1)]);
    assert_eq!(rig.look(), "ADDED u1");
    rig.replace(vec![object("u", 1)]);
    assert_eq!(rig.look(), "", "the same list again");
    rig.replace(vec![object("u", 4)]);
    assert_eq!(rig.look(), "MODIFIED u4", "changed while nobody was watching");
    rig.replace(vec![object("w", 6)]);
    assert_eq!(rig.look(), "DELETED u4, ADDED w6", "replaced while nobody was watching");
    rig.replace(vec![]);
    assert_eq!(rig.look(), "DELETED w6", "deleted while nobody was watching");
}

#[test]
fn a_beginning_that_the_plugin_failed_at_stays_a_beginning() {
    let rig = rig();
    rig.apply("u", 1);
    rig.fails_next();
    assert_eq!(rig.look(), "ADDED u1");
    rig.apply("u", 2);
    assert_eq!(rig.look(), "ADDED u2", "told of the present state, not of the one that failed");
    rig.apply("u", 3);
    rig.fails_next();
    assert_eq!(rig.look(), "MODIFIED u3");
    assert_eq!(rig.look(), "MODIFIED u3", "tried again");
}

#[test]
fn the_end_of_an_object_that_was_never_acknowledged_is_told() {
    let rig = rig();
    rig.apply("u", 1);
    rig.fails_next();
    rig.look();
    rig.apply("u", 2);
    rig.delete();
    assert_eq!(rig.look(), "DELETED u2", "its beginning may have had its effect before it failed");
}

#[test]
fn an_end_that_fails_does_not_let_the_new_beginning_pass() {
    let rig = rig();
    rig.apply("u", 1);
    rig.look();
    rig.apply("w", 2);
    rig.fails_next();
    assert_eq!(rig.look(), "DELETED u1");
    assert_eq!(rig.look(), "DELETED u1, ADDED w2");
}

#[test]
fn an_end_that_is_given_up_is_forgotten_and_its_successor_is_not() {
    let rig = rig();
    rig.apply("u", 1);
    rig.look();
    rig.delete();
    rig.fails_next();
    rig.look();
    assert_eq!(rig.give_up(), Outcome::Settled);
    assert!(rig.is_empty());

    rig.apply("w", 2);
    rig.look();
    rig.apply("x", 3);
    rig.fails_next();
    rig.look();
    assert_eq!(rig.give_up(), Outcome::RequeueAfter(Duration::ZERO), "someone has to come back for x");
    assert_eq!(rig.look(), "ADDED x3");
}

#[test]
fn what_the_plugin_refuses_for_good_is_told_as_an_error_and_given_up() {
    let rig = rig();
    let log = Log::start(tracing::Level::ERROR);
    let refuse = || {
        let never = Error::Permanent { why: "never".into(), requeue_after: None };
        rig.plugin.answers.lock().unwrap().push_back(never);
    };
    rig.apply("u", 1);
    refuse();
    assert!(matches!(rig.try_look(), Err(Error::Permanent { requeue_after: None, .. })));
    let line = &log.lines()[0];
    assert_eq!(
        (&line["message"], &line["error"]),
        (&json!("the plugin refuses this event: given up"), &json!("never"))
    );
    rig.apply("u", 2);
    assert_eq!(rig.look(), "ADDED u1, ADDED u2", "the next change is told");

    // An end, and another object of that name.
    rig.apply("w", 3);
    refuse();
    let answer = rig.try_look();
    assert!(matches!(answer, Err(Error::Permanent { requeue_after: Some(Duration::ZERO), .. })), "{answer:?}");
    assert_eq!(rig.look(), "DELETED u2, ADDED w3");
    rig.delete();
    refuse();
    assert!(rig.try_look().is_err());
    assert!(rig.is_empty());
}

#[test]
fn an_end_that_comes_while_something_else_is_given_up_is_still_told() {
    let rig = rig();
    rig.apply("u", 1);
    rig.look();
    rig.apply("u", 2);
    rig.fails_next();
    assert_eq!(rig.look(), "MODIFIED u2");
    rig.delete();
    assert_eq!(rig.give_up(), Outcome::Settled);
    assert_eq!(rig.look(), "DELETED u2");
}

#[test]
fn what_the_plugin_says_of_its_failure_reaches_the_worker() {
    let rig = rig();
    rig.apply("u", 1);
    rig.plugin.answers.lock().unwrap().push_back(Error::Unavailable("later".into()));
    assert!(matches!(rig.try_look(), Err(Error::Unavailable(why)) if why == "later"));
}

/// What a plugin believes that there is, from what it was told.
fn follow(believed: &mut Option<String>, heard: &str, acknowledged: bool) {
    let (what, object) = heard.split_once(' ').unwrap();
    let uid = object[..1].to_owned();
    match what {
        "ADDED" => assert!(believed.is_none(), "{heard}, but it has {believed:?}"),
        "MODIFIED" => assert_eq!(believed.as_ref(), Some(&uid), "{heard}"),
        _ => assert!(believed.is_none() || *believed == Some(uid.clone()), "{heard}, but it has {believed:?}"),
    }
    if acknowledged {
        *believed = (what != "DELETED").then_some(uid);
    }
}

proptest! {
    /// Whatever happens, whenever anybody looks and however often the plugin fails: what it believes fits together, and
    /// in the end it is true.
    #[test]
    fn what_the_plugin_believes_becomes_true(
        life in prop::collection::vec((0usize..4, any::<bool>(), any::<bool>()), 1..40)
    ) {
        let rig = rig();
        let (mut believed, mut truth) = (None, None);
        for (version, (uid, looked, fails)) in life.into_iter().enumerate() {
            match ["u", "w", "x"].get(uid) {
                Some(uid) => rig.apply(uid, version as u32),
                None => rig.delete(),
            }
            truth = ["u", "w", "x"].get(uid).map(|uid| (*uid).to_owned());
            if looked {
                if fails {
                    rig.fails_next();
                }
                let heard = rig.look();
                let untried = rig.plugin.answers.lock().unwrap().drain(..).count();
                let events: Vec<_> = heard.split(", ").filter(|event| !event.is_empty()).collect();
                for (n, event) in events.iter().enumerate() {
                    follow(&mut believed, event, !(fails && untried == 0 && n == 0));
                }
            }
        }
        for event in rig.look().split(", ").filter(|event| !event.is_empty()) {
            follow(&mut believed, event, true);
        }
        prop_assert_eq!(believed, truth);
        prop_assert_eq!(rig.look(), "");
    }
}
