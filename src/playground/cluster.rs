//! What runs by itself beside the server: the controller, and the simulated cluster.

use std::{io, path::Path, thread, time::Duration};

use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::subscriber::NoSubscriber;

use super::{ENDS_WITHIN, invite, simulation};
use crate::{
    cli::{self, Play},
    controller,
    process::{Refusal, connect},
};

/// How long what the controller has in progress may take to finish. Less than in `run`: there is nothing to lose here.
const GRACE: Duration = Duration::from_secs(5);

/// Both of them.
pub struct Cluster {
    controller: JoinSet<Result<(), controller::Failed>>,
    /// Cancelled when the simulation has ended.
    simulated: CancellationToken,
}

impl Cluster {
    /// Starts all of it, for the server at `url`. The controller has the rights of `token`.
    pub fn start(
        play: &Play,
        url: &str,
        token: &str,
        allowed_names: &Path,
        health: Option<TcpListener>,
        end: CancellationToken,
    ) -> Result<Cluster, Refusal> {
        let simulated = simulate(url.to_owned(), play.speed, end.clone())?;
        let client = connect::local(url, Some(token))?;
        let mut controller = JoinSet::new();
        controller.spawn(controller::run(client, settings(play, allowed_names), health, end));
        Ok(Cluster { controller, simulated })
    }

    /// Waits for what should not happen, and says to whom.
    pub async fn ended(&mut self) -> &'static str {
        tokio::select! {
            _ = self.controller.join_next() => "the controller",
            () = self.simulated.cancelled() => "the simulated cluster",
        }
    }

    /// Waits until all of it has ended, after `end`.
    pub async fn end(mut self) -> Result<(), controller::Failed> {
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
                simulation::run(client, speed, end).await;
            }
        });
    };
    thread::Builder::new().name("simulation".to_owned()).spawn(body).map_err(no_thread)?;
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use std::future;

    use super::*;

    /// A cluster whose controller ends at once, or never.
    fn cluster(controller_ends: bool) -> (Cluster, CancellationToken) {
        let mut controller = JoinSet::new();
        controller.spawn(async move { if controller_ends { Ok(()) } else { future::pending().await } });
        let simulated = CancellationToken::new();
        (Cluster { controller, simulated: simulated.clone() }, simulated)
    }

    #[tokio::test(start_paused = true)]
    async fn who_ends_without_being_told_to_is_named() {
        let (mut ours, _) = cluster(true);
        assert_eq!(ours.ended().await, "the controller");
        let (mut ours, simulated) = cluster(false);
        simulated.cancel();
        assert_eq!(ours.ended().await, "the simulated cluster");
        let (mut ours, _) = cluster(false);
        assert!(timeout(Duration::from_secs(3600), ours.ended()).await.is_err(), "nobody, as a rule");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_does_not_wait_for_a_simulation_that_hangs() {
        let (ours, _hangs) = cluster(true);
        assert!(timeout(2 * ENDS_WITHIN, ours.end()).await.is_ok_and(|done| done.is_ok()));
    }
}
