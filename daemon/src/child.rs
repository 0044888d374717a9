//! Child processes: a process group that is killed as a whole, and stderr as log lines.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use governor::{Quota, RateLimiter};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStderr},
};

use crate::LogThrottle;

/// A longer line of stderr is logged in parts of this size.
const MAX_LINE_BYTES: u64 = 4 << 10;

/// Limit for logged lines of stderr: 50 per second, 500 at once.
const STDERR_QUOTA: Quota = Quota::per_second(NonZeroU32::new(50).unwrap()).allow_burst(NonZeroU32::new(500).unwrap());

/// The process group of a child, 0 for none. Clones share it, so that a second signal can kill the child.
#[derive(Clone, Debug, Default)]
pub struct ChildGroup(Arc<AtomicI32>);

impl ChildGroup {
    /// Sets the group to that of a child that was started in its own group.
    pub fn set(&self, child: &Child) {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        self.0.store(pid, Ordering::SeqCst);
    }

    /// Returns a guard that kills the group when it is dropped.
    #[must_use]
    pub fn kill_on_drop(&self) -> KillOnDrop {
        KillOnDrop(self.clone())
    }

    /// Kills every process in the group. Does not block.
    pub fn kill(&self) {
        let group = self.0.swap(0, Ordering::SeqCst);
        if group > 0 {
            // An error means that no process is left.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }

    /// Leaves the processes in the group alone.
    pub fn release(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

/// Kills the group when it is dropped.
#[derive(Debug)]
pub struct KillOnDrop(ChildGroup);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Logs stderr of a child until it is closed. Lines beyond the limit are dropped: a child that waits for the log would not
/// respond.
pub async fn log_stderr(stderr: ChildStderr, plugin: &str) {
    let mut stderr = BufReader::new(stderr);
    let limit = RateLimiter::direct(STDERR_QUOTA);
    let (mut line, throttle) = (Vec::new(), LogThrottle::default());
    while let Ok(1..) = (&mut stderr).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await {
        if limit.check().is_ok() {
            tracing::info!(plugin, stream = "stderr", "{}", String::from_utf8_lossy(&line).trim_end());
        } else if let Some(permit) = throttle.allow() {
            tracing::warn!(plugin, suppressed = permit.suppressed, "too many lines on stderr, some are dropped");
        }
        line.clear();
    }
}
