//! The machine against a model of an API server that does everything it is allowed to do wrong. Whatever happened, once
//! the problem is over the cache holds what the server holds, and the changes that were told add up to it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use testkit::status;

use super::*;
use crate::informer::{
    Change, Store,
    tests::{Thing, thing},
};

/// A history of writes, one version each; what is older than `compacted` is forgotten.
#[derive(Clone, Debug, Default)]
struct Server {
    /// (name, Some(version) or None for a deletion); the version of a write is its place, from 1.
    history: Vec<(&'static str, bool)>,
    compacted: usize,
}

impl Server {
    fn version(&self) -> usize {
        self.history.len()
    }

    fn at(&self, version: usize) -> BTreeMap<&'static str, u32> {
        let mut objects = BTreeMap::new();
        for (i, (name, exists)) in self.history[..version].iter().enumerate() {
            if *exists {
                objects.insert(*name, i as u32 + 1)
            } else {
                objects.remove(name)
            };
        }
        objects
    }

    /// A page of two, of the snapshot and from the offset that the token names.
    fn list(&self, list: &ListRequest) -> Response<Thing> {
        let (version, offset) = match list {
            ListRequest::First => (self.version(), 0),
            ListRequest::Continue(token) => {
                let (version, offset) = token.split_once('+').unwrap();
                (version.parse().unwrap(), offset.parse().unwrap())
            }
        };
        if offset > 0 && version < self.compacted {
            return Response::Failed(expired());
        }
        let size = 2;
        let objects = self.at(version);
        let items = objects.iter().skip(offset).take(size).map(|(name, v)| thing(name, *v)).collect();
        let more = offset + size < objects.len();
        let next = more.then(|| format!("{version}+{}", offset + size));
        Response::Page(Page { items, undecodable: vec![], resource_version: version.to_string(), next })
    }

    /// The first event after `version`, if there is one.
    fn event(&self, version: usize) -> Option<WatchEvent<Thing>> {
        let (name, exists) = self.history.get(version)?;
        let object = thing(name, version as u32 + 1);
        Some(if *exists {
            WatchEvent::Applied(object)
        } else {
            WatchEvent::Deleted(object.key, (version + 1).to_string())
        })
    }
}

fn expired() -> Failure {
    let status = serde_json::from_value(status(410, "Expired", "too old")).unwrap();
    Failure::from_status(status, None)
}

/// What happens before the next answer.
#[derive(Clone, Debug)]
enum Happening {
    Write(&'static str, bool),
    Compact,
    /// The answer is this instead of the right one.
    Refused(u16),
    Broken,
    Silence,
    Closed,
    Fine,
}

fn happening() -> impl Strategy<Value = Happening> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "e"]);
    prop_oneof![
        4 => (name, any::<bool>()).prop_map(|(name, exists)| Happening::Write(name, exists)),
        1 => Just(Happening::Compact),
        1 => prop::sample::select(vec![403, 404, 410, 429, 500, 504]).prop_map(Happening::Refused),
        1 => Just(Happening::Broken),
        1 => Just(Happening::Silence),
        1 => Just(Happening::Closed),
        6 => Just(Happening::Fine),
    ]
}

/// The machine with a store, a clock of its own, and a tally of every change that the store told.
struct Rig {
    server: Server,
    machine: Machine<Thing>,
    store: Store<Thing>,
    next: NextRequest,
    now: Instant,
    /// Where the open watch stands.
    watch: usize,
    told: BTreeMap<String, String>,
    longest_wait: Duration,
}

impl Rig {
    fn new() -> Self {
        let (machine, next) = Machine::start();
        Rig {
            server: Server::default(),
            machine,
            store: Store::new(),
            next,
            now: Instant::now(),
            watch: 0,
            told: BTreeMap::new(),
            longest_wait: Duration::ZERO,
        }
    }

    /// The right answer to the next request, or None while the watch has nothing to say.
    fn answer(&mut self) -> Option<Response<Thing>> {
        Some(match &self.next.request {
            Request::List(list) => self.server.list(list),
            Request::Watch(version, _) => {
                self.watch = version.parse().unwrap();
                if self.watch < self.server.compacted { Response::Failed(expired()) } else { Response::Opened }
            }
            Request::Read if self.watch < self.server.compacted => Response::Event(WatchEvent::Error(expired())),
            Request::Read => Response::Event(self.server.event(self.watch)?),
        })
    }

    fn take(&mut self, response: Response<Thing>) {
        self.longest_wait = self.longest_wait.max(self.next.after);
        self.now += self.next.after + Duration::from_millis(10);
        if matches!(response, Response::Event(WatchEvent::Applied(_) | WatchEvent::Deleted(..))) {
            self.watch += 1;
        }
        let step = self.machine.step(response, self.now, 0.5);
        let changes = match step.update {
            Update::None => vec![],
            Update::Replace(list, undecodable) => self.store.replace(list, &undecodable),
            Update::Apply(object) => self.store.apply(object).into_iter().collect(),
            Update::Delete(key) => self.store.delete(&key).into_iter().collect(),
        };
        for change in changes {
            let name = change.key().name().to_owned();
            match change {
                Change::Added { new, .. } => {
                    assert_eq!(self.told.insert(name, new.version.clone()), None, "an addition is of something new");
                }
                Change::Updated { old, new } => {
                    assert_eq!(self.told.insert(name, new.version.clone()).as_ref(), Some(&old.version));
                }
                Change::Deleted(old) => assert_eq!(self.told.remove(&name).as_ref(), Some(&old.version)),
            }
        }
        self.next = step.next;
    }

    fn happen(&mut self, happening: Happening) {
        let reading = self.next.request == Request::Read;
        let bad = match happening {
            Happening::Write(name, exists) => {
                // Deleting what is not there is no write.
                if exists || self.server.at(self.server.version()).contains_key(name) {
                    self.server.history.push((name, exists));
                }
                return;
            }
            Happening::Compact => {
                self.server.compacted = self.server.version();
                return;
            }
            Happening::Refused(code) => {
                let status = serde_json::from_value(status(code, "Reason", "words")).unwrap();
                let failure = Failure::from_status(status, None);
                if reading { Response::Event(WatchEvent::Error(failure)) } else { Response::Failed(failure) }
            }
            Happening::Broken => Response::Failed(Failure::Connection("reset".into())),
            Happening::Silence if reading => Response::Silent,
            Happening::Closed if reading => Response::Closed,
            _ => match self.answer() {
                Some(answer) => answer,
                None => return,
            },
        };
        self.take(bad);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn cache_equals_the_server_after_any_failures(story in prop::collection::vec(happening(), 0..120)) {
        let mut rig = Rig::new();
        story.into_iter().for_each(|happening| rig.happen(happening));
        // From here on all is well. It must settle, and soon.
        let mut steps = 0;
        while let Some(answer) = rig.answer() {
            rig.take(answer);
            steps += 1;
            prop_assert!(steps < 500, "it does not settle");
        }
        let expected: BTreeMap<String, String> =
            rig.server.at(rig.server.version()).iter().map(|(n, v)| ((*n).to_string(), v.to_string())).collect();
        let cached: BTreeMap<String, String> = rig.store.keys().into_iter()
            .map(|key| (key.name().to_owned(), rig.store.get(&key).unwrap().version.clone())).collect();
        prop_assert_eq!(&cached, &expected);
        prop_assert_eq!(&rig.told, &expected, "the changes add up to the cache");
        prop_assert!(rig.longest_wait <= LONGEST);
    }

    #[test]
    fn no_series_of_failures_makes_a_hot_loop(codes in prop::collection::vec(prop::option::of(400u16..600), 40)) {
        let mut rig = Rig::new();
        let begun = rig.now;
        for code in &codes {
            rig.happen(code.map_or(Happening::Broken, Happening::Refused));
        }
        prop_assert!(rig.now - begun > Duration::from_secs(60), "{} answers in {:?}", codes.len(), rig.now - begun);
    }
}

#[test]
fn time_limit_of_a_watch_is_spread_over_its_range() {
    for (jitter, seconds) in [(0.0, 300), (0.5, 450), (1.0, 600)] {
        let (mut machine, _) = Machine::<Thing>::start();
        let page = Page { items: vec![], undecodable: vec![], resource_version: "9".into(), next: None };
        let step = machine.step(Response::Page(page), Instant::now(), jitter);
        assert_eq!(step.next.request, Request::Watch("9".into(), Duration::from_secs(seconds)));
    }
}

#[test]
fn short_watch_with_events_is_reopened_after_a_backoff() {
    let (mut machine, _) = Machine::<Thing>::start();
    let now = Instant::now();
    let page = Page { items: vec![], undecodable: vec![], resource_version: "9".into(), next: None };
    machine.step(Response::Page(page), now, 0.0);
    machine.step(Response::Opened, now, 0.0);
    machine.step(Response::Event(WatchEvent::Applied(thing("a", 10))), now, 0.0);
    let step = machine.step(Response::Closed, now + Duration::from_millis(999), 0.0);
    assert_eq!(step.next.request, Request::Watch("10".into(), Duration::from_secs(300)));
    assert_eq!(step.next.after, Duration::from_millis(800));
    assert_eq!(step.problem.unwrap().reason, "short_watch");
}

#[test]
fn first_410_after_a_long_outage_lists_without_delay() {
    let (mut machine, _) = Machine::<Thing>::start();
    let now = Instant::now();
    let page = Page { items: vec![], undecodable: vec![], resource_version: "9".into(), next: None };
    machine.step(Response::Page(page), now, 0.0);
    for _ in 0..10 {
        machine.step(Response::Failed(Failure::Connection("refused".into())), now, 0.0);
    }
    machine.step(Response::Opened, now, 0.0);
    let step = machine.step(Response::Event(WatchEvent::Error(expired())), now, 0.0);
    assert_eq!(
        step.next,
        NextRequest { after: Duration::from_millis(800), request: Request::List(ListRequest::First) }
    );
}
