//! From the first signal to the exit code.
//!
//! Shutdown has two phases. The first SIGTERM or SIGINT cancels a token that everything long-lived watches: nothing new
//! is begun, what is in progress is finished, within a grace. A second signal means that the person has no patience
//! left: the process ends at once, with 128 and the signal's number, as a shell would report it.
//!
//! Kubernetes sends SIGTERM, waits for `terminationGracePeriodSeconds` (30 s by default) and then kills: keep
//! `--shutdown-grace` (20 s by default) below that.

use std::{fmt, future::Future, io, sync::mpsc, thread, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long the end waits for a line in the log. It takes no time, unless nobody reads it.
const SAYS_WITHIN: Duration = Duration::from_millis(200);

/// Installs the handlers and returns the token that the first signal cancels. Must be called early: a process with the id
/// 1, as in a container, ignores a SIGTERM that it has no handler for.
///
/// Signals are waited for in a thread of their own. Why: when whoever reads the log has stopped reading (a pager, a
/// collector that hangs), every thread of the caller's runtime sooner or later stands still in the line that it writes.
///
/// `abandon` is called when a second signal ends the process: nothing is dropped then, so what would outlive the process
/// (a child of it) has to be ended here. It must not wait for anything.
///
/// # Errors
/// When the system gives no handlers, or no thread.
pub fn on_signal(abandon: impl FnOnce() + Send + 'static) -> io::Result<CancellationToken> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
    };
    let stop = CancellationToken::new();
    let token = stop.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let (name, _) = runtime.block_on(signals.next());
        say(move || tracing::info!(signal = name, "shutting down; a second signal ends the process at once"));
        token.cancel();
        let (name, number) = runtime.block_on(signals.next());
        say(move || tracing::error!(signal = name, "ended by a second signal, with work unfinished"));
        // At the very last: with its child gone, work may seem to be finished, and `main` would end with 0 before us.
        abandon();
        // The one place outside `main` that may exit: by now nobody can be relied on to unwind.
        std::process::exit(128 + number);
    })?;
    Ok(stop)
}

/// Writes a line, but does not wait for it for long.
fn say(line: impl FnOnce() + Send + 'static) {
    let (written, waited_for) = mpsc::channel::<()>();
    let writer = thread::Builder::new().spawn(move || {
        line();
        drop(written);
    });
    if writer.is_ok() {
        let _ = waited_for.recv_timeout(SAYS_WITHIN);
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
        }
    }
}

/// How long what is in progress may take to finish.
#[derive(Clone, Copy, Debug)]
pub struct Grace(pub Duration);

/// The grace ran out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// After so long.
    pub after: Duration,
    /// What was still in progress, as `unfinished` told it.
    pub keys: Vec<String>,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = if self.keys.is_empty() { "nothing that has a name".to_owned() } else { self.keys.join(", ") };
        write!(f, "still unfinished after the grace of {:?}: {keys}", self.after)
    }
}

impl std::error::Error for Unfinished {}

impl Grace {
    /// Waits until `drain` is done, for the grace at most; `unfinished` is asked only when it ran out.
    ///
    /// # Errors
    /// When the grace ran out: the process is to name the keys and exit with code 1.
    pub async fn wait(
        self,
        drain: impl Future<Output = ()>,
        unfinished: impl FnOnce() -> Vec<String>,
    ) -> Result<(), Unfinished> {
        let Grace(after) = self;
        let in_time = tokio::time::timeout(after, drain).await;
        in_time.map_err(|_| Unfinished { after, keys: unfinished() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Grace = Grace(Duration::from_secs(20));

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_within_the_grace_is_waited_for() {
        let drain = tokio::time::sleep(Duration::from_secs(19));
        assert_eq!(GRACE.wait(drain, || unreachable!("nothing is unfinished")).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_outlast_the_grace_are_named() {
        let keys = || vec!["app1/app1-pki".to_owned(), "app2/app2-pki".to_owned()];
        let unfinished = GRACE.wait(std::future::pending(), keys).await.unwrap_err();
        assert_eq!(unfinished.to_string(), "still unfinished after the grace of 20s: app1/app1-pki, app2/app2-pki");
    }
}
