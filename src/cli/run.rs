//! The flags of `run`, the controller itself.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ArgMatches;

use super::{
    Command,
    start::{CONFIG, CONNECTION, EXPLAIN, NAMESPACE, NAMESPACED, SHUTDOWN_GRACE, Start, WATCH_IDLE, collect, place},
};
use crate::pki::{allowed_file, validate::is_label};
use crate::process::{
    Refusal,
    connect::Connection,
    leader::Candidate,
    log, serve,
    settings::{Env, Given, ROW, Read, Setting, Table},
};
use crate::text::quoted;

static ALLOWED_NAMES: Setting = Setting {
    flag: "allowed-names",
    value: "FILE",
    env: "DEMO_CONTROLLER_ALLOWED_NAMES",
    default: "the sample's app1 and app2",
    help: "Who may have a certificate: a line each, `name` (in any namespace) or\n\
           `namespace/name`; # starts a comment; read again when it changes",
    ..ROW
};
/// How much at once.
pub static WORKERS: Setting = Setting {
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
/// How stubborn to be.
pub static MAX_RETRIES: Setting = Setting {
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

static LEADER_ELECT: Setting = Setting {
    flag: "leader-elect",
    env: "DEMO_CONTROLLER_LEADER_ELECT",
    help: "Of several replicas one works, the one that holds the Lease demo-controller\n\
           (in the namespace of POD_NAMESPACE, else the pod's, else the context's)",
    ..ROW
};

/// The name of the pod, as a manifest's `fieldRef` gives it.
const POD_NAME: &str = "POD_NAME";
/// Its namespace.
const POD_NAMESPACE: &str = "POD_NAMESPACE";

/// All of them.
pub static TABLE: Table = &[
    ("Connection", CONNECTION),
    (
        "Controller",
        &[
            &NAMESPACE,
            &NAMESPACED,
            &ALLOWED_NAMES,
            &CA_SECRET,
            &DRY_RUN,
            &LEADER_ELECT,
            &WORKERS,
            &MAX_RETRIES,
            &RESYNC,
            &REMIND,
            &WATCH_IDLE,
        ],
    ),
    ("Process", &[&CONFIG, &serve::LISTEN, &SHUTDOWN_GRACE, &log::LOG_LEVEL, &log::LOG_FORMAT, &EXPLAIN]),
];

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
    /// Work only while leading; None: work.
    pub leader_elect: Option<Candidate>,
    /// How long a watch may be silent.
    pub watch_idle: Duration,
    /// Where health and metrics are served; None: nowhere.
    pub listen: Option<SocketAddr>,
    /// How long work in progress may take to finish at the end.
    pub shutdown_grace: Duration,
    /// Narrate.
    pub explain: bool,
}

impl Run {
    /// Completes the settings with what only the connection knows. `own_namespace` as in [`Start`].
    pub fn connected(&mut self, connection: &Connection, own_namespace: bool) {
        if own_namespace {
            self.namespace = Some(connection.default_namespace.clone());
        }
        if let Some(candidate) = &mut self.leader_elect {
            // The pod's first: its replicas are in the same one, whatever the kubeconfig of each says.
            let known = connection.pod_namespace.as_ref().unwrap_or(&connection.default_namespace);
            candidate.namespace.get_or_insert_with(|| known.clone());
        }
    }
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
            leader_elect: None,
            watch_idle: Duration::from_secs(150),
            listen: Some(serve::DEFAULT),
            shutdown_grace: Duration::from_secs(20),
            explain: false,
        }
    }
}

/// Reads flags, environment and file.
pub fn parse(matches: &ArgMatches, env: Env, read: Read, on_terminal: bool) -> Result<Command, Refusal> {
    let settings = collect(TABLE, matches, env, read)?;
    let (place, default) = (place(&settings)?, Run::default());
    let resync = settings.get(&RESYNC).map(|given| given.duration(Some("off"))).transpose()?;
    let run = Run {
        namespace: place.namespace.clone(),
        allowed_names: settings.get(&ALLOWED_NAMES).map(|given| readable(&given)).transpose()?,
        workers: settings.number(&WORKERS, 1..=1024, default.workers as u32)? as usize,
        resync: resync.map_or(default.resync, |every| Some(every).filter(|every| !every.is_zero())),
        max_retries: settings.number(&MAX_RETRIES, 0..=1000, default.max_retries)?,
        remind: settings.duration(&REMIND, default.remind)?,
        ca_secret: settings.get(&CA_SECRET).map(|given| secret(&given)).transpose()?.unwrap_or(default.ca_secret),
        dry_run: settings.switch(&DRY_RUN)?,
        leader_elect: settings.switch(&LEADER_ELECT)?.then(|| candidate(env)).transpose()?,
        watch_idle: settings.duration(&WATCH_IDLE, default.watch_idle)?,
        listen: serve::decide(&settings, default.listen)?,
        shutdown_grace: settings.duration(&SHUTDOWN_GRACE, default.shutdown_grace)?,
        explain: settings.switch(&EXPLAIN)?,
    };
    if let (true, Some(_), Some(dry)) = (run.dry_run, &run.leader_elect, settings.get(&DRY_RUN)) {
        // Elected, it would do nothing, and the others would wait for it.
        return Err(dry.wrong(format!("contradicts --{}: expected one of the two", LEADER_ELECT.flag)));
    }
    let explain = run.explain;
    Ok(Command::Run(Box::new(Start::new(&settings, env, on_terminal, place, explain, run)?)))
}

/// What the environment says about this pod. No settings of ours: they come from the manifest, as a pair, or not at all.
fn candidate(env: Env) -> Result<Candidate, Refusal> {
    let variable =
        |name| env(name).map(|text| text.to_string_lossy().trim().to_owned()).filter(|text| !text.is_empty());
    let namespace = variable(POD_NAMESPACE);
    if let Some(wrong) = namespace.as_deref().filter(|namespace| !is_label(namespace)) {
        return Err(Refusal::input(format!("{POD_NAMESPACE}={}: expected a namespace's name", quoted(wrong))));
    }
    Ok(Candidate { name: variable(POD_NAME), namespace })
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
