//! The queue's promise 8: shutdown.

use futures::FutureExt;
use tokio::time::{advance, timeout};

use super::*;

#[tokio::test(start_paused = true)]
async fn shutdown_ignores_adds_and_drains_the_queue() {
    let queue = queue();
    queue.add(1);
    queue.shut_down();
    queue.add(2);
    queue.add_after(3, MS);
    queue.add_rate_limited(4);
    assert_eq!(get_now(&queue).unwrap().key(), &1);
    advance(SECOND).await;
    assert!(get_now(&queue).is_none());
}

#[tokio::test(start_paused = true)]
async fn shutdown_wakes_all_getters_and_drops_delayed_keys() {
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
async fn key_changed_while_processed_survives_a_shutdown() {
    let queue = queue();
    queue.add(1);
    let claim = get_now(&queue);
    queue.add(1);
    queue.shut_down();
    drop(claim);
    assert_eq!(get_now(&queue).unwrap().key(), &1);
    assert!(get_now(&queue).is_none());
}

#[tokio::test(start_paused = true)]
async fn drain_waits_only_for_keys_in_progress() {
    let queue = queue();
    [1, 2].into_iter().for_each(|key| queue.add(key));
    let claim = get_now(&queue);
    let mut drain = Box::pin(queue.shut_down_with_drain());
    assert!(drain.as_mut().now_or_never().is_none());
    assert_eq!(queue.processing(), [1]);
    drop(claim);
    assert!(timeout(SECOND, drain).await.is_ok());
    assert_eq!(queue.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn task_ends_with_the_shutdown_or_the_last_handle() {
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
