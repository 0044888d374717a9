//! The queue's promises, one test each, under paused time.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use futures::FutureExt;
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::time::{Instant, advance, timeout};

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn queue() -> WorkQueue<u32> {
    WorkQueue::new("test", &Metrics::default())
}

/// What is in line right now.
fn now(queue: &WorkQueue<u32>) -> Option<Claim<u32>> {
    queue.get().now_or_never().expect("something in line, or the end")
}

fn nothing_in_line(queue: &WorkQueue<u32>) -> bool {
    queue.get().now_or_never().is_none()
}

/// Gets the next key, ends its claim, and tells when it came, from `start` on.
async fn next(queue: &WorkQueue<u32>, start: Instant) -> (u32, Duration) {
    let claim = timeout(100_000 * SECOND, queue.get()).await.expect("a key").expect("no end");
    (*claim.key(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_key_added_twice_is_worked_on_once() {
    let queue = queue();
    queue.add(1);
    queue.add(1);
    drop(now(&queue));
    assert!(nothing_in_line(&queue));
}

#[tokio::test(start_paused = true)]
async fn a_key_is_never_worked_on_by_two_at_once() {
    let queue = queue();
    queue.add(1);
    let claim = now(&queue);
    queue.add(1);
    assert!(nothing_in_line(&queue));
    drop(claim);
    assert_eq!(now(&queue).unwrap().key(), &1);
}

#[tokio::test(start_paused = true)]
async fn a_change_during_the_work_is_worked_on_afterwards_once() {
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
async fn a_change_during_the_work_wakes_a_waiting_worker_when_the_work_is_done() {
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
async fn first_in_first_out_and_a_busy_key_goes_to_the_end() {
    let queue = queue();
    [1, 2, 3].into_iter().for_each(|key| queue.add(key));
    let busy = now(&queue);
    queue.add(1);
    drop(busy);
    assert_eq!([now(&queue), now(&queue), now(&queue)].map(|claim| *claim.unwrap().key()), [2, 3, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_ends_when_its_worker_panics() {
    let queue = queue();
    queue.add(1);
    let worker = queue.clone();
    let panicked = tokio::spawn(async move {
        let _claim = worker.get().await;
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
async fn a_panic_under_the_lock_does_not_make_the_end_of_a_claim_panic_too() {
    let queue = WorkQueue::new("test", &Metrics::default());
    queue.add(Fragile(1, false));
    let claim = queue.get().await;
    let poison = std::panic::AssertUnwindSafe(|| queue.add(Fragile(2, true)));
    assert!(std::panic::catch_unwind(poison).is_err());
    drop(claim);
    queue.add(Fragile(3, false));
    assert_eq!(queue.get().await.unwrap().key(), &Fragile(3, false));
}

#[tokio::test(start_paused = true)]
async fn done_without_forget_does_not_requeue_and_does_not_reset_the_failures() {
    let queue = queue();
    queue.add_rate_limited(1);
    drop(queue.get().await);
    assert!(nothing_in_line(&queue));
    advance(2000 * SECOND).await;
    assert!(nothing_in_line(&queue));
    assert_eq!(queue.num_requeues(&1), 1);
    assert_eq!(queue.add_rate_limited(1), 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn forget_without_done_keeps_the_claim() {
    let queue = queue();
    queue.add(1);
    let claim = now(&queue);
    queue.forget(&1);
    assert_eq!(queue.processing(), [1]);
    drop(claim);
    assert!(queue.processing().is_empty());
}

#[tokio::test(start_paused = true)]
async fn forget_does_not_cancel_a_retry_and_cancel_retry_does_not_forget() {
    let queue = queue();
    queue.add_rate_limited(1);
    queue.forget(&1);
    assert_eq!(next(&queue, Instant::now()).await.0, 1);
    queue.add_rate_limited(1);
    queue.cancel_retry(&1);
    assert_eq!(queue.num_requeues(&1), 1);
    advance(2000 * SECOND).await;
    assert!(nothing_in_line(&queue));
}

#[tokio::test(start_paused = true)]
async fn a_delayed_add_comes_when_it_is_due_and_not_before() {
    let (queue, start) = (queue(), Instant::now());
    queue.add_after(1, 3 * SECOND);
    assert!(nothing_in_line(&queue));
    assert_eq!(next(&queue, start).await, (1, 3 * SECOND));
    queue.add_after(2, Duration::ZERO);
    assert_eq!(now(&queue).unwrap().key(), &2);
}

#[tokio::test(start_paused = true)]
async fn of_two_delayed_adds_the_earlier_counts() {
    let (queue, start) = (queue(), Instant::now());
    queue.add_after(1, 9 * SECOND);
    queue.add_after(1, 3 * SECOND);
    queue.add_after(1, 6 * SECOND);
    assert_eq!(next(&queue, start).await, (1, 3 * SECOND));
    advance(20 * SECOND).await;
    assert!(nothing_in_line(&queue));
}

#[tokio::test(start_paused = true)]
async fn an_add_does_not_cancel_the_delayed_one() {
    let (queue, start) = (queue(), Instant::now());
    queue.add_after(1, 3 * SECOND);
    queue.add(1);
    drop(now(&queue));
    assert_eq!(next(&queue, start).await, (1, 3 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_delay_longer_than_time_itself_is_no_panic() {
    let queue = queue();
    queue.add_after(1, Duration::MAX);
    advance(3600 * SECOND).await;
    assert!(nothing_in_line(&queue));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_gone_keeps_no_timer() {
    let queue = queue();
    queue.add_after(1, SECOND);
    queue.add_rate_limited(1);
    queue.cancel_after(&1);
    advance(2000 * SECOND).await;
    assert!(nothing_in_line(&queue));
}

#[tokio::test(start_paused = true)]
async fn a_retry_and_a_reminder_of_the_same_key_both_come() {
    let (queue, start) = (queue(), Instant::now());
    queue.add_after(1, 3 * SECOND);
    queue.add_rate_limited(1);
    assert_eq!(next(&queue, start).await, (1, 5 * MS));
    assert_eq!(next(&queue, start).await, (1, 3 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn deferred_failures_do_not_count_and_wait_30_s_at_most() {
    let queue = queue();
    let waits: Vec<_> = (0..20).map(|_| queue.add_deferred(1)).collect();
    assert_eq!(waits[..3], [5 * MS, 10 * MS, 20 * MS]);
    assert_eq!(waits[19], 30 * SECOND);
    assert_eq!(queue.num_requeues(&1), 0);
    assert_eq!(queue.add_rate_limited(1), 5 * MS);
    queue.forget(&1);
    assert_eq!(queue.add_deferred(1), 5 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_retries_go_at_once_and_then_ten_a_second_in_order() {
    let (queue, start) = (queue(), Instant::now());
    (0..120).for_each(|key| _ = queue.add_rate_limited(key));
    for key in 0..100 {
        assert_eq!(next(&queue, start).await, (key, 5 * MS));
    }
    for key in 100..120 {
        let (got, after) = next(&queue, start).await;
        let due = 5 * MS + (key - 99) * 100 * MS;
        assert_eq!(got, key);
        assert!((due..due + 2 * MS).contains(&after), "{key}: {after:?}, not {due:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_bucket_delays_only_retries() {
    let (queue, start) = (queue(), Instant::now());
    (0..200).for_each(|key| _ = queue.add_rate_limited(key));
    for _ in 0..100 {
        next(&queue, start).await;
    }
    queue.add(1000);
    assert_eq!(next(&queue, start).await, (1000, 5 * MS));
    // The key of a retry that waits for its token: a new change of it does not wait, and nor does a delayed add.
    queue.add(199);
    assert_eq!(next(&queue, start).await, (199, 5 * MS));
    queue.add_after(198, 10 * MS);
    assert_eq!(next(&queue, start).await, (198, 15 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_retry_takes_no_token() {
    let (queue, start) = (queue(), Instant::now());
    for key in 0..1000 {
        queue.add_rate_limited(key);
        queue.cancel_retry(&key);
    }
    (1000..1100).for_each(|key| _ = queue.add_rate_limited(key));
    for _ in 0..100 {
        assert_eq!(next(&queue, start).await.1, 5 * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_bucket_is_empty_the_task_sleeps_until_the_next_token() {
    let (queue, start) = (queue(), Instant::now());
    (0..150).for_each(|key| _ = queue.add_rate_limited(key));
    for _ in 0..100 {
        next(&queue, start).await;
    }
    let sleeps_until = || queue.0.lock().wake_at;
    let token = start + 105 * MS;
    assert_eq!(sleeps_until(), Some(token));
    queue.add_rate_limited(1000);
    assert_eq!(sleeps_until(), Some(token), "a further retry does not wake it");
    queue.add_after(1001, MS);
    assert_eq!(sleeps_until(), Some(start + 6 * MS), "a delayed add that is due before does");
}

#[tokio::test(start_paused = true)]
async fn a_get_that_is_given_up_loses_no_key() {
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

#[tokio::test(start_paused = true)]
async fn after_a_shutdown_adds_are_ignored_the_line_is_handed_out_and_then_it_ends() {
    let queue = queue();
    queue.add(1);
    queue.shut_down();
    queue.add(2);
    queue.add_after(3, MS);
    queue.add_rate_limited(4);
    assert_eq!(now(&queue).unwrap().key(), &1);
    advance(SECOND).await;
    assert!(now(&queue).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_wakes_all_getters_and_drops_what_is_delayed() {
    let queue = queue();
    queue.add_after(1, SECOND);
    queue.add_rate_limited(2);
    let workers = [queue.clone(), queue.clone()].map(|queue| tokio::spawn(async move { queue.get().await.is_none() }));
    tokio::task::yield_now().await;
    queue.shut_down();
    for worker in workers {
        assert!(timeout(60 * SECOND, worker).await.expect("woken").unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_during_the_work_is_handed_out_even_after_a_shutdown() {
    let queue = queue();
    queue.add(1);
    let claim = now(&queue);
    queue.add(1);
    queue.shut_down();
    drop(claim);
    assert_eq!(now(&queue).unwrap().key(), &1);
    assert!(now(&queue).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_is_being_processed_and_for_nothing_else() {
    let queue = queue();
    [1, 2].into_iter().for_each(|key| queue.add(key));
    let claim = now(&queue);
    let mut drain = Box::pin(queue.shut_down_with_drain());
    assert!(drain.as_mut().now_or_never().is_none());
    assert_eq!(queue.processing(), [1]);
    drop(claim);
    assert!(timeout(SECOND, drain).await.is_ok());
    assert_eq!(queue.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_shutdown_or_with_the_last_handle() {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    let (stopped, dropped) = (queue(), queue());
    dropped.add_after(1, 3600 * SECOND);
    advance(MS).await;
    assert_eq!(alive(), before + 2);
    stopped.shut_down();
    advance(MS).await;
    assert_eq!(alive(), before + 1);
    drop(dropped);
    advance(MS).await;
    assert_eq!(alive(), before);
}

#[tokio::test(start_paused = true)]
async fn the_metrics_have_the_names_that_dashboards_know() {
    let (metrics, mut registry) = (Metrics::default(), Registry::default());
    metrics.register(&mut registry);
    let queue = WorkQueue::new("pods", &metrics);
    [1, 1, 2, 3].into_iter().for_each(|key| queue.add(key));
    advance(2 * SECOND).await;
    let claims = [now(&queue), now(&queue)];
    queue.add(1);
    queue.add_rate_limited(4);
    advance(3 * SECOND).await; // 4 is in line, too
    let scrape = || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    };
    let text = scrape();
    for line in [
        "workqueue_adds_total{name=\"pods\"} 5",
        "workqueue_retries_total{name=\"pods\"} 1",
        "workqueue_depth{name=\"pods\"} 3.0",
        "workqueue_queue_duration_seconds_sum{name=\"pods\"} 4.0",
        "workqueue_queue_duration_seconds_bucket{le=\"10.0\",name=\"pods\"} 2",
        "workqueue_work_duration_seconds_count{name=\"pods\"} 0",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let value = |text: &str, name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name)).expect(name);
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value(&text, "workqueue_unfinished_work_seconds{"), 6.0);
    assert_eq!(value(&text, "workqueue_longest_running_processor_seconds{"), 3.0);
    drop(claims);
    assert_eq!(value(&scrape(), "workqueue_work_duration_seconds_sum{"), 6.0);
    assert_eq!(value(&scrape(), "workqueue_unfinished_work_seconds{"), 0.0);
    drop(queue);
    assert!(!scrape().contains("workqueue_depth{"));
}

/// With real threads: every key's last change is seen by a look that began after it, and no two looks overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_no_change_is_lost_and_no_key_is_worked_on_twice_at_once() {
    const KEYS: usize = 16;
    #[derive(Default)]
    struct World {
        changes: [AtomicU64; KEYS],
        seen: [AtomicU64; KEYS],
        busy: [AtomicBool; KEYS],
    }
    let world = Arc::new(World::default());
    let queue = WorkQueue::new("stress", &Metrics::default());
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
