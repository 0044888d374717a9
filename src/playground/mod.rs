//! A cluster to play with, in one process: `demo-controller playground`.
//!
//! ```text
//!   the learner's kubectl, the story --------.
//!   the simulated cluster -------------------+--HTTP--> the embedded API server, on loopback
//!   the controller, with its own token, -----'
//!   and no more rights than demo-controller.yaml gives it
//! ```
//!
//! * [`simulation`]: a Deployment controller, a scheduler and a kubelet, made of the controller's own rooms.
//! * [`story`]: what is told; [`pace`] how fast, [`api`], [`table`] and [`describe`] with what.
//! * [`page`] and [`hold`]: stdout for the story, stderr for the log, and the two do not run into each other.
//! * [`files`]: what is put on disk, and taken away again.
//! * [`invite`]: what this is, and what to try then.
//!
//! Promises:
//! * the server listens on loopback only;
//! * nothing that a step shows is written beforehand: it waits for the state in the server and prints that;
//! * however it ends, no file and no port stay behind, unless it is killed (SIGKILL).

use std::{future, io, net::Ipv4Addr, path::Path, process::ExitCode, thread, time::Duration};

use apiserver::ApiServer;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::subscriber::NoSubscriber;

use crate::{
    cli::{self, Play},
    controller, explain,
    process::{Refusal, connect, log, serve},
};

pub mod api;
pub mod describe;
pub mod files;
pub mod hold;
pub mod invite;
pub mod pace;
pub mod page;
pub mod simulation;
pub mod story;
pub mod table;

use api::{Api, documents, word};
use files::Files;
use hold::Hold;
use pace::{Broken, Pace};
use page::Page;
use story::Story;

/// Everything that a cluster needs to run the controller.
const MANIFEST: &str = include_str!("../../demo-controller.yaml");

/// How long the server, and the simulated cluster, may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// How long what the controller has in progress may take to finish. Less than in `run`: there is nothing to lose here.
const GRACE: Duration = Duration::from_secs(5);

/// Nobody stays to play for longer.
const TOKEN_SECONDS: u64 = 30 * 24 * 3600;

/// Runs it: until `stop`, or to the end of the story.
///
/// # Errors
/// A port or a file that cannot be had; a story that broke off.
pub async fn run(play: Play, logging: log::Logging, stop: CancellationToken) -> Result<ExitCode, Refusal> {
    // 1. Everything that can be wrong, before the first word.
    end_with_the_terminal(&stop).map_err(|e| Refusal::failure(format!("no signal handlers: {e}")))?;
    let (listener, url) = bind(play.port).await?;
    let health = match play.listen {
        Some(address) => Some(serve::bind(address).await?),
        None => None,
    };
    let objects = documents(MANIFEST).map_err(|why| Refusal::failure(format!("demo-controller.yaml: {why}")))?;
    let files = Files::create(&url, allowed_names(&objects), play.kubeconfig_out.as_deref())?;

    // 2. The log begins, but waits while the story speaks.
    let hold = Hold::new(Box::new(io::stderr()), play.explain);
    log::start_on(logging.with(explain::TARGET, play.explain).brief(), hold.clone());

    // 3. The server; around it the cluster; then the story.
    let settings = apiserver::Settings { seed: rand::random(), ..apiserver::Settings::default() };
    let closing = CancellationToken::new();
    let server = tokio::spawn(ApiServer::new(settings).serve(listener, closing.clone().cancelled_owned()));
    let stage =
        Stage { play: &play, url: &url, objects: &objects, files: &files, hold: &hold, end: CancellationToken::new() };
    let mut cluster = None;
    let told = tokio::select! {
        told = stage.live(health, &mut cluster) => told,
        () = stop.cancelled() => interrupted(&play),
    };

    // 4. The end, in reverse. But first what must not stay behind, as a second signal ends the process at once; and before
    // a word is said, as whoever should read it may have stopped (a pager, a terminal that is held).
    stage.end.cancel();
    drop(files);
    hold.release();
    let ended = match cluster {
        Some(cluster) => cluster.end().await,
        None => Ok(()),
    };
    closing.cancel();
    let _ = timeout(ENDS_WITHIN, server).await;
    let code = told?;
    ended.map(|()| code).map_err(|unfinished| Refusal::failure(unfinished.to_string()))
}

/// A terminal that is closed leaves nothing behind either.
fn end_with_the_terminal(stop: &CancellationToken) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        hangup.recv().await;
        stop.cancel();
    });
    Ok(())
}

/// A signal while it stays is its proper end; a story that was to be told to its end is none.
fn interrupted(play: &Play) -> Result<ExitCode, Refusal> {
    if play.once { Err(Refusal::failure("interrupted before the end of the story")) } else { Ok(ExitCode::SUCCESS) }
}

/// Loopback, whatever else: whoever comes without a token is the administrator.
async fn bind(port: u16) -> Result<(TcpListener, String), Refusal> {
    let refused =
        |e: io::Error| Refusal::failure(format!("--port {port}: {e}: give another one, or 0 for any that is free"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(refused)?;
    let url = format!("http://{}", listener.local_addr().map_err(refused)?);
    Ok((listener, url))
}

/// What the ConfigMap gives to the controller in a cluster, as a file.
fn allowed_names(objects: &[Value]) -> &str {
    let config = objects.iter().find(|object| object["kind"] == "ConfigMap");
    config.map_or("", |config| word(&config["data"]["allowed-names"]))
}

/// What there is to play with.
struct Stage<'a> {
    play: &'a Play,
    /// The server's.
    url: &'a str,
    /// Those of demo-controller.yaml.
    objects: &'a [Value],
    files: &'a Files,
    hold: &'a Hold,
    /// Ends everything but the server. Not a child of the signal's token: at a signal it would not be clear whether the
    /// controller ended because of it or by itself.
    end: CancellationToken,
}

impl Stage<'_> {
    /// From the empty server to the end of the story, or, without `--once`, for ever. Puts the cluster where its end
    /// can be waited for when this is dropped.
    async fn live(&self, health: Option<TcpListener>, cluster: &mut Option<Cluster>) -> Result<ExitCode, Refusal> {
        let api = Api(connect::local(self.url, None)?);
        let mut page = Page::stdout();
        invite::introduce(&mut page, self.url, health.as_ref().and_then(|listener| listener.local_addr().ok()));
        let token = install(&api, self.objects, &mut page).await.map_err(broke_off)?;
        // With no story to tell either, what is ended at once is better not begun.
        if let Some(over) = self.over(&page).filter(|_| !self.play.apps) {
            return over;
        }
        let cluster = cluster.insert(Cluster::start(self, &token, health)?);
        tokio::select! {
            told = self.tell(&api, &mut page) => told,
            who = cluster.ended() => Err(Refusal::failure(format!("{who} ended by itself"))),
        }
    }

    async fn tell(&self, api: &Api, page: &mut Page) -> Result<ExitCode, Refusal> {
        if self.play.apps {
            let story = Story { api, page: &mut *page, pace: Pace(self.play.speed), log: self.hold };
            story.tell().await.map_err(broke_off)?;
            if !self.hold.is_empty() {
                page.heading("What the controller wrote into its log meanwhile (on stderr)");
                self.hold.release();
            }
        }
        match (self.play.once, self.play.apps) {
            (true, _) => {}
            (false, true) => invite::invite(page, &self.files.export(), self.url, invite::resync(self.play.speed)),
            (false, false) => invite::invite_to_begin(page, &self.files.export()),
        }
        self.hold.release();
        match self.over(page) {
            Some(over) => over,
            None => future::pending().await,
        }
    }

    /// What it comes to, if there is no reason to stay.
    fn over(&self, page: &Page) -> Option<Result<ExitCode, Refusal>> {
        match page.failure() {
            Some(e) => Some(Err(Refusal::failure(format!("stdout: {e}: the story could not be written there")))),
            // A reader that has gone (`| head`) will not want to stay either.
            None => (self.play.once || page.is_closed()).then_some(Ok(ExitCode::SUCCESS)),
        }
    }
}

fn broke_off(why: Broken) -> Refusal {
    Refusal::failure(format!("the story broke off: {why}"))
}

/// What an operator does, `kubectl create -f demo-controller.yaml`. Returns the controller's token.
async fn install(api: &Api, objects: &[Value], page: &mut Page) -> Result<String, Broken> {
    let mut kinds = Vec::new();
    for object in objects.iter().filter(|object| object["kind"] != "Deployment") {
        let (kind, name) = (word(&object["kind"]), word(&object["metadata"]["name"]));
        api.create(object).await.map_err(Broken::refused(format!("create {kind} {name}")))?;
        kinds.push(kind);
    }
    page.text(&format!(
        "demo-controller.yaml is installed ({}), but for its Deployment: its part is played by this process, with the \
         token of the ServiceAccount, and with no more rights than that has.",
        kinds.join(", ")
    ));
    let path = "/api/v1/namespaces/controlplane/serviceaccounts/demo-controller/token";
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": TOKEN_SECONDS },
    });
    let answer = api.post(path, &request).await.map_err(Broken::refused("kubectl create token demo-controller"))?;
    Ok(word(&answer["status"]["token"]).to_owned())
}

/// What runs by itself, beside the server.
struct Cluster {
    controller: JoinSet<Result<(), controller::Failed>>,
    /// Cancelled when the simulation has ended.
    simulated: CancellationToken,
}

impl Cluster {
    fn start(stage: &Stage, token: &str, health: Option<TcpListener>) -> Result<Cluster, Refusal> {
        let simulated = simulate(stage.url.to_owned(), stage.play.speed, stage.end.clone())?;
        let client = connect::local(stage.url, Some(token))?;
        let settings = settings(stage.play, &stage.files.allowed_names);
        let mut controller = JoinSet::new();
        controller.spawn(controller::run(client, settings, health, stage.end.clone()));
        Ok(Cluster { controller, simulated })
    }

    /// Waits for what should not happen, and says to whom.
    async fn ended(&mut self) -> &'static str {
        tokio::select! {
            _ = self.controller.join_next() => "the controller",
            () = self.simulated.cancelled() => "the simulated cluster",
        }
    }

    /// Waits until all of it has ended, after its stage's `end`.
    async fn end(mut self) -> Result<(), controller::Failed> {
        // A panic has been printed when it happened, and is the reason why it ended.
        let done = self.controller.join_next().await.and_then(Result::ok).unwrap_or(Ok(()));
        let _ = timeout(ENDS_WITHIN, self.simulated.cancelled()).await;
        done
    }
}

/// As in demo-controller.yaml, but for a shorter resync: who plays does not wait for ten minutes.
fn settings(play: &Play, allowed_names: &Path) -> cli::Run {
    cli::Run {
        allowed_names: Some(allowed_names.to_owned()),
        resync: Some(invite::resync(play.speed)),
        listen: play.listen,
        shutdown_grace: GRACE,
        explain: play.explain,
        ..cli::Run::default()
    }
}

/// Starts the simulated cluster, in a thread of its own. Why a thread: it is made of the same rooms as the controller,
/// so it would write the same lines into the log, and nobody could tell whose they are. A subscriber is a thread's
/// affair, so this thread has one that says nothing.
fn simulate(url: String, speed: f64, end: CancellationToken) -> Result<CancellationToken, Refusal> {
    let no_thread = |e: io::Error| Refusal::failure(format!("no thread: {e}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    let body = move || {
        let _ended = guard;
        let _silence = tracing::subscriber::set_default(NoSubscriber::new());
        runtime.block_on(async {
            if let Ok(client) = connect::local(&url, None) {
                simulation::run(client, simulation::Simulation { speed }, end).await;
            }
        });
    };
    thread::Builder::new().name("simulation".to_owned()).spawn(body).map_err(no_thread)?;
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use super::{api::items, *};

    #[test]
    fn the_manifest_is_all_that_is_needed() {
        let objects = documents(MANIFEST).unwrap();
        assert_eq!(objects.iter().filter(|object| object["kind"] == "Deployment").count(), 1);
        let names = allowed_names(&objects);
        assert!(names.lines().any(|line| line == "app1") && names.lines().any(|line| line == "app2"), "{names}");
        for yaml in [story::APP1, story::APP2] {
            let kinds: Vec<Value> = documents(yaml).unwrap().iter().map(|object| object["kind"].clone()).collect();
            assert_eq!(kinds, ["Namespace", "Pki", "Deployment"]);
        }
        assert!(!items(&objects[1]["spec"]["versions"]).is_empty(), "lists are lists");
    }

    #[test]
    fn a_signal_is_a_proper_end_unless_the_story_was_to_be_told_to_its_end() {
        assert!(interrupted(&Play::default()).is_ok());
        assert_eq!(interrupted(&Play { once: true, ..Play::default() }).unwrap_err().code, 1);
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_a_failure_that_names_it() {
        let (listener, url) = bind(0).await.unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        let port = listener.local_addr().unwrap().port();
        let refusal = bind(port).await.unwrap_err();
        assert_eq!(refusal.code, 1);
        assert!(refusal.to_string().starts_with(&format!("--port {port}: Address already in use")), "{refusal}");
    }
}
