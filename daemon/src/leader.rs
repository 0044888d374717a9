//! Leader election: of several replicas, the one that holds a Lease runs.
//!
//! Two controllers do no harm here, because every write names the version that it is based on, but they do everything
//! twice. The rules and the numbers are client-go's (`tools/leaderelection`).
//!
//! * `machine.rs`: what a candidate does next, and why two never lead at once. Pure.
//! * `fence.rs`: a write leaves the process only while it leads.
//! * This file: the loop with client, clock and random numbers, and [`lead`], which wraps the work.
//!
//! # Promises
//!
//! * Of all processes that use one Lease, at most one has its fence open, if their monotonic clocks run at about the same
//!   speed and nothing else edits the Lease.
//! * When the leader dies, another leads within 20 s; when it ends, within 5 s, because it releases the Lease.
//! * The Lease is released after the work, with the fence closed, and only if it has this process's name.
//! * A process that has lost the Lease does not lead again: it ends with exit code 1. A restart forgets retries, events and
//!   log state of the old term, which a controller in place would have to find one by one.

use std::{env, fmt, sync::Arc, time::Duration};

use kube::Client;
use parking_lot::Mutex;
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{Error, LogThrottle, Metrics, Telemetry, connect::Connection, names};

mod fence;
mod machine;
mod requests;

pub use fence::NotSent;

use fence::Fence;
use machine::{Answer, Machine, Next, REQUEST_LIMIT, Request, Role};
use requests::Requests;

/// Name of the Lease, and of the election in the metric.
const LEASE: &str = "demo-controller";
/// Time limit for the release of the Lease.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// A process that wants to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Name of the pod, for people. None: the host name.
    pub name: Option<String>,
    /// Namespace of the Lease.
    pub namespace: String,
}

impl Candidate {
    /// Reads `POD_NAME` and `POD_NAMESPACE`, which a manifest sets. The namespace is else the service account's, else the
    /// context's.
    ///
    /// # Errors
    /// [`Error::Usage`]: `POD_NAMESPACE` is not a namespace.
    pub fn from_env(connection: &Connection) -> Result<Self, Error> {
        let variable = |name| env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let namespace = variable("POD_NAMESPACE");
        if let Some(wrong) = namespace.as_deref().filter(|namespace| !names::is_label(namespace)) {
            return Err(Error::Usage(format!("POD_NAMESPACE={wrong}: expected the name of a namespace")));
        }
        let known = || connection.pod_namespace.clone().unwrap_or_else(|| connection.default_namespace.clone());
        Ok(Candidate { name: variable("POD_NAME"), namespace: namespace.unwrap_or_else(known) })
    }

    /// Unique among all processes ever: after a restart of the pod, the Lease is another process's.
    fn identity(&self) -> String {
        let host = || nix::unistd::gethostname().ok()?.into_string().ok();
        let name = self.name.clone().or_else(host).unwrap_or_else(|| "unknown".to_owned());
        format!("{name}_{:016x}", rand::random::<u64>())
    }
}

/// This process led, and has lost the Lease. The work was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseLost {
    /// `namespace/name` of the Lease.
    pub lease: String,
    /// Why.
    pub why: String,
}

impl fmt::Display for LeaseLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no longer the leader: the Lease {} is lost: {}; a restart takes part again", self.lease, self.why)
    }
}

/// Why [`lead`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeadError<E> {
    /// Another process may lead now.
    Lost(LeaseLost),
    /// The work failed.
    Work(E),
}

impl<E: fmt::Display> fmt::Display for LeadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeadError::Lost(lost) => lost.fmt(f),
            LeadError::Work(error) => error.fmt(f),
        }
    }
}

/// Acquires the Lease, runs `work` with a client whose writes pass the fence, and releases the Lease.
///
/// Returns without work if `stop` comes first. `stop` does not end the work: `work` watches it itself. If `work` fails, the
/// Lease is not released, because its writes may still be on their way. Cancellation: a dropped future releases nothing,
/// and the fence closes within 10 s.
///
/// # Errors
/// The error of `work`, or [`LeaseLost`]: then `stop` was cancelled and `work` dropped.
pub async fn lead<F, E>(
    client: Client,
    candidate: Candidate,
    telemetry: &Telemetry,
    stop: &CancellationToken,
    work: impl FnOnce(Client) -> F,
) -> Result<(), LeadError<E>>
where
    F: Future<Output = Result<(), E>>,
{
    let mut election = Election::new(client.clone(), &candidate, telemetry);
    let elected = tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = election.acquire() => true,
    };
    if elected {
        let work = work(election.fence.guard(&client));
        let renew = async {
            let lost = election.renew().await;
            stop.cancel(); // the tasks of `work` end with it, which is no error of theirs
            lost
        };
        tokio::select! {
            lost = renew => return Err(LeadError::Lost(lost)),
            result = work => result.map_err(LeadError::Work)?,
        }
    }
    election.release().await;
    Ok(())
}

/// client-go's metric: 1 in the leader, 0 in a standby.
#[derive(Clone, Default)]
struct LeaderMetrics(Family<[(&'static str, &'static str); 1], Gauge>);

impl Metrics for LeaderMetrics {
    fn register(&self, registry: &mut Registry) {
        let help = "1 in the process that holds the Lease, 0 in a standby";
        registry.register("leader_election_master_status", help, self.0.clone());
    }
}

/// One candidate's part in the election.
struct Election {
    requests: Requests,
    identity: String,
    machine: Machine,
    next: Next,
    role: Role,
    fence: Fence,
    metric: Gauge,
    throttle: LogThrottle,
    /// Whether the Lease could ever be read or written.
    health: Arc<Mutex<Result<(), String>>>,
}

impl Election {
    fn new(client: Client, candidate: &Candidate, telemetry: &Telemetry) -> Self {
        let requests = Requests::new(client, &candidate.namespace);
        let identity = candidate.identity();
        let (machine, next) = Machine::start(identity.clone());
        let metric = telemetry.metrics::<LeaderMetrics>().0.get_or_create(&[("name", LEASE)]).clone();
        let health = Arc::new(Mutex::new(Err("waiting for the first answer".to_owned())));
        let (lease, known) = (requests.lease(), health.clone());
        telemetry.add_readiness("leader", move || {
            known.lock().clone().map_err(|why| format!("Lease {lease} cannot be used yet: {why}"))
        });
        let (role, fence, throttle) = (Role::Standby, Fence::default(), LogThrottle::default());
        Election { requests, identity, machine, next, role, fence, metric, throttle, health }
    }

    /// Returns when this process leads, with the fence open.
    async fn acquire(&mut self) {
        while !matches!(self.role, Role::Leader(_)) {
            self.step().await;
        }
        self.metric.set(1);
        tracing::info!(lease = self.requests.lease(), identity = self.identity, "became the leader");
    }

    /// Renews the Lease until it is lost.
    async fn renew(&mut self) -> LeaseLost {
        loop {
            if let Role::Lost(why) = &self.role {
                self.close();
                return LeaseLost { lease: self.requests.lease(), why: why.clone() };
            }
            self.step().await;
        }
    }

    /// One request. Dropped before the answer, it changes nothing.
    async fn step(&mut self) {
        sleep(self.next.after).await;
        let sent = Instant::now();
        // A process that was stopped for long does not renew a Lease that it is about to give up.
        let limit = match self.role {
            Role::Leader(until) => REQUEST_LIMIT.min(until.saturating_duration_since(sent)),
            _ => REQUEST_LIMIT,
        };
        let answer = if limit.is_zero() {
            Err("the last renewal was too long ago".to_owned())
        } else {
            let answer = timeout(limit, self.requests.send(&self.next.request)).await;
            answer.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
        };
        self.report(&answer);
        let holder = self.machine.holder();
        let answer = answer.unwrap_or(Answer::Failed);
        (self.role, self.next) = self.machine.on(answer, sent, Instant::now(), rand::random());
        if let Role::Leader(until) = self.role {
            self.fence.open_until(until);
        }
        match self.machine.holder() {
            now if now == holder => {}
            Some(holder) if holder == self.identity => {}
            Some(holder) => tracing::info!(lease = self.requests.lease(), holder, "standby: another process leads"),
            None => tracing::info!(lease = self.requests.lease(), "the Lease has no holder"),
        }
    }

    /// Keeps an error for `/readyz` and logs it. An absent Lease is not yet a success: perhaps it cannot be created.
    fn report(&self, answer: &Result<Answer, String>) {
        match answer {
            Err(error) => {
                if let Err(why) = &mut *self.health.lock() {
                    why.clone_from(error);
                }
                if let Some(permit) = self.throttle.allow() {
                    let (lease, suppressed) = (self.requests.lease(), permit.suppressed);
                    tracing::warn!(lease, error, suppressed, "the Lease cannot be read or written, retrying");
                }
            }
            Ok(Answer::Found(_) | Answer::Written(_)) => *self.health.lock() = Ok(()),
            Ok(_) => {}
        }
    }

    fn close(&self) {
        self.fence.close();
        self.metric.set(0);
    }

    /// Closes the fence, then releases the Lease if this process holds it.
    async fn release(&self) {
        self.close();
        // A write that is on its way may be done: then this process holds the Lease as well.
        if self.role == Role::Standby && self.next.request == Request::Get {
            return;
        }
        let lease = self.requests.lease();
        match timeout(RELEASE_LIMIT, self.requests.release(&self.identity)).await {
            Ok(Ok(true)) => tracing::info!(lease, "released the Lease"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(lease, error, "the Lease is not released and will expire"),
            Err(_) => tracing::warn!(lease, "the Lease is not released and will expire: no answer within 2 s"),
        }
    }
}

#[cfg(test)]
mod tests;
