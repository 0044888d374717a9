//! What `run` and `watch` share: the flags of every command that connects to an API server and stays.

use std::fmt;

use clap::ArgMatches;

use super::{run, watch};
use crate::{
    explain,
    pki::validate::is_label,
    process::{
        Refusal, flags, log,
        settings::{Env, Given, ROW, Read, Setting, Settings, Table},
        target::{self, Target},
    },
};

/// The file with settings.
pub static CONFIG: Setting = Setting {
    flag: "config",
    short: Some('c'),
    value: "FILE",
    env: "CONFIG_FILE",
    help: "An ini file: section [global], keys as the variables, in lower case",
    ..ROW
};
/// Where to look.
pub static NAMESPACE: Setting = Setting {
    flag: "namespace",
    short: Some('n'),
    value: "NS",
    env: "K8S_NAMESPACE",
    default: "all",
    help: "Look at one namespace only",
    ..ROW
};
/// Whether to look at one namespace only, for those who have the original's file.
pub static NAMESPACED: Setting = Setting {
    flag: "namespaced",
    env: "K8S_NAMESPACED",
    default: "true where a --namespace is given",
    help: "true, and no --namespace: the pod's or the context's own namespace;\n\
           false: all namespaces, even with a --namespace",
    ..ROW
};
/// How patient a watch is.
pub static WATCH_IDLE: Setting = Setting {
    flag: "watch-idle",
    value: "DURATION",
    env: "DEMO_CONTROLLER_WATCH_IDLE",
    default: "150s",
    help: "A watch that is silent for so long, without a bookmark, is opened again",
    ..ROW
};
/// How long the end may take.
pub static SHUTDOWN_GRACE: Setting = Setting {
    flag: "shutdown-grace",
    value: "DURATION",
    env: "DEMO_CONTROLLER_SHUTDOWN_GRACE",
    default: "20s",
    help: "After SIGTERM or SIGINT, finish what is in progress for so long;\n\
           a second signal ends the process at once",
    ..ROW
};
/// Whether to narrate.
pub static EXPLAIN: Setting = Setting {
    flag: "explain",
    env: "DEMO_CONTROLLER_EXPLAIN",
    help: "Narrate each step, and name the chapter that explains it",
    ..ROW
};

/// Where to connect, and as whom.
pub static CONNECTION: &[&Setting] =
    &[&target::KUBECONFIG, &target::CONTEXT, &target::API_ENDPOINT, &target::TOKEN, &target::TOKEN_FILE, &target::CA];

/// What a command needs to begin, checked.
#[derive(Debug)]
pub struct Start<T> {
    /// Where to connect.
    pub target: Target,
    /// For the log, once there is one.
    pub warnings: Vec<String>,
    /// How to log.
    pub log: log::Logging,
    /// `--namespaced` alone: the namespace is the pod's or the context's own, known once connected.
    pub own_namespace: bool,
    /// What the command does.
    pub what: T,
}

impl<T> Start<T> {
    /// Where to connect and how to log, beside what the command does.
    pub fn new(
        settings: &Settings,
        env: Env,
        on_terminal: bool,
        place: Place,
        explain: bool,
        what: T,
    ) -> Result<Self, Refusal> {
        let log = log::decide(settings, env, on_terminal)?.with(explain::TARGET, explain);
        let (target, mut warnings) = target::decide(settings)?;
        warnings.extend(place.ignored);
        Ok(Start { target, warnings, log, own_namespace: place.own, what })
    }
}

/// What was given for `table`, and a file in which keys of the other command may stand too: one file serves both.
pub fn collect(table: Table, matches: &ArgMatches, env: Env, read: Read) -> Result<Settings, Refusal> {
    // A key of both is known by the first; so neither list has to name what is foreign to it.
    let foreign: Vec<&'static Setting> =
        [run::TABLE, watch::TABLE].iter().flat_map(|table| flags::rows(table)).collect();
    Settings::collect(table, flags::given(matches, table), env, &CONFIG, &foreign, read)
}

/// In which namespaces.
#[derive(Debug, Default)]
pub struct Place {
    /// The one that is named; None: all, unless `own`.
    pub namespace: Option<String>,
    /// The pod's or the context's own.
    pub own: bool,
    /// Warnings about what does not count.
    pub ignored: Vec<String>,
    /// What that is.
    pub overruled: Vec<&'static Setting>,
}

impl Place {
    /// Notes that a setting does not count, and why.
    pub fn ignore(&mut self, loser: &Given, why: impl fmt::Display) {
        self.ignored.push(format!("{loser} is ignored: {why}"));
        self.overruled.push(loser.setting);
    }
}

/// Reads the two settings about namespaces. The original asks for both, a namespace and that it counts
/// (`k8s_namespaced`), and ignores a namespace without the other; here the name is enough, and an outspoken `false`
/// takes it back, unless the name comes from a stronger source.
pub fn place(settings: &Settings) -> Result<Place, Refusal> {
    let given = settings.get(&NAMESPACE);
    let namespace = given.as_ref().map(namespace).transpose()?;
    let Some(namespaced) = settings.get(&NAMESPACED) else { return Ok(Place { namespace, ..Place::default() }) };
    Ok(match (namespaced.switch()?, given) {
        (true, None) => Place { own: true, ..Place::default() },
        (false, Some(name)) if namespaced.source <= name.source => {
            let mut place = Place::default();
            place.ignore(&name, format_args!("{namespaced} asks for all namespaces"));
            place
        }
        _ => Place { namespace, ..Place::default() },
    })
}

fn namespace(given: &Given) -> Result<String, Refusal> {
    let name = given.text.trim();
    if is_label(name) {
        return Ok(name.to_owned());
    }
    Err(given.wrong("expected a namespace's name: at most 63 of a-z, 0-9 and -, with no - at either end"))
}
