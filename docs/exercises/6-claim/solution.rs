//! Exercise 6, solution.

mod tests;

use demo_controller::{informer::Key, workqueue::WorkQueue};

/// Processes one key after the other, until the queue is shut down.
pub async fn work<F: Future<Output = ()>>(queue: WorkQueue<Key>, reconcile: impl Fn(Key) -> F) {
    while let Some(claim) = queue.get().await {
        reconcile(claim.key().clone()).await;
        drop(claim); // done: after the reconcile
    }
}
