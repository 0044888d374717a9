//! What a candidate does next: look at the Lease, claim it, renew it, or find that it has lost it.
//!
//! A pure state machine, as [the reflector's](crate::informer::machine): what was read and the local time go in, the
//! next request and the present role come out. It has no client, no clock and no dice, so that two of them can be set
//! on one Lease a hundred thousand times.
//!
//! ```text
//!             nobody's, ours, or unchanged for its whole duration: claim it
//!            +------------------------------------------------------------+
//!            |                                                            v      done, in time
//!  start -> Look  <------- 409, 404: someone was faster, look again --- Write ------------------> leads, renews
//!            ^  |                                                                                   every 2 s
//!            +--+  another's: stand by, look again in 2 to 4.4 s
//!                  (when it runs out, if that is sooner)       no renewal done for 10 s, or another's: lost, for good
//! ```
//!
//! # Why two never lead at once
//!
//! Two clocks are never compared. A leader counts from the moment at which it **sent** its last successful renewal, and
//! gives up after [`RENEW_DEADLINE`]. Everyone else counts from the moment at which they first **saw** that renewal,
//! which is later, and waits for the longer [`DURATION`]. So all that is asked of the clocks is that they run at about
//! the same speed (the margin is a third); what time they show, and what stands in `renewTime`, is for people. The API
//! server does the rest: of two writes based on the same version it takes one.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use tokio::time::Instant;

use crate::request::Failure;

/// How long a Lease that nobody renews is still its holder's, for all others.
pub const DURATION: Duration = Duration::from_secs(15);
/// How long a holder without a renewal believes in itself.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// The pause between two attempts. Standing by, it is made longer by chance: up to 2.2 times as long.
pub const RETRY: Duration = Duration::from_secs(2);
/// How much chance has to say.
const JITTER: f64 = 1.2;
/// The longest that a request may take: one that hangs must leave time for the next.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(5);

// client-go refuses to start with other proportions.
const _: () = assert!(DURATION.as_millis() > RENEW_DEADLINE.as_millis());
const _: () = assert!(RENEW_DEADLINE.as_millis() > RETRY.as_millis() * 12 / 10);
const _: () = assert!(RENEW_DEADLINE.as_millis() > REQUEST_LIMIT.as_millis());

/// What to ask the API server.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Read the Lease.
    Look,
    /// Write it: create it if it has no version, else update it at that version. The times are put in on sending.
    Write(Box<Lease>),
}

/// What to do next, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Next {
    /// Wait so long before it.
    pub after: Duration,
    /// The request.
    pub request: Request,
}

/// What came back, or did not.
#[derive(Debug)]
pub enum Answer {
    /// To a look: the Lease.
    Found(Lease),
    /// To a look: there is none.
    Absent,
    /// To a write: done, and this is how it is now.
    Written(Lease),
    /// To a write: it was based on something that is no longer so.
    Conflict,
    /// Neither is known.
    Failed(Failure),
}

/// What this process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of those that wait.
    StandsBy,
    /// The one that works, until then at the most: the deadline of the last renewal.
    Leads(Instant),
    /// It led, and may not any more. There is no way back: see [the module](super).
    Lost(String),
}

/// The state machine. See the picture at the top.
#[derive(Debug)]
pub struct Machine {
    identity: String,
    seen: Option<Seen>,
    /// When the last renewal that is known to be done was sent. None: we have not led yet.
    renewed: Option<Instant>,
}

#[derive(Debug)]
struct Seen {
    lease: Lease,
    /// Since when we know it like this, by our own clock.
    since: Instant,
}

impl Machine {
    /// A candidate that knows nothing yet, and its first request. No other process may ever have the same identity.
    pub fn start(identity: String) -> (Self, Next) {
        (Machine { identity, seen: None, renewed: None }, look(Duration::ZERO))
    }

    /// One step. The request was sent at `sent` (or a moment later: never sooner), the answer is here `now`. `jitter` is
    /// a random number in `[0, 1)`.
    pub fn on(&mut self, answer: Answer, sent: Instant, now: Instant, jitter: f64) -> (Role, Next) {
        let mut taken_by = None;
        let mut next = match answer {
            Answer::Found(lease) => {
                self.see(lease, now);
                match self.free_at() {
                    Some(at) if at > now => {
                        taken_by = self.holder();
                        look(pause(jitter).min(at - now))
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
                // An answer may be read long after it came: a process that was stopped in between must not begin to
                // lead by a renewal that is over.
                if now < sent + RENEW_DEADLINE {
                    self.renewed = Some(sent);
                }
                // Optimistic: as it was when it was written. If it is not, 409 says so.
                Next {
                    after: (sent + RETRY).saturating_duration_since(now),
                    request: Request::Write(Box::new(self.claim())),
                }
            }
            // Soon, as the time of a leader is short, but not at once: two who do nothing but write would keep
            // each other busy.
            Answer::Conflict => look(RETRY.mul_f64(jitter) / 10),
            // A write may have been done all the same. Paced by when it was sent: what hung for 5 s has waited enough.
            Answer::Failed(_) if self.renewed.is_some() => look((sent + RETRY).saturating_duration_since(now)),
            Answer::Failed(_) => look(pause(jitter)),
        };
        let role = self.role(now, taken_by);
        if let Role::Leads(until) = role {
            next.after = next.after.min(until - now);
        }
        (role, next)
    }

    /// Whose the Lease is, as far as we know.
    pub fn holder(&self) -> Option<String> {
        holder(&self.seen.as_ref()?.lease).map(str::to_owned)
    }

    fn role(&self, now: Instant, taken_by: Option<String>) -> Role {
        let Some(renewed) = self.renewed else { return Role::StandsBy };
        if let Some(other) = taken_by {
            return Role::Lost(format!("it is {other}'s now"));
        }
        let until = renewed + RENEW_DEADLINE;
        if now < until { Role::Leads(until) } else { Role::Lost(format!("not renewed for {RENEW_DEADLINE:?}")) }
    }

    /// Takes in what the Lease looks like. The wait for its end begins anew only when what it says has changed: a new
    /// label is no renewal, and neither is the version that it brings.
    fn see(&mut self, lease: Lease, now: Instant) {
        let same = |old: &Seen| old.lease.spec == lease.spec && old.lease.metadata.uid == lease.metadata.uid;
        let since = self.seen.as_ref().filter(|old| same(old)).map_or(now, |old| old.since);
        self.seen = Some(Seen { lease, since });
    }

    /// When we may claim it. None: at any time, since it is nobody's or ours.
    fn free_at(&self) -> Option<Instant> {
        let Seen { lease, since } = self.seen.as_ref()?;
        holder(lease).filter(|holder| *holder != self.identity)?;
        // What the holder says about itself counts: it may be another version of this program, with other numbers.
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let duration = seconds.and_then(|s| u64::try_from(s).ok()).map_or(DURATION, Duration::from_secs);
        Some(*since + duration)
    }

    /// The Lease with our name on it.
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

/// The Lease given back, if it is this candidate's: so that nobody has to wait until it runs out.
pub fn released(mut lease: Lease, identity: &str) -> Option<Lease> {
    let spec = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(identity))?;
    spec.holder_identity = Some(String::new());
    // The API server refuses 0.
    spec.lease_duration_seconds = Some(1);
    (spec.acquire_time, spec.renew_time) = (None, None);
    Some(lease)
}

/// A holder without a name is none: the Lease was given back.
fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|name| !name.is_empty())
}

fn look(after: Duration) -> Next {
    Next { after, request: Request::Look }
}

/// Between two looks of one who stands by; `jitter` spreads many.
fn pause(jitter: f64) -> Duration {
    RETRY.mul_f64(1.0 + JITTER * jitter)
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
