//! The queue's promises 1 to 5, one test each: what is handed out, to whom, and how often.

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
    drop(now(&queue));
    assert!(nothing_in_line(&queue));
}

#[tokio::test(start_paused = true)]
async fn key_is_never_processed_twice_at_once() {
    let queue = queue();
    queue.add(1);
    let claim = now(&queue);
    queue.add(1);
    assert!(nothing_in_line(&queue));
    drop(claim);
    assert_eq!(now(&queue).unwrap().key(), &1);
}

#[tokio::test(start_paused = true)]
async fn key_changed_while_processed_is_processed_again() {
    let queue = queue();
    queue.add(1);
    let claim = now(&queue);
    queue.add(1);
    queue.add(1);
    drop(claim);
    drop(now(&queue));
    assert!(nothing_in_line(&queue));
}

#[tokio::test(start_paused = true)]
async fn key_changed_while_processed_wakes_a_worker_when_done() {
    let queue = queue();
    queue.add(1);
    let claim = now(&queue);
    queue.add(1);
    let mut waiting = Box::pin(queue.get());
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(claim);
    assert_eq!(timeout(SECOND, waiting).await.expect("woken").unwrap().key(), &1);
}

#[tokio::test(start_paused = true)]
async fn queue_is_first_in_first_out_for_busy_keys_too() {
    let queue = queue();
    [1, 2, 3].into_iter().for_each(|key| queue.add(key));
    let busy = now(&queue);
    queue.add(1);
    drop(busy);
    assert_eq!([now(&queue), now(&queue), now(&queue)].map(|claim| *claim.unwrap().key()), [2, 3, 1]);
}

#[tokio::test(start_paused = true)]
async fn claim_ends_when_its_worker_panics() {
    let queue = queue();
    queue.add(1);
    let worker = queue.clone();
    let panicked = tokio::spawn(async move {
        let _claim = now(&worker);
        panic!("on purpose");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    assert!(queue.processing().is_empty());
    queue.add(1);
    assert_eq!(now(&queue).unwrap().key(), &1);
}

/// A key whose hash panics while the lock is held, once it is told to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fragile(u32, bool);

impl Hash for Fragile {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        assert!(!self.1, "on purpose");
        self.0.hash(state);
    }
}

#[tokio::test(start_paused = true)]
async fn claim_ends_after_a_panic_under_the_lock() {
    let queue = WorkQueue::new("test", &Telemetry::default());
    queue.add(Fragile(1, false));
    let claim = now(&queue);
    let poison = std::panic::AssertUnwindSafe(|| queue.add(Fragile(2, true)));
    assert!(std::panic::catch_unwind(poison).is_err());
    drop(claim);
    queue.add(Fragile(3, false));
    assert_eq!(now(&queue).unwrap().key(), &Fragile(3, false));
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
    let claim = timeout(SECOND, second).await.expect("the wake-up is passed on");
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

/// With real threads: every key's last change is seen by a look that began after it, and no two looks overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn load_loses_no_change_and_processes_no_key_twice_at_once() {
    const KEYS: usize = 16;
    #[derive(Default)]
    struct World {
        changes: [AtomicU64; KEYS],
        seen: [AtomicU64; KEYS],
        busy: [AtomicBool; KEYS],
    }
    let world = Arc::new(World::default());
    let queue = WorkQueue::new("stress", &Telemetry::default());
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (queue, world) = (queue.clone(), world.clone());
            tokio::spawn(async move {
                while let Some(claim) = queue.get().await {
                    let key: usize = *claim.key();
                    assert!(!world.busy[key].swap(true, SeqCst), "{key} is being worked on already");
                    let now = world.changes[key].load(SeqCst);
                    tokio::task::yield_now().await;
                    world.seen[key].store(now, SeqCst);
                    world.busy[key].store(false, SeqCst);
                }
            })
        })
        .collect();
    let adders: Vec<_> = (0..4)
        .map(|adder| {
            let (queue, world) = (queue.clone(), world.clone());
            tokio::spawn(async move {
                for i in 0..5_000 {
                    let key = (i * 7 + adder) % KEYS;
                    world.changes[key].fetch_add(1, SeqCst);
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
        timeout(30 * SECOND, worker).await.expect("the end").unwrap();
    }
    for key in 0..KEYS {
        assert_eq!(world.seen[key].load(SeqCst), world.changes[key].load(SeqCst), "the last change of {key} was seen");
    }
}
