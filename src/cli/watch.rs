//! The flags of `watch`: any resource, any plugin.

use std::{net::SocketAddr, time::Duration};

use clap::ArgMatches;

use super::{
    Command, handed_down,
    run::{MAX_RETRIES, WORKERS},
    show::show,
    start::{
        CONFIG, CONNECTION, EXPLAIN, NAMESPACE, NAMESPACED, Place, SHUTDOWN_GRACE, Start, WATCH_IDLE, collect, place,
    },
};
use crate::{
    process::{
        Refusal,
        connect::Connection,
        flags, log, serve,
        settings::{Env, Given, ROW, Read, Setting, Settings, Source, Table},
    },
    watch::{self, Simple, Wanted, exec, selector},
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

impl Watch {
    /// This resource, with nothing else given.
    pub fn of(wanted: Wanted) -> Watch {
        Watch {
            wanted,
            namespace: None,
            labels: None,
            fields: None,
            plugin: PluginChoice::Simple,
            config: watch::Config::new(),
            workers: 4,
            max_retries: 5,
            watch_idle: Duration::from_secs(150),
            listen: Some(serve::DEFAULT),
            shutdown_grace: Duration::from_secs(20),
            explain: false,
        }
    }

    /// Completes the settings with what only the connection knows. `own_namespace` as in [`Start`].
    pub fn connected(&mut self, connection: &Connection, own_namespace: bool) {
        if own_namespace {
            self.namespace = Some(connection.default_namespace.clone());
        }
        if let PluginChoice::Exec { environment, .. } = &mut self.plugin {
            handed_down::connection(environment, connection, self.namespace.as_deref());
        }
    }
}

/// Who gets the events.
#[derive(Clone, Debug, PartialEq)]
pub enum PluginChoice {
    /// A line in the log for each.
    Simple,
    /// A child process.
    Exec {
        /// How it is run.
        child: exec::Settings,
        /// The settings in use, as variables, in the place of those that it would inherit.
        environment: exec::Environment,
    },
}

impl PluginChoice {
    /// As it is chosen.
    pub fn name(&self) -> &'static str {
        match self {
            PluginChoice::Simple => "simple",
            PluginChoice::Exec { .. } => "exec",
        }
    }
}

/// The one flag that is no setting.
const SHOW_CONFIG: &str = "show-config";

const ABOUT: &str = "Hand what happens to the objects of any resource to a plugin";

const AFTER: &str = "An object that appears, changes or goes is an event, ADDED, MODIFIED or DELETED. The plugin says \
what to log about it,
and how loud: `simple` one line, `exec` whatever a program of yours answers, in any language. Events of one object
come in order, those of different objects at the same time; after a reconnect nothing is repeated and nothing lost. A
plugin that fails is asked again. A resource that the API server does not know yet is waited for.

Where a setting comes from, first match wins: flag, variable, --config file; conf/config.ini.sample shows them all.
For someone who has the Python event controller: its config.ini and variables work, see docs/event-controller.md.
Exit codes: 0 done, 1 failed or the grace ran out, 2 wrong input, 128+N second signal N.

Examples:
  demo-controller watch --resource pods                       a line in the log for each event, in all namespaces
  demo-controller watch --resource deploy -n app1 -l app=web  one namespace, and labels that the server compares
  demo-controller watch --resource routes.route.openshift.io  a resource of a CRD, be it there yet or not
  demo-controller watch -c config.ini --plugin exec           a program of yours: [plugin_exec] says which
  demo-controller watch -c config.ini --show-config           what would be done, and which file or variable says so";

const NO_RESOURCE: &str = "no resource to watch: give --resource, K8S_RESOURCE or k8s_resource in the --config file, \
                           such as pods or deployments.apps";

/// For clap.
pub fn command() -> clap::Command {
    let show =
        clap::Arg::new(SHOW_CONFIG).long(SHOW_CONFIG).action(clap::ArgAction::SetTrue).help_heading("Process").help(
            "Print each setting, its value (a secret's as ***) and where it came\nfrom, and end; connects nowhere",
        );
    clap::Command::new("watch").about(ABOUT).after_help(AFTER).args(flags::arguments(TABLE)).arg(show)
}

/// Reads flags, environment and file.
pub fn parse(matches: &ArgMatches, env: Env, read: Read, on_terminal: bool) -> Result<Command, Refusal> {
    let settings = collect(TABLE, matches, env, read)?;
    let mut place = place(&settings)?;
    let default = Watch::of(wanted(&settings, &mut place)?);
    let (plugin, config) = plugin(&settings)?;
    let watch = Watch {
        wanted: default.wanted,
        namespace: place.namespace.clone(),
        labels: selector(settings.get(&SELECTOR), selector::labels)?,
        fields: selector(settings.get(&FIELD_SELECTOR), selector::fields)?,
        plugin,
        config,
        workers: settings.number(&WATCH_WORKERS, 1..=1024, default.workers as u32)? as usize,
        max_retries: settings.number(&WATCH_MAX_RETRIES, 0..=1000, default.max_retries)?,
        watch_idle: settings.duration(&WATCH_IDLE, default.watch_idle)?,
        listen: serve::decide(&settings, default.listen)?,
        shutdown_grace: settings.duration(&SHUTDOWN_GRACE, default.shutdown_grace)?,
        explain: settings.switch(&EXPLAIN)?,
    };
    let explain = watch.explain;
    let overruled = std::mem::take(&mut place.overruled);
    let mut start = Start::new(&settings, env, on_terminal, place, explain, watch)?;
    if let PluginChoice::Exec { environment, .. } = &mut start.what.plugin {
        *environment = handed_down::settings(TABLE, &settings, &overruled, &start.target);
    }
    if matches.get_flag(SHOW_CONFIG) {
        return Ok(Command::ShowConfig(show(TABLE, &settings, &start, env)));
    }
    Ok(Command::Watch(Box::new(start)))
}

/// Which resource. Who types `--resource pods` wants pods, whatever the environment holds: a path, group or version of a
/// weaker source than the resource's does not count. A path that counts says everything, also the namespace.
fn wanted(settings: &Settings, place: &mut Place) -> Result<Wanted, Refusal> {
    let [resource, group, version, path] =
        [&RESOURCE, &API_GROUP, &API_VERSION, &API_PATH].map(|setting| settings.get(setting));
    let says = |winner: &Given| format!("{winner} says what to watch");
    // A stronger source's resource is not that of a weaker one's group.
    let beside = |resource: Given, place: &mut Place| {
        let [group, version] = [group.clone(), version.clone()].map(|given| {
            let weaker = given.as_ref().filter(|given| given.source > resource.source);
            if let Some(loser) = weaker {
                place.ignore(loser, says(&resource));
                None
            } else {
                given
            }
        });
        [Some(resource), group, version, None]
    };
    let given = match (resource, path) {
        (None, None) => return Err(Refusal::input(NO_RESOURCE)),
        (Some(resource), Some(path)) if resource.source < path.source => {
            place.ignore(&path, says(&resource));
            beside(resource, place)
        }
        (resource, Some(path)) => {
            // What the path says too is no news.
            let resource = resource.filter(|given| path.text.trim().rsplit('/').next() != Some(given.text.trim()));
            for loser in [&resource, &group, &version].into_iter().flatten() {
                place.ignore(loser, says(&path));
            }
            [None, None, None, Some(path)]
        }
        (Some(resource), None) => beside(resource, place),
    };
    let [resource, group, version, path] = given.each_ref().map(|given| given.as_ref().map(|g| g.text.as_str()));
    let wanted = Wanted::parse(resource, group, version, path).map_err(|why| {
        // All of them: each may be right by itself.
        let all: Vec<String> = given.iter().flatten().map(Given::to_string).collect();
        Refusal::input(format!("{}: {why}", all.join(", ")))
    })?;
    if let Some(path) = &given[3] {
        for loser in [&NAMESPACE, &NAMESPACED].into_iter().filter_map(|setting| settings.get(setting)) {
            place.ignore(&loser, says(path));
        }
        (place.namespace, place.own) = (wanted.namespace(None).map(str::to_owned), false);
    }
    Ok(wanted)
}

fn selector(given: Option<Given>, read: fn(&str) -> Result<String, &'static str>) -> Result<Option<String>, Refusal> {
    given.map(|given| read(&given.text).map_err(|expected| given.wrong(expected))).transpose()
}

/// The plugin, and its section of the file.
fn plugin(settings: &Settings) -> Result<(PluginChoice, watch::Config), Refusal> {
    let given = settings.get(&PLUGIN);
    let name = given.as_ref().map_or("simple", |given| given.text.trim());
    let is_exec = match (name, &given) {
        ("exec", _) => true,
        ("simple", _) | (_, None) => false,
        (_, Some(given)) => {
            return Err(given.wrong(
                "unknown plugin: expected simple or exec; exec also runs a plugin of the Python event controller, by \
                 examples/plugins/adapter.py (see docs/event-controller.md)",
            ));
        }
    };
    let config = settings.section(&format!("plugin_{name}"))?;
    let checked = if is_exec {
        let environment = exec::Environment::new();
        exec::Settings::read(&config).map(|child| PluginChoice::Exec { child, environment })
    } else {
        Simple::check(&config).map(|()| PluginChoice::Simple)
    };
    let choice = checked.map_err(|why| {
        // Who chose the plugin is named, unless it is the file that is named anyway.
        let elsewhere = given.as_ref().filter(|given| given.source != Source::File);
        let by = elsewhere.map_or(String::new(), |given| format!("{given}: "));
        match settings.file() {
            Some(file) => Refusal::input(format!("{by}{}: {why}", file.display())),
            None => Refusal::input(format!("{by}{why}; it stands in the file that --config names, and none is named")),
        }
    })?;
    Ok((choice, config))
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
