//! Starts a process and ends it with an exit code.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use tokio::runtime::Runtime;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Args, Error, Telemetry,
    child::{ChildGroup, KillOnDrop},
    connect::{Connection, Target, connect},
    log, process_metrics, serve, shutdown,
};

/// A started process: it handles signals, logs, serves the endpoint and has a client.
pub struct Process {
    /// The client and its server.
    pub connection: Connection,
    /// Metrics and checks for the endpoint.
    pub telemetry: Telemetry,
    /// Cancelled by the first signal.
    pub stop: CancellationToken,
    _endpoint: DropGuard,
    _exec_plugin: KillOnDrop,
}

impl Process {
    /// Starts the process, in this order: signal handlers, log, connection, port, endpoint.
    ///
    /// No request is sent, but an exec plugin of the kubeconfig runs. `explain` shows the lines of `--explain`. `on_kill`: see [`shutdown::setup_signal_handler`].
    ///
    /// # Errors
    /// [`Error::Usage`]: invalid connection or `RUST_LOG`. [`Error::Failed`]: a taken port, a failed exec plugin, a signal
    /// while it runs.
    pub async fn start(
        args: &Args,
        target: Target,
        explain: bool,
        on_kill: impl FnOnce() + Send + 'static,
    ) -> Result<Process, Error> {
        let exec_plugin = ChildGroup::default();
        let kill_on_drop = exec_plugin.kill_on_drop();
        let running = exec_plugin.clone();
        let on_kill = move || {
            running.kill();
            on_kill();
        };
        let stop =
            shutdown::setup_signal_handler(on_kill).map_err(|e| Error::Failed(format!("signal handler: {e}")))?;
        log::start(&args.log, explain)?;
        let connection = stop.run_until_cancelled(connect(target, &exec_plugin)).await;
        let connection = connection.ok_or_else(|| Error::Failed("stopped during the start".to_owned()))??;
        let listener = match args.listen.0 {
            Some(address) => Some(serve::bind(address).await?),
            None => None,
        };
        for warning in &connection.warnings {
            tracing::warn!("{warning}");
        }
        let telemetry = Telemetry::default();
        telemetry.metrics::<process_metrics::ProcessMetrics>();
        // Not `stop`: the endpoint has to answer probes while the process finishes its work.
        let end = CancellationToken::new();
        if let Some(listener) = listener {
            let listen = listener.local_addr().map_or(String::new(), |address| address.to_string());
            tracing::info!(listen, "serving /healthz, /readyz and /metrics");
            tokio::spawn(serve::serve(listener, telemetry.clone(), end.clone()));
        }
        Ok(Process { connection, telemetry, stop, _endpoint: end.drop_guard(), _exec_plugin: kill_on_drop })
    }

    /// Logs the last line, closes the endpoint and returns the result for [`main`].
    ///
    /// # Errors
    /// [`Error::Logged`] if `result` is an error.
    pub async fn finish<E: Display>(self, result: Result<(), E>) -> Result<(), Error> {
        match result {
            Ok(()) => {
                tracing::info!("stopped");
                Ok(())
            }
            Err(why) => {
                tracing::error!("{why}");
                Err(Error::Logged)
            }
        }
    }
}

/// Builds the runtime, runs `process` and returns the exit code. Prints an error that was not logged.
pub fn main(process: impl Future<Output = Result<(), Error>>) -> ExitCode {
    let result = Runtime::new().map_err(|e| Error::Failed(format!("cannot start threads: {e}"))).and_then(|runtime| {
        let result = runtime.block_on(process);
        // Do not wait for threads that read files: a file system may hang.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error != Error::Logged {
                // If stderr is closed, the exit code still reports the error.
                let _ = writeln!(io::stderr(), "error: {error}");
            }
            error.exit_code()
        }
    }
}

/// Prints text to stdout. A closed pipe (`| head`) is not a failure.
pub fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests;
