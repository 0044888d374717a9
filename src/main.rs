//! Picks the command; nothing else.
#![forbid(unsafe_code)]

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use demo_controller::{
    cli::{self, Command, Start},
    controller, explain, pki,
    process::{Refusal, connect::connect, log, serve, shutdown},
};

fn main() -> ExitCode {
    let env = |name: &str| std::env::var_os(name);
    let read = |path: &std::path::Path| std::fs::read_to_string(path);
    let command = cli::parse(std::env::args_os().collect(), &env, &read, io::stderr().is_terminal());
    let done = command.and_then(|command| match command {
        Command::Run(start) => block_on(controller(*start)),
        #[cfg(feature = "playground")]
        Command::Playground { play, log } => block_on(playground(play, *log)),
        Command::Crd => Ok(print(|| io::stdout().lock().write_all(pki::CRD.as_bytes()))),
        Command::Print(text) => Ok(print(|| text.print())),
    });
    done.unwrap_or_else(|refusal| {
        // To a stderr that is closed nothing can be said; the code still tells.
        let _ = writeln!(io::stderr(), "error: {refusal}");
        ExitCode::from(refusal.code)
    })
}

/// A reader that hangs up early (`| head`) is no failure.
fn print(write: impl FnOnce() -> io::Result<()>) -> ExitCode {
    match write() {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn block_on(command: impl Future<Output = Result<ExitCode, Refusal>>) -> Result<ExitCode, Refusal> {
    let runtime = tokio::runtime::Runtime::new().map_err(|e| Refusal::failure(format!("no threads: {e}")))?;
    let done = runtime.block_on(command);
    // Whoever still reads a file (from a file system that hangs, say) is not waited for.
    runtime.shutdown_background();
    done
}

async fn controller(start: Start) -> Result<ExitCode, Refusal> {
    let Start { target, warnings, log, own_namespace, mut run } = start;
    // 1. Handlers first: from now on a signal is a shutdown, not an end.
    let stop = shutdown::on_signal().map_err(|e| Refusal::failure(format!("no signal handlers: {e}")))?;
    // 2. Everything that can be wrong, before the first log line.
    let connection = connect(target, warnings, &|name| std::env::var_os(name)).await?;
    let listener = match run.listen {
        Some(address) => Some(serve::bind(address).await?),
        None => None,
    };
    if own_namespace {
        run.namespace = Some(connection.default_namespace.clone());
    }
    // 3. The log begins.
    log::start(log.with(explain::TARGET, run.explain));
    let listen = listener.as_ref().and_then(|l| l.local_addr().ok()).map(|address| address.to_string());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        server = connection.server,
        namespace = run.namespace.as_deref().unwrap_or("(all)"),
        listen = listen.as_deref().unwrap_or("off"),
        dry_run = run.dry_run.then_some(true),
        "demo-controller starts"
    );
    for warning in &connection.warnings {
        tracing::warn!("{warning}");
    }
    // 4. The controller, until a signal.
    match controller::run(connection.client, run, listener, stop).await {
        Ok(()) => {
            tracing::info!("bye");
            Ok(ExitCode::SUCCESS)
        }
        Err(unfinished) => {
            tracing::error!("{unfinished}");
            Ok(ExitCode::FAILURE)
        }
    }
}

#[cfg(feature = "playground")]
async fn playground(play: cli::Play, log: log::Logging) -> Result<ExitCode, Refusal> {
    let stop = shutdown::on_signal().map_err(|e| Refusal::failure(format!("no signal handlers: {e}")))?;
    demo_controller::playground::run(play, log, stop).await
}
