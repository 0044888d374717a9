use tokio::time::advance;

use super::*;
use crate::workqueue::Metrics;

fn queue() -> WorkQueue<Key> {
    WorkQueue::new("pki", &Metrics::default())
}

#[tokio::test(start_paused = true)]
async fn a_key_that_does_not_come_out_of_its_worker_is_named_after_five_minutes() {
    let (queue, stop) = (queue(), CancellationToken::new());
    let check = stuck(&queue, STUCK, &stop);
    queue.add(Key::new("app1", "stuck"));
    advance(STUCK * 2).await;
    assert_eq!((check.ask)(), Ok(()), "a key that waits is in no worker");

    let claim = queue.get().await;
    advance(STUCK).await;
    assert_eq!((check.ask)(), Ok(()));
    // A younger one does not hide it, and neither does a change of the same key.
    queue.add(Key::new("app1", "young"));
    let young = queue.get().await;
    queue.add(Key::new("app1", "stuck"));
    advance(Duration::from_secs(12)).await;
    let why =
        "app1/stuck is in a worker for 312 s and does not come out (limit 300 s): the process has to be restarted";
    assert_eq!((check.name.as_str(), (check.ask)()), ("queue pki", Err(why.to_owned())));

    stop.cancel();
    assert_eq!((check.ask)(), Ok(()), "what is drained has the grace as its limit");
    drop((claim, young));
}

#[tokio::test(start_paused = true)]
async fn keys_that_come_out_are_no_trouble_however_many_there_are() {
    let (queue, stop) = (queue(), CancellationToken::new());
    let check = stuck(&queue, STUCK, &stop);
    for _ in 0..10 {
        queue.add(Key::new("app1", "busy"));
        let claim = queue.get().await;
        advance(STUCK).await;
        assert_eq!((check.ask)(), Ok(()));
        drop(claim);
    }
}

/// Whether a task that ends in this way is missed.
async fn missed(task: impl Future<Output = ()> + Send + 'static, stop: &CancellationToken) -> Result<(), String> {
    let supply = Supply::new("pods", stop);
    let check = supply.check();
    assert_eq!((check.ask)(), Ok(()), "while it has not begun");
    let running = tokio::spawn(supply.from(task));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let verdict = (check.ask)();
    running.abort();
    verdict
}

#[tokio::test(start_paused = true)]
async fn a_reflector_that_ends_by_itself_is_missed_and_one_that_runs_or_is_stopped_is_not() {
    let stop = CancellationToken::new();
    assert_eq!(missed(std::future::pending(), &stop).await, Ok(()));
    let why = missed(std::future::ready(()), &stop).await.unwrap_err();
    assert_eq!(why, "its reflector has ended, so the cache stands still: the process has to be restarted");
    assert!(missed(async { panic!("a test's own panic") }, &stop).await.is_err());
    stop.cancel();
    assert_eq!(missed(std::future::ready(()), &stop).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_never_begins_is_missed_as_well() {
    let stop = CancellationToken::new();
    let supply = Supply::new("pods", &stop);
    let check = supply.check();
    drop(supply.from(std::future::pending()));
    assert!((check.ask)().is_err());
}
