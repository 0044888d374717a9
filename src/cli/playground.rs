//! The flags of `playground`.

use std::{net::SocketAddr, path::PathBuf};

use clap::ArgMatches;

use super::{
    Command,
    start::{CONFIG, EXPLAIN},
};
use crate::process::{
    Refusal, flags, log, serve,
    settings::{Env, Given, ROW, Read, Setting, Settings, Table},
};

/// The word for it.
pub const NAME: &str = "playground";

static ONCE: Setting = Setting {
    flag: "once",
    env: "DEMO_CONTROLLER_PLAYGROUND_ONCE",
    help: "End after the story: exit code 0, or 1 if it broke off; for scripts",
    ..ROW
};
static NO_APPS: Setting = Setting {
    flag: "no-apps",
    env: "DEMO_CONTROLLER_PLAYGROUND_NO_APPS",
    help: "Begin with an empty cluster, and without the story",
    ..ROW
};
static SPEED: Setting = Setting {
    flag: "speed",
    value: "X",
    env: "DEMO_CONTROLLER_PLAYGROUND_SPEED",
    default: "1",
    help: "How fast the story and its pods go, from 0.1 to 100 times as fast as usual",
    ..ROW
};
static KUBECONFIG_OUT: Setting = Setting {
    flag: "kubeconfig-out",
    value: "FILE",
    env: "DEMO_CONTROLLER_PLAYGROUND_KUBECONFIG",
    default: "in a temporary folder",
    help: "Where to put the kubeconfig: a file that does not exist yet. It is removed\n\
           at the end",
    ..ROW
};
static PORT: Setting = Setting {
    flag: "port",
    value: "N",
    env: "DEMO_CONTROLLER_PLAYGROUND_PORT",
    default: "any that is free",
    help: "The API server's port on 127.0.0.1; 0 is any that is free",
    ..ROW
};
// The same settings as those of `run`, with other defaults.
static LISTEN: Setting = Setting { default: "off", ..serve::LISTEN };
static LOG_FORMAT: Setting = Setting { default: "text", ..log::LOG_FORMAT };

static TABLE: Table = &[
    ("Playground", &[&ONCE, &NO_APPS, &SPEED, &KUBECONFIG_OUT, &PORT]),
    ("Process", &[&LISTEN, &log::LOG_LEVEL, &LOG_FORMAT, &EXPLAIN]),
];

const ABOUT: &str = "No cluster? A simulated one, in this process, and a story to begin with";

const AFTER: &str = "An API server in memory, a simulated Deployment controller, scheduler and kubelet, and the real \
controller. It\nneeds nothing and touches nothing: your kubeconfig is not read. The server listens on 127.0.0.1 only, \
in plain\nHTTP; while it runs, everyone on this machine can use it, as its administrator. The story goes to stdout, \
the\ncontroller's log to stderr. Ctrl-C ends it and leaves nothing behind.

Exit codes: 0 the story is over, or a signal while it stays; 1 it broke off or could not be
written, or a port is taken; 2 wrong input; 128 + its number: ended at once by a second signal.

Examples:
  demo-controller playground                       the story; then it stays, for kubectl in another terminal
  demo-controller playground --explain             the controller narrates each step that it takes
  demo-controller playground --once --speed 20     the story in a second or two, for scripts
  demo-controller playground --no-apps --kubeconfig-out play.yaml
                                                   an empty cluster, for kubectl --kubeconfig play.yaml";

/// What is played.
#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// Of the API server; 0 is any that is free.
    pub port: u16,
    /// End after the story.
    pub once: bool,
    /// Whether there are applications, and a story of them.
    pub apps: bool,
    /// Where the kubeconfig goes.
    pub kubeconfig_out: Option<PathBuf>,
    /// From 0.1 to 100; 1 is usual.
    pub speed: f64,
    /// Where health and metrics are served; None: nowhere.
    pub listen: Option<SocketAddr>,
    /// Narrate.
    pub explain: bool,
}

/// With nothing given.
impl Default for Play {
    fn default() -> Self {
        Play { port: 0, once: false, apps: true, kubeconfig_out: None, speed: 1.0, listen: None, explain: false }
    }
}

/// For clap.
pub fn command() -> clap::Command {
    clap::Command::new(NAME).about(ABOUT).after_help(AFTER).args(flags::arguments(TABLE))
}

/// Reads flags and environment.
pub fn parse(matches: &ArgMatches, env: Env, read: Read) -> Result<Command, Refusal> {
    let flags = flags::given(matches, TABLE);
    let settings = Settings::collect(TABLE, flags, env, &CONFIG, &[], read)?;
    // A person reads this log, be it in a file.
    let log = log::decide(&settings, env, true)?;
    let (once, no_apps) = (settings.switch(&ONCE)?, settings.switch(&NO_APPS)?);
    if once && no_apps {
        return Err(Refusal::input(
            "--once contradicts --no-apps: expected one of the two, as without applications there is no story",
        ));
    }
    let default = Play::default();
    let play = Play {
        port: settings.get(&PORT).map(|given| port(&given)).transpose()?.unwrap_or(default.port),
        once,
        apps: !no_apps,
        kubeconfig_out: settings.get(&KUBECONFIG_OUT).map(|given| given.text.into()),
        speed: settings.get(&SPEED).map(|given| speed(&given)).transpose()?.unwrap_or(default.speed),
        listen: serve::decide(&settings, default.listen)?,
        explain: settings.switch(&EXPLAIN)?,
    };
    Ok(Command::Playground { play, log: Box::new(log) })
}

fn port(given: &Given) -> Result<u16, Refusal> {
    given.text.trim().parse().map_err(|_| given.wrong("expected a port, 1 to 65535, or 0 for any that is free"))
}

fn speed(given: &Given) -> Result<f64, Refusal> {
    let speed = given.text.trim().parse().ok().filter(|speed| (0.1..=100.0).contains(speed));
    speed.ok_or_else(|| given.wrong("expected a number from 0.1 to 100; 2 is twice as fast as usual"))
}

#[cfg(test)]
#[path = "playground_tests.rs"]
mod tests;
