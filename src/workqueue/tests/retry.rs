//! The queue's promises 6 and 7: delayed adds, retries and failure counts.

use std::time::Duration;

use tokio::time::{Instant, advance};

use super::*;

#[tokio::test(start_paused = true)]
async fn done_without_forget_neither_requeues_nor_resets() {
    let queue = queue();
    queue.add_rate_limited(1);
    assert_eq!(process_next(&queue, Instant::now()).await.0, 1);
    assert!(get_blocks(&queue));
    advance(2000 * SECOND).await;
    assert!(get_blocks(&queue));
    assert_eq!(queue.num_requeues(&1), 1);
    assert_eq!(queue.add_rate_limited(1), 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn forget_without_done_keeps_the_claim() {
    let queue = queue();
    queue.add(1);
    let claim = get_now(&queue);
    queue.forget(&1);
    assert_eq!(queue.processing(), [1]);
    drop(claim);
    assert!(queue.processing().is_empty());
}

#[tokio::test(start_paused = true)]
async fn forget_and_cancel_retry_are_independent() {
    let queue = queue();
    queue.add_rate_limited(1);
    queue.forget(&1);
    assert_eq!(process_next(&queue, Instant::now()).await.0, 1);
    queue.add_rate_limited(1);
    queue.cancel_retry(&1);
    assert_eq!(queue.num_requeues(&1), 1);
    advance(2000 * SECOND).await;
    assert!(get_blocks(&queue));
}

#[tokio::test(start_paused = true)]
async fn delayed_add_comes_when_it_is_due() {
    let (queue, start) = (queue(), Instant::now());
    queue.add_after(1, 3 * SECOND);
    assert!(get_blocks(&queue));
    assert_eq!(process_next(&queue, start).await, (1, 3 * SECOND));
    queue.add_after(2, Duration::ZERO);
    assert_eq!(get_now(&queue).unwrap().key(), &2);
}

#[tokio::test(start_paused = true)]
async fn add_does_not_cancel_a_delayed_add() {
    let (queue, start) = (queue(), Instant::now());
    queue.add_after(1, 3 * SECOND);
    queue.add(1);
    drop(get_now(&queue));
    assert_eq!(process_next(&queue, start).await, (1, 3 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn longest_possible_delay_does_not_panic() {
    let queue = queue();
    queue.add_after(1, Duration::MAX);
    advance(3600 * SECOND).await;
    assert!(get_blocks(&queue));
}

#[tokio::test(start_paused = true)]
async fn cancel_pending_drops_every_timer_of_a_key() {
    let queue = queue();
    queue.add_after(1, SECOND);
    queue.add_rate_limited(1);
    queue.cancel_scheduled(&1);
    advance(2000 * SECOND).await;
    assert!(get_blocks(&queue));
}

#[tokio::test(start_paused = true)]
async fn retry_and_delayed_add_of_one_key_both_come() {
    let (queue, start) = (queue(), Instant::now());
    queue.add_after(1, 3 * SECOND);
    queue.add_rate_limited(1);
    assert_eq!(process_next(&queue, start).await, (1, 5 * MS));
    assert_eq!(process_next(&queue, start).await, (1, 3 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn hundred_retries_run_at_once_then_ten_per_second() {
    let (queue, start) = (queue(), Instant::now());
    (0..120).for_each(|key| _ = queue.add_rate_limited(key));
    for key in 0..100 {
        assert_eq!(process_next(&queue, start).await, (key, 5 * MS));
    }
    for key in 100..120 {
        let (got, after) = process_next(&queue, start).await;
        let due = 5 * MS + (key - 99) * 100 * MS;
        assert_eq!(got, key);
        assert!((due..due + 2 * MS).contains(&after), "{key}: {after:?}, not {due:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn empty_bucket_delays_only_retries() {
    let (queue, start) = (queue(), Instant::now());
    (0..200).for_each(|key| _ = queue.add_rate_limited(key));
    for _ in 0..100 {
        process_next(&queue, start).await;
    }
    queue.add(1000);
    assert_eq!(process_next(&queue, start).await, (1000, 5 * MS));
    // Keys 199 and 198 have retries that wait for a token. Their adds do not wait.
    queue.add(199);
    assert_eq!(process_next(&queue, start).await, (199, 5 * MS));
    queue.add_after(198, 10 * MS);
    assert_eq!(process_next(&queue, start).await, (198, 15 * MS));
}

#[tokio::test(start_paused = true)]
async fn cancelled_retry_takes_no_token() {
    let (queue, start) = (queue(), Instant::now());
    for key in 0..1000 {
        queue.add_rate_limited(key);
        queue.cancel_retry(&key);
    }
    (1000..1100).for_each(|key| _ = queue.add_rate_limited(key));
    for _ in 0..100 {
        assert_eq!(process_next(&queue, start).await.1, 5 * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn task_sleeps_until_the_next_token() {
    let (queue, start) = (queue(), Instant::now());
    (0..150).for_each(|key| _ = queue.add_rate_limited(key));
    for _ in 0..100 {
        process_next(&queue, start).await;
    }
    let sleeps_until = || queue.0.lock().wake_at;
    let token = start + 105 * MS;
    assert_eq!(sleeps_until(), Some(token));
    queue.add_rate_limited(1000);
    assert_eq!(sleeps_until(), Some(token), "another retry does not wake the task");
    queue.add_after(1001, MS);
    assert_eq!(sleeps_until(), Some(start + 6 * MS), "an earlier delayed add wakes the task");
}
