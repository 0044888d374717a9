//! Signals and the grace period.
//!
//! The first SIGTERM or SIGINT cancels a token: no new work starts, and work in progress may finish within the grace
//! period. Another signal ends the process at once. Kubernetes kills a pod `terminationGracePeriodSeconds` (30 s) after
//! SIGTERM, so the grace period (`--shutdown-grace`, 20 s) has to be shorter.

use std::{fmt, io, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Signals within this time count as one. `timeout`, for example, signals both the process and its group.
const SIGNAL_WINDOW: Duration = Duration::from_secs(1);

/// Installs the signal handlers and returns the token that the first signal cancels. Needs a tokio runtime.
///
/// Call it early: without a handler, process 1 of a container ignores SIGTERM. `on_kill` runs before another
/// signal ends the process, because that runs no destructors. It must not block.
///
/// # Errors
/// The system rejects the handlers.
pub fn setup_signal_handler(on_kill: impl FnOnce() + Send + 'static) -> io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let mut first = None;
        loop {
            let (signal, kind) = tokio::select! {
                _ = terminate.recv() => ("SIGTERM", SignalKind::terminate()),
                _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt()),
            };
            if first.is_none() {
                // Logged first: the process may end as soon as the token is cancelled.
                tracing::info!(signal, "shutting down; another signal ends the process at once");
                token.cancel();
            }
            if first.get_or_insert_with(Instant::now).elapsed() > SIGNAL_WINDOW {
                tracing::error!(signal, "another signal: the process ends with unfinished work");
                // Called last: `main` may return as soon as the child processes have ended.
                on_kill();
                std::process::exit(128 + kind.as_raw_value());
            }
        }
    });
    Ok(stop)
}

/// The grace period ended before the work did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The grace period.
    pub after: Duration,
    /// The keys in progress.
    pub keys: Vec<String>,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = if self.keys.is_empty() { "(no key)".to_owned() } else { self.keys.join(", ") };
        write!(f, "unfinished after the grace period of {:?}: {keys}", self.after)
    }
}

impl std::error::Error for Unfinished {}
