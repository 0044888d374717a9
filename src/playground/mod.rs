//! A cluster to play with, in one process: `demo-controller playground`.
//!
//! ```text
//!   the learner's kubectl, the story --------.
//!   the simulated cluster -------------------+--HTTP--> the embedded API server, on loopback
//!   the controller, with its own token, -----'
//!   and no more rights than demo-controller.yaml gives it
//! ```
//!
//! * [`install`]: what an operator does first. [`cluster`]: what runs then, the controller and the simulation.
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

use std::{future, io, net::Ipv4Addr, process::ExitCode, time::Duration};

use apiserver::ApiServer;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::Play,
    explain,
    process::{Refusal, connect, log, serve},
};

pub mod api;
pub mod cluster;
pub mod describe;
pub mod files;
pub mod hold;
pub mod install;
pub mod invite;
pub mod pace;
pub mod page;
pub mod simulation;
pub mod story;
pub mod table;

use api::{Api, documents};
use cluster::Cluster;
use files::{Files, Traces};
use hold::Hold;
use pace::{Broken, Pace};
use page::Page;
use story::Story;

/// How long the server, and the simulated cluster, may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Runs it: until `stop`, or to the end of the story. `traces` is for whoever ends the process without waiting for that:
/// a stdout that takes no more (a pager, a terminal that is held) keeps this where it is.
///
/// # Errors
/// A port or a file that cannot be had; a story that broke off.
pub async fn run(
    play: Play,
    logging: log::Logging,
    stop: CancellationToken,
    traces: Traces,
) -> Result<ExitCode, Refusal> {
    // 1. Everything that can be wrong, before the first word.
    end_with_the_terminal(&stop).map_err(|e| Refusal::failure(format!("no signal handlers: {e}")))?;
    let (listener, url) = bind(play.port).await?;
    let health = match play.listen {
        Some(address) => Some(serve::bind(address).await?),
        None => None,
    };
    let objects =
        documents(install::MANIFEST).map_err(|why| Refusal::failure(format!("demo-controller.yaml: {why}")))?;
    let files = Files::create(&url, install::allowed_names(&objects), play.kubeconfig_out.as_deref())?;
    traces.note(&files);

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
    traces.forget();
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
        let token = install::install(&api, self.objects, &mut page).await.map_err(broke_off)?;
        // With no story to tell either, what is ended at once is better not begun.
        if let Some(over) = self.over(&page).filter(|_| !self.play.apps) {
            return over;
        }
        let cluster = cluster.insert(Cluster::start(
            self.play,
            self.url,
            &token,
            self.files.allowed_names(),
            health,
            self.end.clone(),
        )?);
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

#[cfg(test)]
mod tests {
    use super::*;

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
