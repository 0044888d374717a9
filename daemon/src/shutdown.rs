//! From the first signal to the exit code.
//!
//! The first SIGTERM or SIGINT cancels a token: nothing new begins, and work in progress is finished within the grace
//! period. Another signal ends the process at once. Kubernetes kills a pod `terminationGracePeriodSeconds` (30 s) after
//! SIGTERM, so the grace period (`--shutdown-grace`, 20 s) has to be shorter.

use std::{fmt, io, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Signals within this time are one. `timeout`, for example, sends each signal to the process and to its group.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

/// Installs the signal handlers and returns the token that the first signal cancels. Needs a tokio runtime.
///
/// Call it early: as process 1 of a container, a process without a handler ignores SIGTERM. `on_kill` runs when another
/// signal ends the process, where nothing is dropped. It must not block.
///
/// # Errors
/// The system accepts no handlers.
pub fn on_signal(on_kill: impl FnOnce() + Send + 'static) -> io::Result<CancellationToken> {
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
                // First, because the process may end as soon as the token is cancelled.
                tracing::info!(signal, "shutting down; another signal ends the process at once");
                token.cancel();
            }
            if first.get_or_insert_with(Instant::now).elapsed() > ONE_SIGNAL {
                tracing::error!(signal, "ended by another signal, with work unfinished");
                // Last: `main` may return as soon as the child processes are gone.
                on_kill();
                std::process::exit(128 + kind.as_raw_value());
            }
        }
    });
    Ok(stop)
}

/// The grace period ended with work in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The grace period.
    pub after: Duration,
    /// What was in progress.
    pub keys: Vec<String>,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = if self.keys.is_empty() { "nothing that has a name".to_owned() } else { self.keys.join(", ") };
        write!(f, "still unfinished after the grace of {:?}: {keys}", self.after)
    }
}

impl std::error::Error for Unfinished {}
