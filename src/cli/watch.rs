//! The flags of `watch`: any resource, any plugin.

use std::{net::SocketAddr, time::Duration};

use clap::ArgMatches;

use super::{
    Command,
    run::{MAX_RETRIES, WORKERS},
    start::{CONFIG, CONNECTION, EXPLAIN, NAMESPACE, NAMESPACED, SHUTDOWN_GRACE, Start, WATCH_IDLE, collect, place},
};
use crate::{
    process::{
        Refusal, flags, log, serve,
        settings::{Env, Given, ROW, Read, Setting, Settings, Table},
    },
    watch::{self, Simple, Wanted, exec},
};

static RESOURCE: Setting = Setting {
    flag: "resource",
    value: "RES",
    env: "K8S_RESOURCE",
    help: "What to watch, as kubectl names it: pods, deploy, deployments.apps,\n\
           routes.v1.route.openshift.io",
    ..ROW
};
static API_GROUP: Setting = Setting {
    flag: "api-group",
    value: "GROUP",
    env: "K8S_API_GROUP",
    default: "whichever has the resource",
    help: "The resource's API group; the original's form too: api, apis/GROUP, oapi",
    ..ROW
};
static API_VERSION: Setting = Setting {
    flag: "api-version",
    value: "VERSION",
    env: "K8S_API_VERSION",
    default: "the one that the server prefers",
    help: "The version of that group, such as v1",
    ..ROW
};
static API_PATH: Setting = Setting {
    flag: "api-path",
    value: "PATH",
    env: "K8S_API_PATH",
    help: "The path of the collection instead: apis/apps/v1/namespaces/a/deployments",
    ..ROW
};
static SELECTOR: Setting = Setting {
    flag: "selector",
    short: Some('l'),
    value: "SELECTOR",
    env: "DEMO_CONTROLLER_SELECTOR",
    help: "Only objects with these labels, chosen by the server: app=web,tier!=test",
    ..ROW
};
static FIELD_SELECTOR: Setting = Setting {
    flag: "field-selector",
    value: "SELECTOR",
    env: "DEMO_CONTROLLER_FIELD_SELECTOR",
    help: "Only objects with these fields: metadata.name=web,status.phase!=Running",
    ..ROW
};
static PLUGIN: Setting = Setting {
    flag: "plugin",
    value: "NAME",
    env: "WATCHER_PLUGIN",
    default: "simple",
    help: "What gets the events: simple (a line in the log each) or exec (a program\n\
           of yours); its settings are the file's section [plugin_NAME]",
    ..ROW
};
// The same settings as those of `run`, in other words.
static WATCH_WORKERS: Setting = Setting { help: "Objects that are worked on at once", ..WORKERS };
static WATCH_MAX_RETRIES: Setting = Setting {
    default: "5",
    help: "Failures in a row after which an event is given up, with an ERROR line;\n\
           the object's next change is an event again",
    ..MAX_RETRIES
};

/// All of them.
pub static TABLE: Table = &[
    ("Connection", CONNECTION),
    (
        "What to watch",
        &[&RESOURCE, &API_GROUP, &API_VERSION, &API_PATH, &NAMESPACE, &NAMESPACED, &SELECTOR, &FIELD_SELECTOR],
    ),
    ("What to do", &[&PLUGIN, &WATCH_WORKERS, &WATCH_MAX_RETRIES, &WATCH_IDLE]),
    ("Process", &[&CONFIG, &serve::LISTEN, &SHUTDOWN_GRACE, &log::LOG_LEVEL, &log::LOG_FORMAT, &EXPLAIN]),
];

/// What `watch` does.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// The resource, as it was asked for.
    pub wanted: Wanted,
    /// One namespace, or None for all.
    pub namespace: Option<String>,
    /// Labels that an object must have, as the API server reads them.
    pub labels: Option<String>,
    /// Fields that an object must have, as the API server reads them.
    pub fields: Option<String>,
    /// What gets the events.
    pub plugin: PluginChoice,
    /// Its section of the file.
    pub config: watch::Config,
    /// Workers, at least 1.
    pub workers: usize,
    /// Counted failures after which an event is given up.
    pub max_retries: u32,
    /// How long a watch may be silent.
    pub watch_idle: Duration,
    /// Where health and metrics are served; None: nowhere.
    pub listen: Option<SocketAddr>,
    /// How long work in progress may take to finish at the end.
    pub shutdown_grace: Duration,
    /// Narrate.
    pub explain: bool,
}

/// Who gets the events.
#[derive(Clone, Debug, PartialEq)]
pub enum PluginChoice {
    /// A line in the log for each.
    Simple,
    /// A child process.
    Exec(exec::Settings),
}

impl PluginChoice {
    /// As it is chosen.
    pub fn name(&self) -> &'static str {
        match self {
            PluginChoice::Simple => "simple",
            PluginChoice::Exec(_) => "exec",
        }
    }
}

/// For clap.
pub fn command() -> clap::Command {
    clap::Command::new("watch")
        .about("Hand what happens to the objects of any resource to a plugin")
        .args(flags::arguments(TABLE))
}

/// Reads flags, environment and file.
pub fn parse(matches: &ArgMatches, env: Env, read: Read, on_terminal: bool) -> Result<Command, Refusal> {
    let settings = collect(TABLE, matches, env, read)?;
    let place = place(&settings)?;
    let (plugin, config) = plugin(&settings)?;
    let watch = Watch {
        wanted: wanted(&settings)?,
        namespace: place.namespace.clone(),
        labels: settings.get(&SELECTOR).map(|given| given.text.trim().to_owned()),
        fields: settings.get(&FIELD_SELECTOR).map(|given| given.text.trim().to_owned()),
        plugin,
        config,
        workers: settings.number(&WATCH_WORKERS, 1..=1024, 4)? as usize,
        max_retries: settings.number(&WATCH_MAX_RETRIES, 0..=1000, 5)?,
        watch_idle: settings.duration(&WATCH_IDLE, Duration::from_secs(150))?,
        listen: serve::decide(&settings, Some(serve::DEFAULT))?,
        shutdown_grace: settings.duration(&SHUTDOWN_GRACE, Duration::from_secs(20))?,
        explain: settings.switch(&EXPLAIN)?,
    };
    let explain = watch.explain;
    Ok(Command::Watch(Box::new(Start::new(&settings, env, on_terminal, place, explain, watch)?)))
}

/// Which resource. Everything that was given for it stands in the error, as the values may be right each by itself.
fn wanted(settings: &Settings) -> Result<Wanted, Refusal> {
    let given = [&RESOURCE, &API_GROUP, &API_VERSION, &API_PATH].map(|setting| settings.get(setting));
    if given[0].is_none() && given[3].is_none() {
        return Err(Refusal::input(
            "which resource? give --resource, K8S_RESOURCE or k8s_resource in the --config file, such as pods or \
             deployments.apps",
        ));
    }
    let [resource, group, version, path] = given.each_ref().map(|given| given.as_ref().map(|given| given.text.trim()));
    Wanted::parse(resource, group, version, path).map_err(|why| {
        let all: Vec<String> = given.iter().flatten().map(Given::to_string).collect();
        Refusal::input(format!("{}: {why}", all.join(", ")))
    })
}

/// The plugin, and its section of the file.
fn plugin(settings: &Settings) -> Result<(PluginChoice, watch::Config), Refusal> {
    let given = settings.get(&PLUGIN);
    let name = given.as_ref().map_or("simple", |given| given.text.trim());
    let config = settings.section(&format!("plugin_{name}"))?;
    let choice = match (name, &given) {
        ("exec", _) => PluginChoice::Exec(exec::Settings::read(&config).map_err(Refusal::input)?),
        ("simple", _) | (_, None) => {
            Simple::check(&config).map_err(Refusal::input)?;
            PluginChoice::Simple
        }
        (_, Some(given)) => return Err(given.wrong("unknown plugin: expected simple or exec")),
    };
    Ok((choice, config))
}
