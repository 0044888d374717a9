//! The queue's promises 1 to 5.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use futures::FutureExt;
use tokio::time::timeout;

use super::{super::*, *};

#[tokio::test(start_paused = true)]
async fn key_added_twice_is_processed_once() {
    let queue = queue();
    queue.add(1);
    queue.add(1);
    drop(get_now(&queue));
    assert!(get_blocks(&queue));
}

#[tokio::test(start_paused = true)]
async fn key_is_never_processed_twice_at_once() {
    let queue = queue();
    queue.add(1);
    let claim = get_now(&queue);
    queue.add(1);
    assert!(get_blocks(&queue));
    drop(claim);
    assert_eq!(get_now(&queue).unwrap().key(), &1);
}

#[tokio::test(start_paused = true)]
async fn key_changed_while_processed_is_processed_again() {
    let queue = queue();
    queue.add(1);
    let claim = get_now(&queue);
    queue.add(1);
    queue.add(1);
    drop(claim);
    drop(get_now(&queue));
    assert!(get_blocks(&queue));
}

#[tokio::test(start_paused = true)]
async fn key_changed_while_processed_wakes_a_worker_when_done() {
    let queue = queue();
    queue.add(1);
    let claim = get_now(&queue);
    queue.add(1);
    let mut waiting = Box::pin(queue.get());
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(claim);
    assert_eq!(timeout(SECOND, waiting).await.expect("woken").unwrap().key(), &1);
}

#[tokio::test(start_paused = true)]
async fn queue_is_first_in_first_out_also_for_busy_keys() {
    let queue = queue();
    [1, 2, 3].into_iter().for_each(|key| queue.add(key));
    let busy = get_now(&queue);
    queue.add(1);
    drop(busy);
    assert_eq!([get_now(&queue), get_now(&queue), get_now(&queue)].map(|claim| *claim.unwrap().key()), [2, 3, 1]);
}

#[tokio::test(start_paused = true)]
async fn claim_ends_when_its_worker_panics() {
    let queue = queue();
    queue.add(1);
    let worker = queue.clone();
    let panicked = tokio::spawn(async move {
        let _claim = get_now(&worker);
        panic!("on purpose");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    assert!(queue.processing().is_empty());
    queue.add(1);
    assert_eq!(get_now(&queue).unwrap().key(), &1);
}

/// A key whose hash can panic, and does it while the queue is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PanickingKey {
    id: u32,
    panics: bool,
}

impl Hash for PanickingKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        assert!(!self.panics, "on purpose");
        self.id.hash(state);
    }
}

#[tokio::test(start_paused = true)]
async fn claim_ends_after_a_panic_under_the_lock() {
    let key = |id, panics| PanickingKey { id, panics };
    let queue = WorkQueue::new("test", &Telemetry::default());
    queue.add(key(1, false));
    let claim = get_now(&queue);
    let add = std::panic::AssertUnwindSafe(|| queue.add(key(2, true)));
    assert!(std::panic::catch_unwind(add).is_err());
    drop(claim);
    queue.add(key(3, false));
    assert_eq!(get_now(&queue).unwrap().key(), &key(3, false));
}

#[tokio::test(start_paused = true)]
async fn dropped_get_loses_no_key() {
    let queue = queue();
    let mut first = Box::pin(queue.get());
    let mut second = Box::pin(queue.get());
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    queue.add(1); // wakes the first
    drop(first);
    let claim = timeout(SECOND, second).await.expect("the second is woken instead");
    assert_eq!(claim.unwrap().key(), &1);
}

#[tokio::test(start_paused = true)]
async fn each_key_wakes_one_of_several_getters() {
    let queue = queue();
    let workers = [queue.clone(), queue.clone(), queue.clone()]
        .map(|queue| tokio::spawn(async move { *queue.get().await.unwrap().key() }));
    tokio::task::yield_now().await;
    [1, 2, 3].into_iter().for_each(|key| queue.add(key));
    let mut got = Vec::new();
    for worker in workers {
        got.push(timeout(SECOND, worker).await.expect("woken").unwrap());
    }
    got.sort_unstable();
    assert_eq!(got, [1, 2, 3]);
}

/// Uses threads: a worker sees the last change of each key, and no two workers have the same key.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn load_loses_no_change_and_shares_no_key() {
    const KEYS: usize = 16;
    #[derive(Default)]
    struct Observed {
        changes: [AtomicU64; KEYS],
        seen: [AtomicU64; KEYS],
        busy: [AtomicBool; KEYS],
    }
    let observed = Arc::new(Observed::default());
    let queue = WorkQueue::new("stress", &Telemetry::default());
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (queue, observed) = (queue.clone(), observed.clone());
            tokio::spawn(async move {
                while let Some(claim) = queue.get().await {
                    let key: usize = *claim.key();
                    assert!(!observed.busy[key].swap(true, SeqCst), "another worker has {key}");
                    let now = observed.changes[key].load(SeqCst);
                    tokio::task::yield_now().await;
                    observed.seen[key].store(now, SeqCst);
                    observed.busy[key].store(false, SeqCst);
                }
            })
        })
        .collect();
    let adders: Vec<_> = (0..4)
        .map(|adder| {
            let (queue, observed) = (queue.clone(), observed.clone());
            tokio::spawn(async move {
                for i in 0..5_000 {
                    let key = (i * 7 + adder) % KEYS;
                    observed.changes[key].fetch_add(1, SeqCst);
                    match i % 3 {
                        0 => queue.add_after(key, Duration::from_nanos(1)),
                        _ => queue.add(key),
                    }
                    if i % 64 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                (0..KEYS).for_each(|key| queue.add(key));
            })
        })
        .collect();
    for adder in adders {
        adder.await.unwrap();
    }
    queue.shut_down();
    for worker in workers {
        timeout(30 * SECOND, worker).await.expect("the worker ends").unwrap();
    }
    for key in 0..KEYS {
        assert_eq!(
            observed.seen[key].load(SeqCst),
            observed.changes[key].load(SeqCst),
            "the last change of {key} is processed"
        );
    }
}
