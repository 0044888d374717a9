//! The machine against a model of an API server that fails in every way that the protocol allows. After the failures, the
//! cache equals the server, and so does the sum of all changes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use testkit::status;

use super::*;
use crate::informer::{
    Change, Store,
    tests::{TestObject, test_object},
};

/// A history of writes. Versions before `compacted` are expired.
#[derive(Clone, Debug, Default)]
struct Server {
    /// The name, and whether the object exists after the write. The version of a write is its place, from 1.
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

    /// A page of two objects. A continue token is `version+offset`.
    fn list(&self, list: &ListRequest) -> Response<TestObject> {
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
        let items = objects.iter().skip(offset).take(size).map(|(name, v)| test_object(name, *v)).collect();
        let more = offset + size < objects.len();
        let next = more.then(|| format!("{version}+{}", offset + size));
        Response::Page(Page { items, undecodable: vec![], resource_version: version.to_string(), next })
    }

    /// The first event after `version`.
    fn event(&self, version: usize) -> Option<WatchEvent<TestObject>> {
        let (name, exists) = self.history.get(version)?;
        let object = test_object(name, version as u32 + 1);
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

#[derive(Clone, Debug)]
enum Op {
    Write(&'static str, bool),
    Compact,
    /// Responds correctly.
    Serve,
    /// Responds with this status.
    Refuse(u16),
    /// Breaks the connection.
    Break,
    /// Sends nothing until the idle limit of the watch.
    Idle,
    /// Ends the watch.
    Close,
}

fn op() -> impl Strategy<Value = Op> {
    let name = prop::sample::select(vec!["a", "b", "c", "d", "e"]);
    prop_oneof![
        4 => (name, any::<bool>()).prop_map(|(name, exists)| Op::Write(name, exists)),
        1 => Just(Op::Compact),
        1 => prop::sample::select(vec![403, 404, 410, 429, 500, 504]).prop_map(Op::Refuse),
        1 => Just(Op::Break),
        1 => Just(Op::Idle),
        1 => Just(Op::Close),
        6 => Just(Op::Serve),
    ]
}

/// A machine with a store and a clock.
struct Harness {
    server: Server,
    machine: Machine<TestObject>,
    store: Store<TestObject>,
    next: NextRequest,
    now: Instant,
    /// The version of the open watch.
    watch: usize,
    /// The names and versions that follow from the changes.
    changed: BTreeMap<String, String>,
    longest_wait: Duration,
}

impl Harness {
    fn new() -> Self {
        let (machine, next) = Machine::start();
        Harness {
            server: Server::default(),
            machine,
            store: Store::new(),
            next,
            now: Instant::now(),
            watch: 0,
            changed: BTreeMap::new(),
            longest_wait: Duration::ZERO,
        }
    }

    /// The correct response to the next request, or `None` while the watch has no event.
    fn response(&mut self) -> Option<Response<TestObject>> {
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

    fn step(&mut self, response: Response<TestObject>) {
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
                    assert_eq!(self.changed.insert(name, new.version.clone()), None, "an added object is new");
                }
                Change::Updated { old, new } => {
                    assert_eq!(self.changed.insert(name, new.version.clone()).as_ref(), Some(&old.version));
                }
                Change::Deleted(old) => assert_eq!(self.changed.remove(&name).as_ref(), Some(&old.version)),
            }
        }
        self.next = step.next;
    }

    fn run(&mut self, op: Op) {
        let is_reading = self.next.request == Request::Read;
        let response = match op {
            Op::Write(name, exists) => {
                // A deletion of an absent object is not a write.
                if exists || self.server.at(self.server.version()).contains_key(name) {
                    self.server.history.push((name, exists));
                }
                return;
            }
            Op::Compact => {
                self.server.compacted = self.server.version();
                return;
            }
            Op::Refuse(code) => {
                let status = serde_json::from_value(status(code, "Reason", "message")).unwrap();
                let failure = Failure::from_status(status, None);
                if is_reading { Response::Event(WatchEvent::Error(failure)) } else { Response::Failed(failure) }
            }
            Op::Break => Response::Failed(Failure::Connection("reset".into())),
            Op::Idle if is_reading => Response::Silent,
            Op::Close if is_reading => Response::Closed,
            _ => match self.response() {
                Some(response) => response,
                None => return,
            },
        };
        self.step(response);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn cache_equals_the_server_after_any_failures(ops in prop::collection::vec(op(), 0..120)) {
        let mut harness = Harness::new();
        ops.into_iter().for_each(|op| harness.run(op));
        // From here on every response is correct.
        let mut steps = 0;
        while let Some(response) = harness.response() {
            harness.step(response);
            steps += 1;
            prop_assert!(steps < 500, "the cache does not catch up");
        }
        let expected: BTreeMap<String, String> =
            harness.server.at(harness.server.version()).iter().map(|(n, v)| ((*n).to_string(), v.to_string())).collect();
        let cached: BTreeMap<String, String> = harness.store.keys().into_iter()
            .map(|key| (key.name().to_owned(), harness.store.get(&key).unwrap().version.clone())).collect();
        prop_assert_eq!(&cached, &expected);
        prop_assert_eq!(&harness.changed, &expected, "the changes lead to the same objects");
        prop_assert!(harness.longest_wait <= LONGEST);
    }

    #[test]
    fn any_series_of_failures_is_slowed_by_backoffs(codes in prop::collection::vec(prop::option::of(400u16..600), 40)) {
        let mut harness = Harness::new();
        let start = harness.now;
        for code in &codes {
            harness.run(code.map_or(Op::Break, Op::Refuse));
        }
        prop_assert!(harness.now - start > Duration::from_secs(60), "{} responses in {:?}", codes.len(), harness.now - start);
    }
}

#[test]
fn time_limit_of_a_watch_follows_from_the_jitter() {
    for (jitter, seconds) in [(0.0, 300), (0.5, 450), (1.0, 600)] {
        let (mut machine, _) = Machine::<TestObject>::start();
        let page = Page { items: vec![], undecodable: vec![], resource_version: "9".into(), next: None };
        let step = machine.step(Response::Page(page), Instant::now(), jitter);
        assert_eq!(step.next.request, Request::Watch("9".into(), Duration::from_secs(seconds)));
    }
}

#[test]
fn short_watch_with_events_is_reopened_after_a_backoff() {
    let (mut machine, _) = Machine::<TestObject>::start();
    let now = Instant::now();
    let page = Page { items: vec![], undecodable: vec![], resource_version: "9".into(), next: None };
    machine.step(Response::Page(page), now, 0.0);
    machine.step(Response::Opened, now, 0.0);
    machine.step(Response::Event(WatchEvent::Applied(test_object("a", 10))), now, 0.0);
    let step = machine.step(Response::Closed, now + Duration::from_millis(999), 0.0);
    assert_eq!(step.next.request, Request::Watch("10".into(), Duration::from_secs(300)));
    assert_eq!(step.next.after, Duration::from_millis(800));
    assert_eq!(step.problem.unwrap().label, "short_watch");
}

#[test]
fn first_410_after_an_outage_waits_for_the_first_backoff() {
    let (mut machine, _) = Machine::<TestObject>::start();
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
