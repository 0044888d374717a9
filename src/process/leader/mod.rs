//! One of several replicas works, the others stand by: `--leader-elect`.
//!
//! Two controllers of one kind do no harm here (every write says what it is based on), but they do everything twice. So
//! the replicas agree on one of them, by an object that each of them tries to write its name into: a Lease. The rules
//! and the numbers are client-go's (`tools/leaderelection`).
//!
//! * [`machine`]: what a candidate does next, and why two never lead at once. Pure.
//! * [`fence`]: a write leaves the process only while it leads.
//! * this file: the small loop that has the client, the clock and the dice, and what the rest of the process sees of it.
//!
//! # Promises
//!
//! * **One**: of all processes that use one Lease, at most one has its fence open at a time, as long as their
//!   monotonic clocks run at about the same speed and nobody else edits the Lease.
//! * **Soon**: when the leader dies, another leads within 20 s; when it ends, within 5 s, since it gives the Lease back.
//! * **After the work**: it gives the Lease back when [`Election::run`] is told to, which is after the last write, and
//!   only if the Lease just read has its own name in it. The fence is closed before.
//! * **For good**: who has lost the Lease does not lead again; the process ends with exit code 1 and is started anew.
//!
//! # Why it ends when it loses the Lease
//!
//! Stepping down would be kinder to the caches, and needs everything that was begun by the old term to be found and
//! undone: retries, reminders, events on their way, lines that were said. A process that ends forgets all of it at once,
//! and what it starts with is tested every day. client-go's users do the same. It happens when the API server did not
//! answer for 10 s, or when the process could not ask: neither is usual, and the caches are filled again in seconds.

pub mod fence;
pub mod machine;
mod requests;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kube::Client;
use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use fence::Fence;
use machine::{Answer, Machine, REQUEST_LIMIT, Role};
use requests::Requests;

use super::serve::Check;
use crate::{
    request::{Failure, NotSent},
    worker::Hush,
};

/// What the Lease is called.
pub const LEASE: &str = "demo-controller";

/// How long giving the Lease back may take.
pub const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// Who stands for election, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// The name of the pod, or else that of the machine is used. Nothing depends on it: a random part makes it unique.
    pub name: Option<String>,
    /// The namespace of the Lease; `default` if there is none.
    pub namespace: Option<String>,
}

impl Candidate {
    /// Unique among all processes there ever were: after a restart of the same pod it is another's Lease.
    fn identity(&self) -> String {
        let host = || nix::unistd::gethostname().ok()?.into_string().ok();
        let name = self.name.clone().or_else(host).unwrap_or_else(|| "unknown".to_owned());
        format!("{name}_{:016x}", rand::random::<u64>())
    }
}

/// `leader`: 1 while this process does the work, 0 while it stands by.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Gauge);

impl Metrics {
    /// Makes it part of what is scraped.
    pub fn register(&self, registry: &mut Registry) {
        let help = "1 in the process that does the work (without --leader-elect: in each), 0 in one that stands by";
        registry.register("leader", help, self.0.clone());
    }

    /// There is no election: this process does the work.
    pub fn alone(&self) {
        self.0.set(1);
    }
}

/// It led, and does not any more: the process is to end with exit code 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// `namespace/name` of the Lease.
    pub lease: String,
    /// Why.
    pub why: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no longer the leader, Lease {} is lost: {}: ended, to be started again", self.lease, self.why)
    }
}

impl std::error::Error for Lost {}

/// A candidate's part in the election.
pub struct Election {
    requests: Requests,
    identity: String,
    metrics: Metrics,
    fence: Fence,
    elected: CancellationToken,
    health: Arc<Mutex<Result<(), String>>>,
}

impl Election {
    /// Sends nothing yet. `client` must not be behind the fence.
    pub fn new(client: Client, candidate: &Candidate, metrics: Metrics) -> Self {
        let namespace = candidate.namespace.as_deref().unwrap_or("default");
        Election {
            requests: Requests::new(client, namespace),
            identity: candidate.identity(),
            metrics,
            fence: Fence::default(),
            elected: CancellationToken::new(),
            health: Arc::new(Mutex::new(Err("waiting for the first answer".to_owned()))),
        }
    }

    /// What everything that writes has to pass.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Cancelled when this process is elected, with the fence open. It happens once.
    pub fn elected(&self) -> CancellationToken {
        self.elected.clone()
    }

    /// For `/readyz`: whether it can take part at all. One that stands by is ready; one that may not read or create the
    /// Lease would stand by for ever.
    pub fn check(&self) -> Check {
        let (health, lease) = (self.health.clone(), self.requests.lease());
        Check::new("leader", move || {
            let health = health.lock().unwrap_or_else(PoisonError::into_inner).clone();
            health.map_err(|why| format!("Lease {lease} cannot be used yet: {why}"))
        })
    }

    /// Takes part in the election until `resign`, and then gives the Lease back if this process has it.
    ///
    /// Cancellation: dropped, it gives nothing back, and the fence closes with the last deadline.
    ///
    /// # Errors
    /// When this process led and lost the Lease.
    pub async fn run(&self, resign: CancellationToken) -> Result<(), Lost> {
        let (mut machine, mut next) = Machine::start(self.identity.clone());
        let (mut role, mut holder, mut hush) = (Role::StandsBy, None, Hush::default());
        loop {
            let work = async {
                sleep(next.after).await;
                let sent = Instant::now();
                (self.ask(&next.request, &role, sent).await, sent)
            };
            let (answer, sent) = tokio::select! {
                biased;
                () = resign.cancelled() => break,
                asked = work => asked,
            };
            self.tell(&answer, &mut hush);
            let (after, wanted) = machine.on(answer, sent, Instant::now(), rand::random());
            next = wanted;
            if machine.holder() != holder {
                holder = machine.holder();
                self.tell_of(holder.as_deref());
            }
            match &after {
                Role::StandsBy => {}
                Role::Leads(until) => {
                    self.fence.open_until(*until);
                    if role == Role::StandsBy {
                        self.metrics.0.set(1);
                        let lease = self.requests.lease();
                        tracing::info!(lease, identity = self.identity, "became the leader");
                        self.elected.cancel();
                    }
                }
                Role::Lost(why) => {
                    self.fence.close();
                    self.metrics.0.set(0);
                    return Err(Lost { lease: self.requests.lease(), why: why.clone() });
                }
            }
            role = after;
        }
        // Closed first: nothing of ours is written once someone else may.
        self.fence.close();
        self.metrics.0.set(0);
        // A claim that is on its way may be done: then the Lease is ours as well.
        if role != Role::StandsBy || matches!(next.request, machine::Request::Write(_)) {
            self.release().await;
        }
        Ok(())
    }

    /// One request, bounded; one who leads waits no longer than it leads, and when that is over asks nothing: whoever
    /// was stopped for long must not renew what it is about to give up.
    async fn ask(&self, request: &machine::Request, role: &Role, sent: Instant) -> Answer {
        let limit = match role {
            Role::Leads(until) => REQUEST_LIMIT.min(until.saturating_duration_since(sent)),
            _ => REQUEST_LIMIT,
        };
        if limit.is_zero() {
            return Answer::Failed(Failure::NotSent(NotSent("the last renewal was too long ago")));
        }
        let answer = timeout(limit, self.requests.send(request)).await;
        answer.unwrap_or(Answer::Failed(Failure::Timeout(limit)))
    }

    async fn release(&self) {
        let lease = self.requests.lease();
        match timeout(RELEASE_LIMIT, self.requests.release(&self.identity)).await {
            Ok(Ok(true)) => tracing::info!(lease, "gave the Lease back"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(lease, %error, "the Lease could not be given back, it runs out by itself"),
            Err(_) => tracing::warn!(lease, "the Lease could not be given back in time, it runs out by itself"),
        }
    }

    /// Says who leads, when that has changed.
    fn tell_of(&self, holder: Option<&str>) {
        let lease = self.requests.lease();
        match holder {
            Some(holder) if holder == self.identity => {}
            Some(holder) => tracing::info!(lease, holder, "another process leads, this one stands by"),
            None => tracing::info!(lease, "nobody leads"),
        }
    }

    /// Says what goes wrong, in a line now and then.
    fn tell(&self, answer: &Answer, hush: &mut Hush) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Answer::Failed(error) => {
                if let Err(why) = &mut *health {
                    *why = error.to_string();
                }
                drop(health);
                if let Some(unlogged) = hush.speak(Instant::now()) {
                    let (lease, unlogged) = (self.requests.lease(), Some(unlogged).filter(|n| *n > 0));
                    tracing::warn!(lease, %error, unlogged, "the Lease cannot be read or written, trying again");
                }
            }
            Answer::Found(_) | Answer::Written(_) => *health = Ok(()),
            // That there is none says nothing yet: perhaps there is no such namespace, or no right to create one.
            Answer::Absent | Answer::Conflict => {}
        }
    }
}

#[cfg(test)]
#[path = "leader_tests.rs"]
mod tests;
