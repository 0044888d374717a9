//! What a candidate does next: read the Lease, claim it, renew it, or find it lost.
//!
//! A pure state machine: answers and the local time are arguments, the next request and the role are the result. It has no
//! client, no clock and no random numbers, so that a test can run hundreds of candidates on one Lease.
//!
//! ```text
//!             no holder, ours, or unchanged for its whole duration: claim it
//!            +------------------------------------------------------------+
//!            |                                                            v      done, in time
//!  start -> Get  <------- 409, 404: another process was faster ------- Write ------------------> leader, renews
//!            ^  |                                                                                  every 2 s
//!            +--+  another's: standby, read again in 2 to 4.4 s
//!                  (when it expires, if that is sooner)     no renewal for 10 s, or another's: lost, for good
//! ```
//!
//! # Why two never lead at once
//!
//! Two clocks are never compared. A leader counts from the moment at which it **sent** its last successful renewal, and
//! stops after [`RENEW_DEADLINE`]. A standby counts from the moment at which it first **saw** that renewal, which is later,
//! and waits for the longer [`DURATION`]. So the clocks only have to run at about the same speed (the margin is a third);
//! what time they show, and what `renewTime` says, does not matter. Of two writes that are based on the same version the
//! API server accepts one.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use tokio::time::Instant;

/// Time after which a Lease that is not renewed is free for other candidates.
pub(super) const DURATION: Duration = Duration::from_secs(15);
/// Time after which a holder without a renewal stops leading.
pub(super) const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Pause between two attempts. For a standby, jitter makes it up to 2.2 times as long.
pub(super) const RETRY: Duration = Duration::from_secs(2);
/// Largest part that jitter adds to a pause.
const JITTER: f64 = 1.2;
/// Time limit for a request. One that hangs leaves time for another.
pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(5);

// client-go refuses to start with other proportions.
const _: () = assert!(DURATION.as_millis() > RENEW_DEADLINE.as_millis());
const _: () = assert!(RENEW_DEADLINE.as_millis() > RETRY.as_millis() * 12 / 10);
const _: () = assert!(RENEW_DEADLINE.as_millis() > REQUEST_LIMIT.as_millis());

/// A request to the API server.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    /// Read the Lease.
    Get,
    /// Write it: create it if it has no version, else update it at that version. The times are set when it is sent.
    Write(Box<Lease>),
}

/// The next request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Next {
    /// Pause before it.
    pub after: Duration,
    /// The request.
    pub request: Request,
}

/// The result of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// Of a `Get`: the Lease.
    Found(Lease),
    /// Of a `Get`: there is no Lease.
    Absent,
    /// Of a `Write`: done, with the new Lease.
    Written(Lease),
    /// Of a `Write`: it was based on an old version.
    Conflict,
    /// Unknown: a `Write` may have been done.
    Failed,
}

/// The role of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It waits for the Lease.
    Standby,
    /// It leads, at most until this moment: the deadline of the last renewal.
    Leader(Instant),
    /// It led, and does not lead again: see [the module](super).
    Lost(String),
}

/// The state machine. See the picture at the top.
#[derive(Debug)]
pub(super) struct Machine {
    identity: String,
    seen: Option<Seen>,
    /// When the last renewal that is known to be done was sent. None: this process has not led yet.
    renewed: Option<Instant>,
}

#[derive(Debug)]
struct Seen {
    lease: Lease,
    /// When it was first seen like this, by the local clock.
    since: Instant,
}

impl Machine {
    /// Returns a candidate and its first request. No other process may ever have the same identity.
    pub fn start(identity: String) -> (Self, Next) {
        (Machine { identity, seen: None, renewed: None }, get(Duration::ZERO))
    }

    /// Takes the answer to a request that was sent at `sent` or later. `jitter` is a random number in `[0, 1)`.
    pub fn on(&mut self, answer: Answer, sent: Instant, now: Instant, jitter: f64) -> (Role, Next) {
        let mut taken_by = None;
        let mut next = match answer {
            Answer::Found(lease) => {
                self.see(lease, now);
                match self.free_at() {
                    Some(at) if at > now => {
                        taken_by = self.holder();
                        get(pause(jitter).min(at - now))
                    }
                    _ => Next { after: Duration::ZERO, request: Request::Write(Box::new(self.claim())) },
                }
            }
            Answer::Absent => {
                self.seen = None;
                Next { after: Duration::ZERO, request: Request::Write(Box::new(self.claim())) }
            }
            Answer::Written(lease) => {
                self.see(lease, now);
                // A process that was stopped may read an answer late: a stale renewal does not grant leadership.
                if now < sent + RENEW_DEADLINE {
                    self.renewed = Some(sent);
                }
                // Optimistic: if the Lease has changed, the API server answers 409.
                Next {
                    after: (sent + RETRY).saturating_duration_since(now),
                    request: Request::Write(Box::new(self.claim())),
                }
            }
            // Soon, because a leader has little time, but not at once: two writers would cause conflicts forever.
            Answer::Conflict => get(RETRY.mul_f64(jitter) / 10),
            // A pause after the sending: a request that hung for 5 s is not followed by another pause.
            Answer::Failed if self.renewed.is_some() => get((sent + RETRY).saturating_duration_since(now)),
            Answer::Failed => get(pause(jitter)),
        };
        let role = self.role(now, taken_by);
        if let Role::Leader(until) = role {
            next.after = next.after.min(until - now);
        }
        (role, next)
    }

    /// Returns the holder of the Lease, as last seen.
    pub fn holder(&self) -> Option<String> {
        holder(&self.seen.as_ref()?.lease).map(str::to_owned)
    }

    fn role(&self, now: Instant, taken_by: Option<String>) -> Role {
        let Some(renewed) = self.renewed else { return Role::Standby };
        if let Some(other) = taken_by {
            return Role::Lost(format!("{other} holds it now"));
        }
        let until = renewed + RENEW_DEADLINE;
        if now < until { Role::Leader(until) } else { Role::Lost(format!("not renewed for {RENEW_DEADLINE:?}")) }
    }

    /// Stores the Lease. Only a new spec or UID restarts the wait for its expiry: a new label is not a renewal.
    fn see(&mut self, lease: Lease, now: Instant) {
        let same = |old: &Seen| old.lease.spec == lease.spec && old.lease.metadata.uid == lease.metadata.uid;
        let since = self.seen.as_ref().filter(|old| same(old)).map_or(now, |old| old.since);
        self.seen = Some(Seen { lease, since });
    }

    /// Returns when this process may claim the Lease. None: at any time, because it has no holder or is ours.
    fn free_at(&self) -> Option<Instant> {
        let Seen { lease, since } = self.seen.as_ref()?;
        holder(lease).filter(|holder| *holder != self.identity)?;
        // The holder's own duration counts: it may be another version of this program.
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let duration = seconds.and_then(|s| u64::try_from(s).ok()).map_or(DURATION, Duration::from_secs);
        Some(*since + duration)
    }

    /// Returns the Lease with this candidate as its holder.
    fn claim(&self) -> Lease {
        let mut lease = self.seen.as_ref().map(|seen| seen.lease.clone()).unwrap_or_default();
        let before = lease.spec.take();
        let ours = before.as_ref().is_some_and(|spec| spec.holder_identity.as_deref() == Some(&self.identity));
        let spec = before.clone().unwrap_or_default();
        let count = spec.lease_transitions.unwrap_or(0);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(DURATION.as_secs() as i32),
            // The first holder is no transition.
            lease_transitions: Some(if ours || before.is_none() { count } else { count.saturating_add(1) }),
            acquire_time: spec.acquire_time.clone().filter(|_| ours),
            renew_time: None,
            ..spec
        });
        lease
    }
}

/// Returns the Lease without a holder, if it is this candidate's, so that a standby need not wait until it expires.
pub(super) fn released(mut lease: Lease, identity: &str) -> Option<Lease> {
    let spec = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(identity))?;
    spec.holder_identity = Some(String::new());
    // The API server refuses 0.
    spec.lease_duration_seconds = Some(1);
    (spec.acquire_time, spec.renew_time) = (None, None);
    Some(lease)
}

/// An empty name means that the Lease was released.
fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|name| !name.is_empty())
}

fn get(after: Duration) -> Next {
    Next { after, request: Request::Get }
}

/// The pause of a standby; `jitter` spreads several.
fn pause(jitter: f64) -> Duration {
    RETRY.mul_f64(1.0 + JITTER * jitter)
}

#[cfg(test)]
mod tests;
