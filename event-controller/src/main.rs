//! The binary: parse, connect, run, exit.
#![forbid(unsafe_code)]

use std::{process::ExitCode, sync::Arc};

use daemon::{Error, Process, child::ChildGroup};
use event_controller::{
    cli::{self, Settings},
    controller, init,
    plugin::{Exec, Simple},
};

fn main() -> ExitCode {
    match init::run_as_process_1() {
        Ok(Some(code)) => return code,
        Ok(None) => {}
        Err(error) => {
            eprintln!("error: process 1: {error}");
            return ExitCode::FAILURE;
        }
    }
    match cli::parse(std::env::args_os()) {
        Ok(settings) => daemon::main(run(settings)),
        Err(error) => error.exit(),
    }
}

async fn run(settings: Settings) -> Result<(), Error> {
    let child = ChildGroup::default();
    let kill = child.clone();
    let Settings { daemon, target, explain, mut controller, mut environment, .. } = settings;
    let process = Process::start(&daemon, target, explain, move || kill.kill()).await?;
    for warning in settings.warnings {
        tracing::warn!("{warning}");
    }
    let (connection, telemetry, stop) = (&process.connection, &process.telemetry, process.stop.clone());
    if settings.own_namespace {
        controller.namespace = Some(connection.default_namespace.clone());
    }
    tracing::info!(
        version = cli::version(),
        server = connection.server,
        resource = %controller.resource,
        namespace = controller.namespace.as_deref().unwrap_or("(all)"),
        "event-controller starts"
    );
    let client = connection.client.clone();
    let Some(exec) = settings.exec else {
        let result = controller::run(client, controller, Arc::new(Simple), telemetry, stop).await;
        return process.finish(result).await;
    };
    // The child has to use the same server and CA as the controller.
    let namespaced = if controller.namespace.is_some() { "True" } else { "False" };
    environment.extend([
        ("K8S_API_ENDPOINT", Some(connection.endpoint.clone())),
        ("K8S_CA", connection.ca.as_ref().map(|path| path.display().to_string())),
        ("K8S_NAMESPACE", controller.namespace.clone()),
        ("K8S_NAMESPACED", Some(namespaced.to_owned())),
    ]);
    let plugin = Arc::new(Exec::new(exec, environment, child, stop.clone()));
    let result = controller::run(client, controller, plugin.clone(), telemetry, stop).await;
    plugin.shut_down().await;
    process.finish(result).await
}
