use daemon::Telemetry;

use super::*;

fn start() -> (WorkQueue<Item>, Store, Key) {
    (WorkQueue::new("pods", &Telemetry::default()), Store::new(), Key::new("shop", "web"))
}

fn change(queue: &WorkQueue<Item>, store: &mut Store, pod: &Key, state: &str) {
    store.insert(pod.clone(), state.to_owned());
    on_change(queue, pod, state);
}

#[tokio::test(start_paused = true)]
async fn retried_write_has_the_present_state() {
    let (queue, mut store, pod) = start();
    change(&queue, &mut store, &pod, "Pending");
    let first = queue.get().await.unwrap();
    change(&queue, &mut store, &pod, "Ready");
    // The write of the first one fails.
    queue.add_rate_limited(first.key().clone());
    drop(first);
    let mut written = None;
    for _ in 0..2 {
        let claim = queue.get().await.unwrap();
        written = desired(claim.key(), &store);
    }
    let state = written.unwrap_or_default();
    assert!(
        state == "Ready",
        "The pod is Ready, but the retry has written {state:?} last: the item has an old state in it."
    );
}

#[tokio::test]
async fn ten_changes_are_one_item() {
    let (queue, mut store, pod) = start();
    (0..10).for_each(|n| change(&queue, &mut store, &pod, &format!("state {n}")));
    let items = queue.len();
    assert!(items == 1, "Ten changes of one pod are {items} items in the queue, but one reconcile would be enough.");
}

#[tokio::test]
async fn deleted_pod_is_not_written() {
    let (queue, mut store, pod) = start();
    change(&queue, &mut store, &pod, "Ready");
    store.remove(&pod);
    let claim = queue.get().await.unwrap();
    assert!(desired(claim.key(), &store).is_none(), "The pod is deleted, but its state is still written.");
}
