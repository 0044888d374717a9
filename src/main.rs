//! The binary: parse, connect, run, exit.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use daemon::{Error, Process, leader};
use demo_controller::{
    cli::{self, Cli, Command, RunArgs},
    controller, pki,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Crd) => daemon::print(pki::CRD),
        Some(Command::Run(args)) => daemon::main(run(*args)),
        None => daemon::main(run(cli.run)),
    }
}

async fn run(args: RunArgs) -> Result<(), Error> {
    let config = args.config()?;
    let process = Process::start(&args.daemon, args.target(), args.explain, || {}).await?;
    let (telemetry, stop) = (&process.telemetry, process.stop.clone());
    let client = process.connection.client.clone();
    tracing::info!(
        version = cli::version(),
        server = process.connection.server,
        namespace = config.namespace.as_deref().unwrap_or("(all)"),
        dry_run = config.pki.dry_run.then_some(true),
        "demo-controller starts"
    );
    if !args.leader_elect {
        let result = controller::run(client, config, telemetry, stop).await;
        return process.finish(result).await;
    }
    let candidate = leader::Candidate::from_env(&process.connection)?;
    let result = leader::lead(client, candidate, telemetry, &stop, |client| {
        controller::run(client, config, telemetry, stop.clone())
    })
    .await;
    process.finish(result).await
}
