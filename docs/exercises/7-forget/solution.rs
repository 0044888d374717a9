//! Exercise 7, solution.

mod tests;

use std::time::Duration;

use demo_controller::{informer::Key, workqueue::WorkQueue};

/// The failures after which a key is dropped until its next change.
pub const MAX_RETRIES: u32 = 3;

/// Decides what follows from the result of a reconcile. Returns how long the retry waits, if there is one.
pub fn finish(queue: &WorkQueue<Key>, key: &Key, result: Result<(), String>) -> Option<Duration> {
    match result {
        Ok(()) => {
            queue.forget(key);
            None
        }
        Err(_) if queue.num_requeues(key) < MAX_RETRIES => Some(queue.add_rate_limited(key.clone())),
        // Dropped: its next change starts with all retries.
        Err(_) => {
            queue.forget(key);
            None
        }
    }
}
