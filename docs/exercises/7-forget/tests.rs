use daemon::Telemetry;

use super::*;

fn start() -> (WorkQueue<Key>, Key) {
    (WorkQueue::new("pods", &Telemetry::default()), Key::new("shop", "web"))
}

fn fail(queue: &WorkQueue<Key>, key: &Key) -> Option<Duration> {
    finish(queue, key, Err("500".to_owned()))
}

#[tokio::test(start_paused = true)]
async fn failure_after_a_success_waits_five_milliseconds() {
    let (queue, key) = start();
    let waits = [fail(&queue, &key), fail(&queue, &key)].map(|wait| wait.unwrap_or_default().as_millis());
    assert!(
        waits == [5, 10],
        "Failures in a row should wait 5 and 10 ms, but wait {waits:?}: do not forget after a failure."
    );
    finish(&queue, &key, Ok(()));
    let wait = fail(&queue, &key).unwrap_or_default();
    assert!(
        wait.as_millis() == 5,
        "The first failure after a success waits {wait:?} instead of 5 ms: the old failures still count."
    );
}

#[tokio::test(start_paused = true)]
async fn dropped_key_gets_all_its_retries_again() {
    let (queue, key) = start();
    (0..MAX_RETRIES).for_each(|_| {
        fail(&queue, &key);
    });
    assert!(fail(&queue, &key).is_none(), "After {MAX_RETRIES} retries the key should be dropped, but is retried.");
    // A month later.
    assert!(
        fail(&queue, &key).is_some(),
        "The key was dropped, and has changed since, but its next failure is not retried at all."
    );
}
