//! Exercise 7, break it: this worker never forgets.
//!
//! Predict: a key fails three times, then succeeds, and fails again a month later. How long does its retry wait? What happens
//! to the memory, if keys come and go? Then change `finish`.

mod tests;

use std::time::Duration;

use demo_controller::{informer::Key, workqueue::WorkQueue};

/// The failures after which a key is dropped until its next change.
pub const MAX_RETRIES: u32 = 3;

/// Decides what follows from the result of a reconcile. Returns how long the retry waits, if there is one.
pub fn finish(queue: &WorkQueue<Key>, key: &Key, result: Result<(), String>) -> Option<Duration> {
    match result {
        Ok(()) => None,
        Err(_) if queue.num_requeues(key) < MAX_RETRIES => Some(queue.add_rate_limited(key.clone())),
        Err(_) => None,
    }
}
