//! The flags of `run`, the controller itself.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ArgMatches;

use super::Command;
use crate::pki::{allowed_file, validate::is_label};
use crate::process::{
    Refusal, flags, log, serve,
    settings::{Env, Given, ROW, Read, Setting, Settings, Table},
    target::{self, Target},
};

/// The file with settings.
pub static CONFIG: Setting = Setting {
    flag: "config",
    value: "FILE",
    env: "CONFIG_FILE",
    help: "An ini file: section [global], keys as the variables, in lower case",
    ..ROW
};
static NAMESPACE: Setting = Setting {
    flag: "namespace",
    short: Some('n'),
    value: "NS",
    env: "K8S_NAMESPACE",
    default: "all",
    help: "Look at one namespace only; with K8S_NAMESPACED=true and without this,\n\
           the pod's or the context's own",
    ..ROW
};
static NAMESPACED: Setting = Setting { env: "K8S_NAMESPACED", ..ROW };
static ALLOWED_NAMES: Setting = Setting {
    flag: "allowed-names",
    value: "FILE",
    env: "DEMO_CONTROLLER_ALLOWED_NAMES",
    default: "the sample's app1 and app2",
    help: "Who may have a certificate: a line each, `name` (in any namespace) or\n\
           `namespace/name`; # starts a comment; read again when it changes",
    ..ROW
};
static WORKERS: Setting = Setting {
    flag: "workers",
    value: "N",
    env: "DEMO_CONTROLLER_WORKERS",
    default: "4",
    help: "Keys that are worked on at once, per queue",
    ..ROW
};
static RESYNC: Setting = Setting {
    flag: "resync",
    value: "DURATION",
    env: "DEMO_CONTROLLER_RESYNC",
    default: "10m",
    help: "Look at everything again so often, from the cache; 0 turns it off",
    ..ROW
};
static MAX_RETRIES: Setting = Setting {
    flag: "max-retries",
    value: "N",
    env: "DEMO_CONTROLLER_MAX_RETRIES",
    default: "12",
    help: "Failures in a row after which a key is forgotten until it changes or is\n\
           resynced (12 take about 20 s); an API server that is away does not count",
    ..ROW
};
static REMIND: Setting = Setting {
    flag: "remind",
    value: "DURATION",
    env: "DEMO_CONTROLLER_REMIND",
    default: "30m",
    help: "Report an error that persists again so often; events live for an hour",
    ..ROW
};
static CA_SECRET: Setting = Setting {
    flag: "ca-secret",
    value: "NS/NAME",
    env: "DEMO_CONTROLLER_CA_SECRET",
    default: "controlplane/demo-controller-ca",
    help: "The Secret with the CA that signs; created if absent, never overwritten",
    ..ROW
};
static DRY_RUN: Setting = Setting {
    flag: "dry-run",
    env: "DEMO_CONTROLLER_DRY_RUN",
    help: "Let the API server check every write but store none",
    ..ROW
};
static WATCH_IDLE: Setting = Setting {
    flag: "watch-idle",
    value: "DURATION",
    env: "DEMO_CONTROLLER_WATCH_IDLE",
    default: "150s",
    help: "A watch that is silent for so long, without a bookmark, is opened again",
    ..ROW
};
static SHUTDOWN_GRACE: Setting = Setting {
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

/// All of them.
pub static TABLE: Table = &[
    (
        "Connection",
        &[
            &target::KUBECONFIG,
            &target::CONTEXT,
            &target::API_ENDPOINT,
            &target::TOKEN,
            &target::TOKEN_FILE,
            &target::CA,
        ],
    ),
    (
        "Controller",
        &[
            &NAMESPACE,
            &NAMESPACED,
            &ALLOWED_NAMES,
            &CA_SECRET,
            &DRY_RUN,
            &WORKERS,
            &MAX_RETRIES,
            &RESYNC,
            &REMIND,
            &WATCH_IDLE,
        ],
    ),
    ("Process", &[&CONFIG, &serve::LISTEN, &SHUTDOWN_GRACE, &log::LOG_LEVEL, &log::LOG_FORMAT, &EXPLAIN]),
];

/// Keys of the original's file that say which resource to watch and with what plugin. `run` has no use for them, but
/// takes a file that holds them.
const FOREIGN: &[&str] = &["k8s_resource", "k8s_api_group", "k8s_api_version", "k8s_api_path", "watcher_plugin"];

/// What `run` needs, checked.
#[derive(Debug)]
pub struct Start {
    /// Where to connect.
    pub target: Target,
    /// For the log, once there is one.
    pub warnings: Vec<String>,
    /// How to log.
    pub log: log::Logging,
    /// `K8S_NAMESPACED=true` alone: [`Run::namespace`] is the pod's or the context's own, known once connected.
    pub own_namespace: bool,
    /// What the controller does.
    pub run: Run,
}

/// What the controller does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// One namespace, or None for all.
    pub namespace: Option<String>,
    /// The list of allowed names; was readable a moment ago. None: the sample's.
    pub allowed_names: Option<PathBuf>,
    /// Workers per queue, at least 1.
    pub workers: usize,
    /// How often everything is queued again; None: never.
    pub resync: Option<Duration>,
    /// Counted failures after which a key is forgotten.
    pub max_retries: u32,
    /// How often a persistent error is reported again.
    pub remind: Duration,
    /// Namespace and name of the CA's Secret.
    pub ca_secret: (String, String),
    /// Server-side dry run.
    pub dry_run: bool,
    /// How long a watch may be silent.
    pub watch_idle: Duration,
    /// Where health and metrics are served; None: nowhere.
    pub listen: Option<SocketAddr>,
    /// How long work in progress may take to finish at the end.
    pub shutdown_grace: Duration,
    /// Narrate.
    pub explain: bool,
}

/// With nothing given.
impl Default for Run {
    fn default() -> Self {
        Run {
            namespace: None,
            allowed_names: None,
            workers: 4,
            resync: Some(Duration::from_secs(600)),
            max_retries: 12,
            remind: Duration::from_secs(1800),
            ca_secret: ("controlplane".to_owned(), "demo-controller-ca".to_owned()),
            dry_run: false,
            watch_idle: Duration::from_secs(150),
            listen: Some(serve::DEFAULT),
            shutdown_grace: Duration::from_secs(20),
            explain: false,
        }
    }
}

/// Reads flags, environment and file.
pub fn parse(matches: &ArgMatches, env: Env, read: Read, on_terminal: bool) -> Result<Command, Refusal> {
    let settings = Settings::collect(TABLE, flags::given(matches, TABLE), env, &CONFIG, FOREIGN, read)?;
    let log = log::decide(&settings, env, on_terminal)?;
    let (target, warnings) = target::decide(&settings)?;
    let run = run(&settings)?;
    let namespaced = settings.get(&NAMESPACED).map(|given| given.switch()).transpose()?.unwrap_or(false);
    let own_namespace = namespaced && run.namespace.is_none();
    Ok(Command::Run(Box::new(Start { target, warnings, log, own_namespace, run })))
}

fn run(settings: &Settings) -> Result<Run, Refusal> {
    let default = Run::default();
    let duration = |setting, default: Duration| {
        let given = settings.get(setting).map(|given| given.duration(None));
        Ok(given.transpose()?.unwrap_or(default))
    };
    let number = |setting, range, default| {
        Ok(settings.get(setting).map(|given| given.number(range)).transpose()?.unwrap_or(default))
    };
    let switch = |setting| Ok(settings.get(setting).map(|given| given.switch()).transpose()?.unwrap_or(false));
    let resync = settings.get(&RESYNC).map(|given| given.duration(Some("off"))).transpose()?;
    Ok(Run {
        namespace: settings.get(&NAMESPACE).map(|given| namespace(&given)).transpose()?,
        allowed_names: settings.get(&ALLOWED_NAMES).map(|given| readable(&given)).transpose()?,
        workers: number(&WORKERS, 1..=1024, default.workers as u32)? as usize,
        resync: resync.map_or(default.resync, |every| Some(every).filter(|every| !every.is_zero())),
        max_retries: number(&MAX_RETRIES, 0..=1000, default.max_retries)?,
        remind: duration(&REMIND, default.remind)?,
        ca_secret: settings.get(&CA_SECRET).map(|given| secret(&given)).transpose()?.unwrap_or(default.ca_secret),
        dry_run: switch(&DRY_RUN)?,
        watch_idle: duration(&WATCH_IDLE, default.watch_idle)?,
        listen: serve::decide(settings, default.listen)?,
        shutdown_grace: duration(&SHUTDOWN_GRACE, default.shutdown_grace)?,
        explain: switch(&EXPLAIN)?,
    })
}

fn namespace(given: &Given) -> Result<String, Refusal> {
    let name = given.text.trim();
    if is_label(name) {
        return Ok(name.to_owned());
    }
    Err(given.wrong("expected a namespace's name: at most 63 of a-z, 0-9 and -, with no - at either end"))
}

fn secret(given: &Given) -> Result<(String, String), Refusal> {
    let parts = given.text.trim().split_once('/');
    parts
        .filter(|(namespace, name)| is_label(namespace) && name.len() <= 253 && name.split('.').all(is_label))
        .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        .ok_or_else(|| given.wrong("expected NAMESPACE/NAME, such as controlplane/demo-controller-ca"))
}

/// The list must be there now, and be read in the same way as later.
fn readable(given: &Given) -> Result<PathBuf, Refusal> {
    let path = Path::new(&given.text);
    allowed_file::read(path)
        .map_err(|why| given.wrong(format!("cannot be read ({why}): expected a text file, one name per line")))?;
    Ok(path.to_owned())
}
