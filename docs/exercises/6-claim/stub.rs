//! Exercise 6, break it: this worker drops its claim too early.
//!
//! Predict: where exactly does the claim end? What can a second worker do from that moment on? Then change `work`.

mod tests;

use demo_controller::{informer::Key, workqueue::WorkQueue};

/// Processes one key after the other, until the queue is shut down.
pub async fn work<F: Future<Output = ()>>(queue: WorkQueue<Key>, reconcile: impl Fn(Key) -> F) {
    while let Some(key) = next_key(&queue).await {
        reconcile(key).await;
    }
}

async fn next_key(queue: &WorkQueue<Key>) -> Option<Key> {
    let claim = queue.get().await?;
    Some(claim.key().clone())
}
