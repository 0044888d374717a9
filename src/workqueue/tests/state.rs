//! The state machine, compared with the three sets of client-go.

use std::{collections::VecDeque, time::Duration};

use proptest::prelude::*;
use tokio::time::Instant;

use super::super::state::{AddResult, Load, QueueState};

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn add_of_a_dirty_key_reads_no_clock() {
    let mut state = QueueState::new();
    assert_eq!(state.add(1, Instant::now), AddResult::Queued);
    assert_eq!(state.add(1, || panic!("the clock is read")), AddResult::Ignored);
}

#[test]
fn wait_of_a_key_changed_while_processed_starts_at_the_add() {
    let start = Instant::now();
    let mut state = QueueState::new();
    state.add(1, || start);
    assert_eq!(state.get(after(start, 3)), Some((1, Duration::from_secs(3))));
    assert_eq!(state.add(1, || after(start, 4)), AddResult::Later);
    let done = state.done(&1, after(start, 8)).unwrap();
    assert_eq!((done.worked, done.is_requeued, done.is_idle), (Duration::from_secs(5), true, true));
    assert_eq!(state.get(after(start, 10)), Some((1, Duration::from_secs(6))));
}

#[test]
fn done_of_an_unclaimed_key_changes_nothing() {
    let now = Instant::now();
    let mut state = QueueState::new();
    assert_eq!(state.done(&1, now), None);
    state.add(1, || now);
    assert_eq!(state.done(&1, now), None);
    assert_eq!(state.len(), 1);
}

#[test]
fn absent_key_takes_no_memory() {
    let now = Instant::now();
    let mut state = QueueState::new();
    for key in 0..100 {
        state.add(key, || now);
        state.get(now);
        state.done(&key, now);
    }
    assert!(state.is_idle());
    assert_eq!(format!("{state:?}"), format!("{:?}", QueueState::<i32>::new()));
}

#[test]
fn load_counts_dirty_keys_and_the_age_of_the_work() {
    let start = Instant::now();
    let mut state = QueueState::new();
    (1..=3).for_each(|key| _ = state.add(key, || start));
    state.get(after(start, 1));
    state.get(after(start, 2));
    state.add(1, || start);
    let load = state.load(after(start, 5));
    assert_eq!(load, Load { dirty: 2, unfinished: Duration::from_secs(7), longest: Duration::from_secs(4) });
}

/// client-go's queue.go with lists. `dirty` and `processing` are sets, `queue` is in order.
#[derive(Default)]
struct Model {
    dirty: Vec<u8>,
    processing: Vec<u8>,
    queue: VecDeque<u8>,
    shut_down: bool,
}

impl Model {
    fn add(&mut self, key: u8) -> AddResult {
        if self.shut_down || self.dirty.contains(&key) {
            return AddResult::Ignored;
        }
        self.dirty.push(key);
        if self.processing.contains(&key) {
            return AddResult::Later;
        }
        self.queue.push_back(key);
        AddResult::Queued
    }

    fn get(&mut self) -> Option<u8> {
        let key = self.queue.pop_front()?;
        self.processing.push(key);
        self.dirty.retain(|dirty| *dirty != key);
        Some(key)
    }

    /// Returns whether the key is queued again.
    fn done(&mut self, key: u8) -> bool {
        self.processing.retain(|processed| *processed != key);
        let again = self.dirty.contains(&key);
        if again {
            self.queue.push_back(key);
        }
        again
    }
}

#[derive(Clone, Debug)]
enum Op {
    Add(u8),
    Get,
    /// Of the n-th key in `processing`.
    Done(usize),
    ShutDown,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        40 => (0_u8..6).prop_map(Op::Add),
        30 => Just(Op::Get),
        30 => (0_usize..6).prop_map(Op::Done),
        1 => Just(Op::ShutDown),
    ]
}

proptest! {
    #[test]
    fn state_machine_behaves_like_client_go(ops in prop::collection::vec(op(), 0..300)) {
        let now = Instant::now();
        let (mut state, mut model) = (QueueState::new(), Model::default());
        for op in ops {
            match op {
                Op::Add(key) => prop_assert_eq!(state.add(key, || now), model.add(key)),
                Op::Get => {
                    let got = state.get(now).map(|(key, _)| key);
                    prop_assert_eq!(got, model.get());
                }
                Op::Done(nth) => {
                    if let Some(key) = model.processing.get(nth).copied() {
                        let done = state.done(&key, now).expect("a key in progress");
                        prop_assert_eq!(done.is_requeued, model.done(key));
                        prop_assert_eq!(done.is_idle, model.processing.is_empty());
                    }
                }
                Op::ShutDown => {
                    state.shut_down();
                    model.shut_down = true;
                }
            }
            let mut processing = state.processing();
            processing.sort_unstable();
            model.processing.sort_unstable();
            prop_assert_eq!(&processing, &model.processing);
            prop_assert_eq!(state.len(), model.queue.len());
            prop_assert_eq!(state.load(now).dirty, model.dirty.len());
        }
    }

    /// The promises themselves, without a model.
    #[test]
    fn state_machine_loses_no_add_and_shares_no_key(ops in prop::collection::vec(op(), 0..300)) {
        let now = Instant::now();
        let mut state = QueueState::new();
        let mut owed = Vec::new(); // keys with an accepted add and no get after it
        let mut held: Vec<u8> = Vec::new();
        let mut open = true;
        for op in ops {
            match op {
                Op::Add(key) => {
                    state.add(key, || now);
                    if open && !owed.contains(&key) {
                        owed.push(key);
                    }
                }
                Op::Get => match state.get(now) {
                    Some((key, _)) => {
                        prop_assert!(!held.contains(&key), "{} twice at once", key);
                        let place = owed.iter().position(|owed| *owed == key);
                        prop_assert!(place.is_some(), "{} came without an add", key);
                        owed.remove(place.unwrap());
                        held.push(key);
                    }
                    None => prop_assert!(owed.iter().all(|key| held.contains(key)), "{:?} were lost", owed),
                },
                Op::Done(nth) if nth < held.len() => _ = state.done(&held.remove(nth), now),
                Op::Done(_) => {}
                Op::ShutDown => {
                    state.shut_down();
                    open = false;
                }
            }
        }
        // At last, `get` returns each key that is owed, once.
        held.iter().for_each(|key| _ = state.done(key, now));
        while let Some((key, _)) = state.get(now) {
            state.done(&key, now);
            prop_assert!(owed.contains(&key), "{} came without an add", key);
            owed.retain(|owed| *owed != key);
        }
        prop_assert!(owed.is_empty(), "{:?} were lost", owed);
    }
}
