//! Decides what a candidate does next: read the Lease, acquire it, renew it, or stop because the Lease is lost.
//!
//! A pure state machine: it takes a response, and returns the role and the next request. It does no I/O; time and
//! jitter are arguments, so a test can run hundreds of elections. The [`LeaderElector`](super::LeaderElector) sends
//! what it returns.
//!
//! ```text
//!         no holder, held by this process, or unchanged for its whole duration: acquire it
//!            +------------------------------------------------------------+
//!            |                                                            v      written in time
//!  start -> Get  <------- 409, 404: another process was faster ------- Write ------------------> leader, renews
//!            ^  |                                                                                  every 2 s
//!            +--+  another holder: standby, read again in 2 to 4.4 s
//!                  (at the expiry, if that is sooner)          no renewal for 10 s, or another holder: lost
//! ```
//!
//! # Why two processes never lead at once
//!
//! Two clocks are never compared. A leader counts from the moment at which it **sent** its last successful renewal, and
//! stops after [`RENEW_DEADLINE`]. A standby counts from the moment at which it first **observed** that renewal, which is
//! later, and waits for the longer [`LEASE_DURATION`]. So the clocks only have to run at about the same speed (the
//! margin is a third); the time of day and `renewTime` do not matter. Of two writes that are based on the same version
//! the API server accepts one.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use tokio::time::Instant;

/// Time after which another candidate may acquire a Lease that is not renewed.
pub(super) const LEASE_DURATION: Duration = Duration::from_secs(15);
/// Time after which a leader without a renewal stops leading.
pub(super) const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Time between two requests. For a standby, jitter makes it up to 2.2 times as long.
pub(super) const RETRY_PERIOD: Duration = Duration::from_secs(2);
/// The largest share of [`RETRY_PERIOD`] that jitter adds.
const JITTER_FACTOR: f64 = 1.2;
/// Time limit for a request. After a request that hangs, a leader has time for another one.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

// client-go refuses to start with other proportions.
const _: () = assert!(LEASE_DURATION.as_millis() > RENEW_DEADLINE.as_millis());
const _: () = assert!(RENEW_DEADLINE.as_millis() > RETRY_PERIOD.as_millis() * 12 / 10);
const _: () = assert!(RENEW_DEADLINE.as_millis() > REQUEST_TIMEOUT.as_millis());

/// A request to the API server.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LeaseRequest {
    /// Read the Lease.
    Get,
    /// Create the Lease if it has no version, else update it at that version. The sender sets the times.
    Write(Box<Lease>),
}

/// What to send next, and when.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NextRequest {
    /// The wait before it.
    pub after: Duration,
    /// The request.
    pub request: LeaseRequest,
}

/// The result of a request.
#[derive(Debug)]
pub(super) enum LeaseResponse {
    /// To a `Get`: the Lease.
    Found(Lease),
    /// To a `Get`: the Lease does not exist.
    Absent,
    /// To a `Write`: the stored Lease.
    Written(Lease),
    /// To a `Write`: the Lease has another version.
    Conflict,
    /// No usable response. The API server may have done a `Write`.
    Failed,
}

/// The role of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Another process may lead.
    Standby,
    /// It leads until this deadline, which each renewal moves.
    Leader(Instant),
    /// It led, and does not lead again, for this reason.
    Lost(String),
}

/// The state machine. See the picture at the top.
#[derive(Debug)]
pub(super) struct Machine {
    identity: String,
    observed: Option<Observed>,
    /// When the last successful acquisition or renewal was sent. None: this process has not led yet.
    renewal_sent_at: Option<Instant>,
}

/// The last known Lease. (client-go: `observedRecord` and `observedTime`.)
#[derive(Debug)]
struct Observed {
    lease: Lease,
    /// When its spec was first observed, by the local clock.
    since: Instant,
}

impl Machine {
    /// Returns a candidate and its first request. No other process may ever have the same identity.
    pub fn start(identity: String) -> (Self, NextRequest) {
        (Machine { identity, observed: None, renewal_sent_at: None }, get_after(Duration::ZERO))
    }

    /// Applies the response to the request that was sent at `sent`. `jitter` is a random number in `[0, 1)`.
    pub fn step(&mut self, response: LeaseResponse, sent: Instant, now: Instant, jitter: f64) -> (Role, NextRequest) {
        // Counted from the sending: after a request that hung for 5 s there is no wait.
        let retry = (sent + RETRY_PERIOD).saturating_duration_since(now);
        let mut taken_by = None;
        let mut next = match response {
            LeaseResponse::Found(lease) => {
                self.observe(lease, now);
                match self.free_at() {
                    Some(at) if at > now => {
                        taken_by = self.holder();
                        get_after(jittered_retry_period(jitter).min(at - now))
                    }
                    _ => self.write_after(Duration::ZERO),
                }
            }
            LeaseResponse::Absent => {
                self.observed = None;
                self.write_after(Duration::ZERO)
            }
            LeaseResponse::Written(lease) => {
                self.observe(lease, now);
                // A process that was stopped may read a response late: a stale renewal does not grant leadership.
                if now < sent + RENEW_DEADLINE {
                    self.renewal_sent_at = Some(sent);
                }
                // Without a GET before it: if the Lease has changed, the API server returns 409.
                self.write_after(retry)
            }
            // Soon, because a leader has little time, but not at once: two writers could cause conflicts forever.
            LeaseResponse::Conflict => get_after(RETRY_PERIOD.mul_f64(jitter) / 10),
            LeaseResponse::Failed if self.renewal_sent_at.is_some() => get_after(retry),
            LeaseResponse::Failed => get_after(jittered_retry_period(jitter)),
        };
        let role = self.decide_role(now, taken_by);
        if let Role::Leader(deadline) = role {
            next.after = next.after.min(deadline - now);
        }
        (role, next)
    }

    /// Returns the last known holder of the Lease.
    pub fn holder(&self) -> Option<String> {
        holder(&self.observed.as_ref()?.lease).map(str::to_owned)
    }

    fn decide_role(&self, now: Instant, taken_by: Option<String>) -> Role {
        let Some(renewal_sent_at) = self.renewal_sent_at else { return Role::Standby };
        if let Some(other) = taken_by {
            return Role::Lost(format!("{other} holds it now"));
        }
        let deadline = renewal_sent_at + RENEW_DEADLINE;
        if now < deadline { Role::Leader(deadline) } else { Role::Lost(format!("not renewed for {RENEW_DEADLINE:?}")) }
    }

    /// Stores the Lease. Only a new spec or UID restarts the wait for its expiry: a new label is not a renewal.
    fn observe(&mut self, lease: Lease, now: Instant) {
        let same = |old: &Observed| old.lease.spec == lease.spec && old.lease.metadata.uid == lease.metadata.uid;
        let since = self.observed.as_ref().filter(|old| same(old)).map_or(now, |old| old.since);
        self.observed = Some(Observed { lease, since });
    }

    /// Returns when this process may acquire the Lease. None: at once, because it has no holder or this process holds it.
    fn free_at(&self) -> Option<Instant> {
        let Observed { lease, since } = self.observed.as_ref()?;
        holder(lease).filter(|holder| *holder != self.identity)?;
        // The duration that the holder wrote counts: the holder may be another version of this program.
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let duration = seconds.and_then(|s| u64::try_from(s).ok()).map_or(LEASE_DURATION, Duration::from_secs);
        Some(*since + duration)
    }

    fn write_after(&self, after: Duration) -> NextRequest {
        NextRequest { after, request: LeaseRequest::Write(Box::new(self.lease_to_write())) }
    }

    /// Returns the Lease with this candidate as its holder.
    fn lease_to_write(&self) -> Lease {
        let mut lease = self.observed.as_ref().map(|observed| observed.lease.clone()).unwrap_or_default();
        let before = lease.spec.take();
        let is_holder = before.as_ref().is_some_and(|spec| spec.holder_identity.as_deref() == Some(&self.identity));
        let spec = before.clone().unwrap_or_default();
        let count = spec.lease_transitions.unwrap_or(0);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(LEASE_DURATION.as_secs() as i32),
            // The first holder is not a transition.
            lease_transitions: Some(if is_holder || before.is_none() { count } else { count.saturating_add(1) }),
            acquire_time: spec.acquire_time.clone().filter(|_| is_holder),
            renew_time: None,
            ..spec
        });
        lease
    }
}

/// Returns the Lease without a holder if this candidate holds it. A standby may acquire it before it expires.
pub(super) fn released(mut lease: Lease, identity: &str) -> Option<Lease> {
    let spec = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(identity))?;
    spec.holder_identity = Some(String::new());
    // The API server rejects 0.
    spec.lease_duration_seconds = Some(1);
    (spec.acquire_time, spec.renew_time) = (None, None);
    Some(lease)
}

/// Returns the holder. An empty name means that the Lease was released.
fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|name| !name.is_empty())
}

fn get_after(after: Duration) -> NextRequest {
    NextRequest { after, request: LeaseRequest::Get }
}

/// Returns [`RETRY_PERIOD`] with jitter, which spreads the requests of several standbys.
fn jittered_retry_period(jitter: f64) -> Duration {
    RETRY_PERIOD.mul_f64(1.0 + JITTER_FACTOR * jitter)
}

#[cfg(test)]
mod tests;
