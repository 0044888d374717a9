//! Leader election: of several replicas, only the holder of a Lease runs.
//!
//! Two controllers do no damage, because every write names the version that it is based on, but they do all the work
//! twice. The rules and the numbers are those of client-go (`tools/leaderelection`).
//!
//! * `machine.rs`: decides what a candidate does next, so that two processes never lead at once. Pure.
//! * `fence.rs`: blocks writes while this process does not lead.
//! * `lease_lock.rs`: the requests for the Lease.
//! * This file: [`lead`], and the loop that drives the state machine with a client, a clock and random numbers.
//!
//! # Promises
//!
//! * Of all processes that use one Lease, at most one has its fence open, if their monotonic clocks run at about the same
//!   speed and nothing else edits the Lease.
//! * When the leader dies, another process leads within 20 s. When the leader stops, it releases the Lease, and another
//!   process leads within 5 s.
//! * The Lease is released after the work, with the fence closed, and only by its holder.
//! * A process that has lost the Lease ends with exit code 1. The restart clears retries, events and log state of the old
//!   term, which a controller that kept running would have to find one by one.

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
mod lease_lock;
mod machine;

pub use fence::NotSent;

use fence::Fence;
use lease_lock::LeaseLock;
use machine::{LeaseRequest, LeaseResponse, Machine, NextRequest, REQUEST_TIMEOUT, Role};

/// Name of the Lease, and of the election in the metric.
const LEASE_NAME: &str = "demo-controller";
/// Time limit for the release of the Lease.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// A process that wants to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Name of the pod, the readable part of the identity. None: the host name.
    pub name: Option<String>,
    /// Namespace of the Lease.
    pub namespace: String,
}

impl Candidate {
    /// Reads `POD_NAME` and `POD_NAMESPACE`, which a manifest sets. Without `POD_NAMESPACE` the namespace is that of the
    /// service account or of the context.
    ///
    /// # Errors
    /// [`Error::Usage`]: `POD_NAMESPACE` is not a namespace.
    pub fn from_env(connection: &Connection) -> Result<Self, Error> {
        let variable = |name| env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let namespace = variable("POD_NAMESPACE");
        if let Some(wrong) = namespace.as_deref().filter(|namespace| !names::is_label(namespace)) {
            return Err(Error::Usage(format!("POD_NAMESPACE={wrong}: expected the name of a namespace")));
        }
        let default = || connection.pod_namespace.clone().unwrap_or_else(|| connection.default_namespace.clone());
        Ok(Candidate { name: variable("POD_NAME"), namespace: namespace.unwrap_or_else(default) })
    }

    /// Returns an identity that no other process has, not even this pod before a restart.
    fn new_identity(&self) -> String {
        let host = || nix::unistd::gethostname().ok()?.into_string().ok();
        let name = self.name.clone().or_else(host).unwrap_or_else(|| "unknown".to_owned());
        format!("{name}_{:016x}", rand::random::<u64>())
    }
}

/// This process led and has lost the Lease. Its work was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseLost {
    /// `namespace/name` of the Lease.
    pub lease: String,
    /// The reason.
    pub why: String,
}

impl fmt::Display for LeaseLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lost the Lease {}: {}; the process ends, and may lead again after a restart", self.lease, self.why)
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

/// Acquires the Lease, runs `work` with a fenced client, and releases the Lease.
///
/// If `stop` is cancelled before this process leads, `work` does not run. After that, `work` itself has to watch
/// `stop`. If `work` fails, the Lease is not released, because a write may still be in flight. Cancellation: a dropped
/// future does not release the Lease, and the fence closes within 10 s.
///
/// # Errors
/// The error of `work`, or [`LeaseLost`] after cancelling `stop` and dropping `work`.
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
    let mut elector = LeaderElector::new(client.clone(), &candidate, telemetry);
    let elected = tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = elector.acquire() => true,
    };
    if elected {
        let working = work(elector.fence.guard(&client));
        let renew = async {
            let lost = elector.renew().await;
            stop.cancel(); // so that the tasks of `work` end without an error
            lost
        };
        tokio::select! {
            lost = renew => return Err(LeadError::Lost(lost)),
            result = working => result.map_err(LeadError::Work)?,
        }
    }
    elector.release().await;
    Ok(())
}

/// client-go's metric.
#[derive(Clone, Default)]
struct LeaderMetrics(Family<[(&'static str, &'static str); 1], Gauge>);

impl Metrics for LeaderMetrics {
    fn register(&self, registry: &mut Registry) {
        let help = "1 in the process that holds the Lease, 0 in a standby";
        registry.register("leader_election_master_status", help, self.0.clone());
    }
}

/// Runs the election for one candidate.
struct LeaderElector {
    lease: LeaseLock,
    identity: String,
    machine: Machine,
    next: NextRequest,
    role: Role,
    fence: Fence,
    metric: Gauge,
    throttle: LogThrottle,
    /// Ok once the Lease was read or written; else the last error.
    health: Arc<Mutex<Result<(), String>>>,
}

impl LeaderElector {
    fn new(client: Client, candidate: &Candidate, telemetry: &Telemetry) -> Self {
        let lease = LeaseLock::new(client, &candidate.namespace);
        let identity = candidate.new_identity();
        let (machine, next) = Machine::start(identity.clone());
        let metric = telemetry.metrics::<LeaderMetrics>().0.get_or_create(&[("name", LEASE_NAME)]).clone();
        let health = Arc::new(Mutex::new(Err("waiting for the first response".to_owned())));
        let (name, checked) = (lease.describe(), health.clone());
        telemetry.add_readiness("leader", move || {
            checked.lock().clone().map_err(|why| format!("Lease {name} cannot be used yet: {why}"))
        });
        let (role, fence, throttle) = (Role::Standby, Fence::default(), LogThrottle::default());
        LeaderElector { lease, identity, machine, next, role, fence, metric, throttle, health }
    }

    /// Returns when this process leads and the fence is open.
    async fn acquire(&mut self) {
        while !matches!(self.role, Role::Leader(_)) {
            self.step().await;
        }
        self.metric.set(1);
        tracing::info!(lease = self.lease.describe(), identity = self.identity, "became the leader");
    }

    /// Renews the Lease until it is lost.
    async fn renew(&mut self) -> LeaseLost {
        loop {
            if let Role::Lost(why) = &self.role {
                self.close();
                return LeaseLost { lease: self.lease.describe(), why: why.clone() };
            }
            self.step().await;
        }
    }

    /// Sends the next request and applies the response. Cancel-safe.
    async fn step(&mut self) {
        sleep(self.next.after).await;
        let sent = Instant::now();
        // After the deadline no renewal is sent: this process is about to give up the Lease.
        let limit = match self.role {
            Role::Leader(deadline) => REQUEST_TIMEOUT.min(deadline.saturating_duration_since(sent)),
            _ => REQUEST_TIMEOUT,
        };
        let response = if limit.is_zero() {
            Err("the last renewal was too long ago".to_owned())
        } else {
            let response = timeout(limit, self.lease.send(&self.next.request)).await;
            response.unwrap_or_else(|_| Err(format!("no response within {limit:?}")))
        };
        self.report(&response);
        let old_holder = self.machine.holder();
        let response = response.unwrap_or(LeaseResponse::Failed);
        (self.role, self.next) = self.machine.step(response, sent, Instant::now(), rand::random());
        if let Role::Leader(deadline) = self.role {
            self.fence.open_until(deadline);
        }
        match self.machine.holder() {
            // `acquire` logs the start of a leader, the caller of `lead` its loss.
            holder if holder == old_holder || self.role != Role::Standby => {}
            Some(holder) if holder == self.identity => {}
            Some(holder) => tracing::info!(lease = self.lease.describe(), holder, "standby: another process leads"),
            None => tracing::info!(lease = self.lease.describe(), "the Lease has no holder"),
        }
    }

    /// Logs an error, and keeps it for `/readyz`. An absent Lease is not a success: perhaps it cannot be created.
    fn report(&self, response: &Result<LeaseResponse, String>) {
        match response {
            Err(error) => {
                if let Err(why) = &mut *self.health.lock() {
                    why.clone_from(error);
                }
                if let Some(permit) = self.throttle.allow() {
                    let (lease, suppressed) = (self.lease.describe(), permit.suppressed);
                    tracing::warn!(lease, error, suppressed, "cannot read or write the Lease, retrying");
                }
            }
            Ok(LeaseResponse::Found(_) | LeaseResponse::Written(_)) => *self.health.lock() = Ok(()),
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
        // If a write is in flight, this process may hold the Lease although it got no response.
        if self.role == Role::Standby && self.next.request == LeaseRequest::Get {
            return;
        }
        let lease = self.lease.describe();
        match timeout(RELEASE_TIMEOUT, self.lease.release(&self.identity)).await {
            Ok(Ok(true)) => tracing::info!(lease, "released the Lease"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(lease, error, "cannot release the Lease, it will expire"),
            Err(_) => tracing::warn!(lease, "cannot release the Lease, it will expire: no response within 2 s"),
        }
    }
}

#[cfg(test)]
mod tests;
