//! An API server, a simulated cluster, the real controller and a story, in one process.
//!
//! ```text
//!   the learner's kubectl, the story --------.
//!   the simulated cluster -------------------+--> the embedded API server, on loopback
//!   the controller, with its own token ------'
//!   and only the rights of demo-controller.yaml
//! ```
//!
//! Promises:
//! * The server listens on loopback only.
//! * The story prints no result that it has not read from the API server.
//! * After the end of the process no file and no port remain, except after SIGKILL.
#![forbid(unsafe_code)]

use std::{fmt::Display, future, io, net::Ipv4Addr, path::PathBuf, pin::pin, process::ExitCode, time::Duration};

use apiserver::ApiServer;
use clap::Parser;
use daemon::{
    Error, Telemetry,
    connect::local_client,
    log::{self, LogArgs},
    shutdown,
};
use demo_controller::{controller, informer::Key, pki};
use kube::Client;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

mod files;
mod install;
mod kubectl;
mod screen;
mod simulation;
mod step;
mod story;
mod table;

use files::Files;
use screen::Screen;
use step::Step;
use story::{Story, retry_until};

/// The resync interval. The controller's default is ten minutes.
const RESYNC: Duration = Duration::from_secs(15);

/// A simulated cluster and the real controller in one process, with a story in four steps and five exercises.
///
/// It reads no kubeconfig and connects to no other cluster. Ctrl-C ends it, and no file remains.
#[derive(Debug, Parser)]
#[command(name = "playground", version)]
struct Args {
    /// End after the story: exit code 0, or 1 if a step failed
    #[arg(long, env = "PLAYGROUND_ONCE", conflicts_with = "no_apps")]
    once: bool,
    /// Start with an empty cluster, without the story
    #[arg(long, env = "PLAYGROUND_NO_APPS")]
    no_apps: bool,
    /// Run this program instead of the controller, with KUBECONFIG set, in a cluster whose pods change
    #[arg(long, value_name = "PROGRAM", env = "PLAYGROUND_STEP", conflicts_with = "no_apps")]
    step: Option<PathBuf>,
    /// Log each step of the controller, with the chapter of the book that explains it
    #[arg(long, env = "PLAYGROUND_EXPLAIN")]
    explain: bool,
    /// Write the kubeconfig to this new file; it is removed at the end [default: in a temporary folder]
    #[arg(long, value_name = "FILE", env = "PLAYGROUND_KUBECONFIG_OUT")]
    kubeconfig_out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    daemon::main(run(args))
}

async fn run(args: Args) -> Result<(), Error> {
    // 1. The steps that can fail, before the first line of output.
    let failed = |e: io::Error| Error::Failed(e.to_string());
    let stop = shutdown::setup_signal_handler(|| ()).map_err(failed)?;
    // Closing the terminal sends SIGHUP.
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let server = format!("http://{}", listener.local_addr().map_err(failed)?);
    let manifest = install::read_manifest()?;
    let files = Files::create(&server, install::find_allowed_names(&manifest), args.kubeconfig_out.as_deref())?;
    let (screen, writer) = Screen::start();
    log::start_on(&LogArgs::default(), args.explain, screen.clone())?;

    // 2. The API server and the simulated cluster; then the controller and the story.
    let api_server = ApiServer::new(apiserver::Settings { seed: rand::random(), ..apiserver::Settings::default() });
    let mut tasks = JoinSet::new();
    tasks.spawn(simulation::run(api_server.clone()));
    tasks.spawn(api_server.serve(listener, future::pending()));
    let playground = Playground { args: &args, server, manifest, files, screen: &screen };
    let result = tokio::select! {
        result = playground.run(&stop) => result,
        // A step program gets the signal, too, and may still need the API server.
        () = stop.cancelled(), if args.step.is_none() => playground.interrupted(),
        _ = hangup.recv() => playground.interrupted(),
        () = screen.closed() => Ok(()),
        _ = tasks.join_next() => Err(Error::Failed("the simulated cluster ended".to_owned())),
    };

    // 3. Remove the files and close the port first, because a slow stdout may delay the rest of the output.
    drop(playground);
    drop(tasks);
    screen.finish(writer).await.and(result)
}

struct Playground<'a> {
    args: &'a Args,
    /// The URL of the API server.
    server: String,
    /// The objects of demo-controller.yaml, except the Deployment.
    manifest: Vec<Value>,
    files: Files,
    screen: &'a Screen,
}

impl Playground<'_> {
    async fn run(&self, stop: &CancellationToken) -> Result<(), Error> {
        if let Some(program) = &self.args.step {
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            self.print(&include_str!("text/step.txt").replace("{program}", &name)).await;
            let (client, kubeconfig) = (&local_client(&self.server, None).await?, self.files.kubeconfig());
            return Step { program, kubeconfig, client, screen: self.screen }.run(self.args.once, stop).await;
        }
        self.print(include_str!("text/introduction.txt")).await;
        let client = local_client(&self.server, None).await?;
        let token = install::install(&client, &self.manifest).await?;
        let telemetry = Telemetry::default();
        let (own_client, stop) = (local_client(&self.server, Some(&token)).await?, CancellationToken::new());
        let controller = pin!(controller::run(own_client, self.config(), &telemetry, stop.clone()));
        // Dropped first: a controller that is dropped without a stop logs an unexpected end.
        let _stop = stop.drop_guard();
        tokio::select! {
            result = self.run_story(&client, &telemetry) => result,
            _ = controller => Err(Error::Failed("the controller ended".to_owned())),
        }
    }

    async fn run_story(&self, client: &Client, telemetry: &Telemetry) -> Result<(), Error> {
        retry_until("the controller is ready", async || Ok(telemetry.readiness())).await?;
        if !self.args.no_apps {
            Story { client, screen: self.screen }.run().await?;
        }
        if self.args.once {
            return Ok(());
        }
        let empty = self.args.no_apps;
        self.print(if empty { include_str!("text/empty.txt") } else { include_str!("text/exercises.txt") }).await;
        future::pending().await
    }

    async fn print(&self, text: &str) {
        let resync = RESYNC.as_secs().to_string();
        let text = text.replace("{server}", &self.server).replace("{export}", &self.files.export_command());
        self.screen.print(&text.replace("{resync}", &resync)).await;
    }

    /// Returns the defaults of demo-controller's flags, with a shorter resync.
    fn config(&self) -> controller::Config {
        controller::Config {
            namespace: None,
            workers: 4,
            max_retries: 12,
            resync: Some(RESYNC),
            watch_idle: Duration::from_secs(150),
            shutdown_grace: Duration::ZERO,
            pki: pki::Config {
                allowed_names: Some(self.files.allowed_names().to_owned()),
                ca_secret: Key::new("controlplane", "demo-controller-ca"),
                cluster_domain: "cluster.local".to_owned(),
                remind: Duration::from_secs(30 * 60),
                dry_run: false,
            },
        }
    }

    /// Returns the result after a signal: a failure only with `--once`, because the story is not complete.
    fn interrupted(&self) -> Result<(), Error> {
        if self.args.once { Err(Error::Failed("a signal interrupted the story".to_owned())) } else { Ok(()) }
    }
}

/// Returns a function for `map_err` that adds the failed step to an error.
fn story_failed<E: Display>(doing: &str) -> impl FnOnce(E) -> Error {
    move |why| Error::Failed(format!("the story failed: {doing}: {why}"))
}
