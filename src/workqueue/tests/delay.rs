//! The delay queue: its promises, and a comparison with a sorted list.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::super::delay::DelayQueue;

fn drain(delay: &mut DelayQueue<u8>, now: Instant) -> Vec<u8> {
    std::iter::from_fn(|| delay.pop_due(now)).collect()
}

#[test]
fn second_due_time_counts_only_if_earlier() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut delay = DelayQueue::new();
    delay.insert(1, at(5));
    delay.insert(1, at(9));
    assert_eq!(delay.next_due(), Some(at(5)));
    delay.insert(1, at(2));
    assert_eq!(delay.next_due(), Some(at(2)));
    assert_eq!(drain(&mut delay, at(100)), [1]);
}

#[test]
fn keys_due_together_come_in_insertion_order() {
    let due = Instant::now();
    let mut delay = DelayQueue::new();
    [3, 1, 2].into_iter().for_each(|key| delay.insert(key, due));
    assert_eq!(drain(&mut delay, due), [3, 1, 2]);
}

#[test]
fn key_comes_no_earlier_than_it_is_due() {
    let due = Instant::now() + Duration::from_secs(1);
    let mut delay = DelayQueue::new();
    delay.insert(1, due);
    assert_eq!(delay.pop_due(due - Duration::from_nanos(1)), None);
    assert_eq!(delay.pop_due(due), Some(1));
}

#[test]
fn cancelled_key_leaves_no_entry() {
    let due = Instant::now();
    let mut delay = DelayQueue::new();
    for _ in 0..10 {
        delay.insert(1, due);
        delay.cancel(&1);
    }
    assert_eq!((delay.len(), delay.next_due()), (0, None));
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u8, u64),
    Cancel(u8),
    Pop(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0_u8..8, 0_u64..50).prop_map(|(key, due)| Op::Insert(key, due)),
        1 => (0_u8..8).prop_map(Op::Cancel),
        1 => (0_u64..50).prop_map(Op::Pop),
    ]
}

proptest! {
    /// The model is a list of (due, age, key).
    #[test]
    fn delay_queue_behaves_like_a_sorted_list(ops in prop::collection::vec(op(), 0..200)) {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut delay = DelayQueue::new();
        let mut model: Vec<(u64, usize, u8)> = Vec::new();
        for (age, op) in ops.into_iter().enumerate() {
            match op {
                Op::Insert(key, due) => {
                    delay.insert(key, at(due));
                    if !model.iter().any(|entry| entry.2 == key && entry.0 <= due) {
                        model.retain(|entry| entry.2 != key);
                        model.push((due, age, key));
                    }
                }
                Op::Cancel(key) => {
                    delay.cancel(&key);
                    model.retain(|entry| entry.2 != key);
                }
                Op::Pop(now) => {
                    let first = model.iter().copied().min().filter(|entry| entry.0 <= now);
                    model.retain(|entry| Some(*entry) != first);
                    prop_assert_eq!(delay.pop_due(at(now)), first.map(|entry| entry.2));
                }
            }
            prop_assert_eq!(delay.next_due(), model.iter().min().map(|entry| at(entry.0)));
            prop_assert_eq!(delay.len(), model.len());
        }
    }
}
