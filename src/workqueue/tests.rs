//! Tests of the queue's promises.

mod delay;
mod limit;
mod metrics;
mod queue;
mod retry;
mod shutdown;
mod state;

use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, timeout};

use daemon::Telemetry;

use super::{Claim, QueueKey, WorkQueue};

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);

pub fn queue() -> WorkQueue<u32> {
    WorkQueue::new("test", &Telemetry::default())
}

/// Gets a key without a wait.
pub fn get_now<K: QueueKey>(queue: &WorkQueue<K>) -> Option<Claim<K>> {
    queue.get().now_or_never().expect("a key or the shutdown")
}

pub fn get_blocks(queue: &WorkQueue<u32>) -> bool {
    queue.get().now_or_never().is_none()
}

/// Gets the next key, ends its claim, and returns the time since `start`.
pub async fn process_next(queue: &WorkQueue<u32>, start: Instant) -> (u32, Duration) {
    let claim = timeout(100_000 * SECOND, queue.get()).await.expect("a key").expect("no shutdown");
    (*claim.key(), start.elapsed())
}
