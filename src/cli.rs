//! Every flag. Beside `controller.rs`, this file knows all rooms.
//!
//! A table for each command is its whole interface: that of `run` is in `cli/run.rs`, that of `watch` in
//! `cli/watch.rs`, what the two share in `cli/start.rs`, that of `playground` in `cli/playground.rs`; the rows that
//! connect, log and serve stand with the code that obeys them. [`parse`] turns arguments, environment and file into a
//! [`Command`] or a [`Refusal`]. It is a function of those three, so that every wrong input can be tried in a unit
//! test; but for one look at the world: whether there is a program such as `[plugin_exec]` names, on this process's PATH
//! or where it says.

use std::ffi::OsString;

use clap::error::ErrorKind;

use crate::process::{
    Refusal, flags,
    settings::{Env, Read},
};

mod handed_down;
mod run;
mod show;
mod start;
mod watch;
pub use run::Run;
pub use start::Start;
pub use watch::{PluginChoice, Watch};

#[cfg(feature = "playground")]
mod playground;
#[cfg(feature = "playground")]
pub use playground::Play;

const ABOUT: &str = "Issues TLS certificates that applications ask for with Pki objects, tells their pods why one is \
refused,\nand logs the life of every pod.";

const AFTER: &str = "Where a setting comes from, first match wins: flag, variable, --config file. The API server: \
whatever of\nthese names one, else KUBECONFIG, else ~/.kube/config, else the pod's service account. Durations are \
written\n3s, 10m, 1h30m. Exit codes: 0 done, 1 failed or the grace ran out, 2 wrong input, 128+N second signal N.

Examples:
  demo-controller                                         with the current context, as kubectl
  demo-controller -n app1 --dry-run --log-level debug     one namespace, and write nothing
  demo-controller --allowed-names names.txt --listen :8080
  demo-controller crd | kubectl apply -f -                teach the API server what a Pki is
  demo-controller watch --resource deployments            what happens to any resource, handed to a plugin";

/// The last example; in a build without it there is none.
const PLAYGROUND_EXAMPLE: &str = if cfg!(feature = "playground") {
    "\n  demo-controller playground                              no cluster? a simulated one, and a story to begin with"
} else {
    ""
};

/// For the error about a word that is none of them.
#[cfg(feature = "playground")]
const COMMANDS: &str = "run (the default), watch, playground or crd";
#[cfg(not(feature = "playground"))]
const COMMANDS: &str = "run (the default), watch or crd (the playground is left out of this build: it is in one with the \
                        cargo feature `playground`, which is on by default)";

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// Be the controller.
    Run(Box<Start<Run>>),
    /// Hand what happens to the objects of a resource to a plugin.
    Watch(Box<Start<Watch>>),
    /// Be a whole cluster, to play with.
    #[cfg(feature = "playground")]
    Playground {
        /// What is played.
        play: Play,
        /// How to log.
        log: Box<crate::process::log::Logging>,
    },
    /// Print the CustomResourceDefinition.
    Crd,
    /// Print this (`--show-config`), to stdout.
    ShowConfig(String),
    /// Print this (`--help`, `--version`), to stdout.
    Print(Box<clap::Error>),
}

/// Reads the command line (the program's name first), the environment and the file.
///
/// # Errors
/// Exit code 2 for everything that is wrong with any of them, and for files that are missing.
pub fn parse(args: Vec<OsString>, env: Env, read: Read, on_terminal: bool) -> Result<Command, Refusal> {
    let matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Command::Print(Box::new(e)));
        }
        Err(e) => return Err(Refusal::input(flags::wrong_usage(&e, COMMANDS))),
    };
    match matches.subcommand() {
        Some(("crd", _)) => Ok(Command::Crd),
        #[cfg(feature = "playground")]
        Some((playground::NAME, given)) => playground::parse(given, env, read),
        Some(("watch", given)) => watch::parse(given, env, read, on_terminal),
        Some((_, given)) => run::parse(given, env, read, on_terminal),
        None => run::parse(&matches, env, read, on_terminal),
    }
}

/// `run` is the default, so its flags stand at the top level too.
fn command() -> clap::Command {
    let after = [AFTER, PLAYGROUND_EXAMPLE].concat();
    let controller = clap::Command::new("run").about("Run the controller (the default)").after_help(after.clone());
    let crd = clap::Command::new("crd").about("Print the CustomResourceDefinition of Pki, for kubectl apply -f -");
    let command = clap::Command::new("demo-controller")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(after)
        .args_conflicts_with_subcommands(true)
        .args(flags::arguments(run::TABLE))
        .subcommand(controller.args(flags::arguments(run::TABLE)))
        .subcommand(watch::command());
    #[cfg(feature = "playground")]
    let command = command.subcommand(playground::command());
    command.subcommand(crd)
}

#[cfg(test)]
#[path = "cli/sample_tests.rs"]
mod sample;
#[cfg(test)]
mod world;

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
