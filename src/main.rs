//! Picks the command and sees it through, from the signal handlers to the exit code; nothing else.
#![forbid(unsafe_code)]

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    path::Path,
    process::ExitCode,
};

use demo_controller::{
    cli::{self, Command, Run, Start, Watch},
    controller, pki,
    process::{
        Refusal,
        connect::{Connection, connect},
        file, log, serve,
        service_account::DIRECTORY,
        shutdown,
    },
    watch::exec,
    watcher,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let env = |name: &str| std::env::var_os(name);
    let command = cli::parse(std::env::args_os().collect(), &env, &file::read, io::stderr().is_terminal());
    let done = command.and_then(|command| match command {
        Command::Run(start) => block_on(controller(*start)),
        Command::Watch(start) => block_on(watch(*start)),
        #[cfg(feature = "playground")]
        Command::Playground { play, log } => block_on(playground(play, *log)),
        Command::Crd => Ok(print(|| io::stdout().lock().write_all(pki::CRD.as_bytes()))),
        Command::ShowConfig(text) => Ok(print(|| io::stdout().lock().write_all(text.as_bytes()))),
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

/// What `run` and `watch` begin with.
struct Begun {
    stop: CancellationToken,
    connection: Connection,
    listener: Option<TcpListener>,
}

/// Steps 1 to 3.
async fn begin<T>(start: Start<T>, listen: Option<SocketAddr>) -> Result<(Begun, T), Refusal> {
    // 1. Handlers first: from now on a signal is a shutdown, not an end.
    let stop = shutdown::on_signal(exec::kill_all).map_err(|e| Refusal::failure(format!("no signal handlers: {e}")))?;
    // 2. Everything that can be wrong, before the first log line.
    let connection =
        connect(start.target, start.warnings, &|name| std::env::var_os(name), Path::new(DIRECTORY)).await?;
    let listener = match listen {
        Some(address) => Some(serve::bind(address).await?),
        None => None,
    };
    // 3. The log begins.
    log::start(start.log);
    Ok((Begun { stop, connection, listener }, start.what))
}

/// The address that the port has, if there is one.
fn listens(listener: Option<&TcpListener>) -> String {
    let address = listener.and_then(|l| l.local_addr().ok());
    address.map_or("off".to_owned(), |address| address.to_string())
}

async fn controller(start: Start<Run>) -> Result<ExitCode, Refusal> {
    let (own_namespace, listen) = (start.own_namespace, start.what.listen);
    let (Begun { stop, connection, listener }, mut run) = begin(start, listen).await?;
    run.connected(&connection, own_namespace);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        server = connection.server,
        namespace = run.namespace.as_deref().unwrap_or("(all)"),
        listen = listens(listener.as_ref()),
        dry_run = run.dry_run.then_some(true),
        "demo-controller starts"
    );
    warn(&connection.warnings);
    // 4. The controller, until a signal.
    Ok(ended(controller::run(connection.client, run, listener, stop).await))
}

async fn watch(start: Start<Watch>) -> Result<ExitCode, Refusal> {
    let (own_namespace, listen) = (start.own_namespace, start.what.listen);
    let (Begun { stop, connection, listener }, mut watch) = begin(start, listen).await?;
    watch.connected(&connection, own_namespace);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        server = connection.server,
        resource = %watch.wanted,
        namespace = watch.namespace.as_deref().unwrap_or("(all)"),
        plugin = watch.plugin.name(),
        listen = listens(listener.as_ref()),
        "demo-controller starts to watch"
    );
    warn(&connection.warnings);
    // 4. The watcher, until a signal.
    Ok(ended(watcher::run(connection.client, watch, listener, stop).await))
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// 5. The last line, and the exit code.
fn ended<E: Display>(done: Result<(), E>) -> ExitCode {
    match done {
        Ok(()) => {
            tracing::info!("bye");
            ExitCode::SUCCESS
        }
        Err(why) => {
            tracing::error!("{why}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(feature = "playground")]
async fn playground(play: cli::Play, log: log::Logging) -> Result<ExitCode, Refusal> {
    let traces = demo_controller::playground::files::Traces::default();
    let left = traces.clone();
    let stop =
        shutdown::on_signal(move || left.remove()).map_err(|e| Refusal::failure(format!("no signal handlers: {e}")))?;
    demo_controller::playground::run(play, log, stop, traces).await
}
