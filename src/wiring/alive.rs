//! When `/healthz` turns 503: the process is wedged, and nothing but a restart will help.
//!
//! A process that still answers its probe can be wedged in two ways. Both are bugs, and both were found out by nobody
//! before somebody missed a certificate:
//!
//! * a key is in a worker and does not come out again ([`stuck`]): a deadlock, an answer that is waited for without a
//!   limit. The queue gives that key to nobody else;
//! * nobody keeps a cache up to date any more ([`Supply`]): all looks well, in a world that stands still.
//!
//! **No API server can bring it about**, be it away, silent, slow or hostile: a restart would not help against it, and
//! a cluster in trouble would lose its controllers on top. So each wait for it has a limit, and the limits of one look
//! at a key add up to less than [`STUCK`]:
//!
//! | queue | the longest look at one key |
//! | --- | --- |
//! | `pki` | 210 s: the CA 90 (read, create, read again; who stands in line takes the answer of who asks), its Secret 30, the write 30, the status 30, and 30 to tell that it was given up |
//! | `pod` | no request at all |
//! | `events` | 120 s for an attempt, however many requests it takes |
//! | `watch` | no request; a plugin's own time is added to the limit, see `Exec::longest_look` |
//!
//! While the process ends, it is not judged: what is drained has the grace as its limit, and then the process is gone.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{informer::Key, process::serve::Check, workqueue::WorkQueue};

/// A key that is in a worker for longer than this will not come out of it.
pub const STUCK: Duration = Duration::from_secs(300);

/// A check that fails when a key is in one of this queue's workers for more than `limit`.
pub fn stuck(queue: &WorkQueue<Key>, limit: Duration, stop: &CancellationToken) -> Check {
    let (name, queue) = (queue.name(), queue.clone());
    stuck_in(name, move || queue.oldest(), limit, stop)
}

/// The same for a queue that somebody else has: `oldest` says which key is in a worker for the longest time, and for how
/// long.
pub fn stuck_in(
    queue: &str,
    oldest: impl Fn() -> Option<(Key, Duration)> + Send + Sync + 'static,
    limit: Duration,
    stop: &CancellationToken,
) -> Check {
    let stop = stop.clone();
    Check::new(format!("queue {queue}"), move || match oldest() {
        Some((key, age)) if age > limit && !stop.is_cancelled() => Err(format!(
            "{key} is in a worker for {} s and does not come out (limit {} s): the process has to be restarted",
            age.as_secs(),
            limit.as_secs()
        )),
        _ => Ok(()),
    })
}

/// What brings a cache its changes: held by whoever does that, from the first request to the end of the process. Dropped
/// before `stop`, whether by a return, a panic or an abort, it says so, in the log and to its [check](Supply::check).
///
/// A panic ends the whole process as well (see [`watch_over`](super::watch_over)); a task that just returns would be
/// missed by nobody.
pub struct Supply {
    resource: String,
    stop: CancellationToken,
    ended: Arc<AtomicBool>,
}

impl Supply {
    /// For the cache of this resource.
    pub fn new(resource: impl Into<String>, stop: &CancellationToken) -> Self {
        Supply { resource: resource.into(), stop: stop.clone(), ended: Arc::default() }
    }

    /// Fails once it was dropped before `stop`.
    pub fn check(&self) -> Check {
        let ended = self.ended.clone();
        Check::new(&self.resource, move || match ended.load(Ordering::Relaxed) {
            true => Err("its reflector has ended, so the cache stands still: the process has to be restarted".into()),
            false => Ok(()),
        })
    }

    /// Runs the task that brings the changes, and lasts as long as it does.
    pub async fn from(self, task: impl Future<Output = ()>) {
        task.await;
        drop(self);
    }
}

impl Drop for Supply {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            self.ended.store(true, Ordering::Relaxed);
            tracing::error!(resource = self.resource, "the reflector has ended although nobody asked it to");
        }
    }
}

#[cfg(test)]
#[path = "alive_tests.rs"]
mod tests;
