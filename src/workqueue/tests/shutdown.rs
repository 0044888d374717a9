//! The queue's promise 8: an end.

use futures::FutureExt;
use tokio::time::{advance, timeout};

use super::*;

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
