use k8s_openapi::{
    api::coordination::v1::LeaseSpec,
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Returns the Lease in this version, renewed at this time by the holder's clock.
fn lease(holder: &str, version: &str, renewed: i64) -> Lease {
    let time = jiff::Timestamp::from_second(renewed).unwrap();
    Lease {
        metadata: ObjectMeta { resource_version: Some(version.into()), uid: Some("u".into()), ..ObjectMeta::default() },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.into()),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(3),
            acquire_time: Some(MicroTime(time)),
            renew_time: Some(MicroTime(time)),
            ..LeaseSpec::default()
        }),
    }
}

/// The state machine of the candidate `me`, and its clock.
struct Harness {
    machine: Machine,
    now: Instant,
    next: NextRequest,
    role: Role,
}

impl Harness {
    fn new() -> Harness {
        let (machine, next) = Machine::start("me".into());
        Harness { machine, now: Instant::now() + Duration::from_secs(1000), next, role: Role::Standby }
    }

    /// Responds to the next request after this time.
    fn respond(&mut self, took: Duration, response: LeaseResponse) -> &mut Harness {
        let sent = self.now + self.next.after;
        self.now = sent + took;
        (self.role, self.next) = self.machine.step(response, sent, self.now, 0.5);
        self
    }

    /// Accepts the next request, a write.
    fn write(&mut self) -> &mut Harness {
        let LeaseRequest::Write(mut lease) = self.next.request.clone() else { panic!("not a write: {:?}", self.next) };
        let version = lease.metadata.resource_version.and_then(|v| v.parse().ok()).unwrap_or(0) + 1;
        lease.metadata.resource_version = Some(version.to_string());
        lease.spec.as_mut().unwrap().renew_time = Some(MicroTime(jiff::Timestamp::from_second(version).unwrap()));
        self.respond(Duration::ZERO, LeaseResponse::Written(*lease))
    }

    fn leading() -> Harness {
        let mut harness = Harness::new();
        harness.respond(Duration::ZERO, LeaseResponse::Absent).write();
        harness
    }

    /// Returns the spec in the next request, a write.
    fn lease_to_write(&self) -> LeaseSpec {
        let LeaseRequest::Write(lease) = &self.next.request else { panic!("not a write: {:?}", self.next) };
        lease.spec.clone().unwrap()
    }
}

#[test]
fn absent_free_or_own_lease_is_claimed_at_once() {
    for (response, transitions) in [
        (LeaseResponse::Absent, 0),
        (LeaseResponse::Found(lease("", "7", 0)), 4),
        // The response to an earlier claim was lost.
        (LeaseResponse::Found(lease("me", "7", 0)), 3),
    ] {
        let kept = matches!(&response, LeaseResponse::Found(lease) if holder(lease) == Some("me"));
        let mut harness = Harness::new();
        harness.respond(SECOND, response);
        assert_eq!((&harness.role, harness.next.after), (&Role::Standby, Duration::ZERO), "not before the response");
        let spec = harness.lease_to_write();
        assert_eq!(spec.holder_identity.as_deref(), Some("me"));
        assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(15), Some(transitions)));
        assert_eq!(spec.acquire_time.is_some(), kept, "the time of an own claim stays");
        harness.write();
        assert_eq!(harness.role, Role::Leader(harness.now + RENEW_DEADLINE));
        assert_eq!(harness.next.after, RETRY_PERIOD);
    }
}

#[test]
fn lease_of_another_holder_expires_by_the_local_clock() {
    for renewed in [-1_000_000, 0, 1_000_000_000] {
        let mut harness = Harness::new();
        harness.respond(SECOND, LeaseResponse::Found(lease("other", "7", renewed)));
        let observed_at = harness.now;
        while harness.next.request == LeaseRequest::Get {
            assert!(
                (RETRY_PERIOD..=RETRY_PERIOD.mul_f64(2.2)).contains(&harness.next.after)
                    || harness.now + harness.next.after == observed_at + LEASE_DURATION
            );
            harness.respond(Duration::ZERO, LeaseResponse::Found(lease("other", "7", renewed)));
        }
        assert_eq!(harness.now, observed_at + LEASE_DURATION);
        assert_eq!(harness.lease_to_write().lease_transitions, Some(4));
    }
}

#[test]
fn renewal_restarts_the_wait_but_a_new_label_does_not() {
    let mut harness = Harness::new();
    harness.respond(SECOND, LeaseResponse::Found(lease("other", "7", 0)));
    let observed_at = harness.now;
    harness.now += SECOND * 10;
    harness.respond(SECOND, LeaseResponse::Found(lease("other", "8", 0)));
    assert_eq!(harness.machine.free_at(), Some(observed_at + LEASE_DURATION), "a new label");
    harness.respond(SECOND, LeaseResponse::Found(lease("other", "9", 1)));
    assert_eq!(harness.machine.free_at(), Some(harness.now + LEASE_DURATION));
    let mut again = lease("other", "10", 1);
    again.metadata.uid = Some("created again".into());
    harness.respond(SECOND, LeaseResponse::Found(again));
    assert_eq!(harness.machine.free_at(), Some(harness.now + LEASE_DURATION));
}

#[test]
fn standby_waits_for_the_duration_of_the_holder() {
    let mut harness = Harness::new();
    let mut longer = lease("other", "7", 0);
    longer.spec.as_mut().unwrap().lease_duration_seconds = Some(60);
    harness.respond(SECOND, LeaseResponse::Found(longer));
    assert_eq!(harness.machine.free_at(), Some(harness.now + SECOND * 60));
    let mut without = lease("other", "8", 0);
    without.spec.as_mut().unwrap().lease_duration_seconds = None;
    harness.respond(SECOND, LeaseResponse::Found(without));
    assert_eq!(harness.machine.free_at(), Some(harness.now + LEASE_DURATION));
}

#[test]
fn conflict_is_followed_by_a_get_soon() {
    let mut harness = Harness::new();
    harness.respond(SECOND, LeaseResponse::Found(lease("", "7", 0))).respond(SECOND, LeaseResponse::Conflict);
    assert_eq!((&harness.role, &harness.next.request), (&Role::Standby, &LeaseRequest::Get));
    assert!(harness.next.after <= RETRY_PERIOD / 10 && !harness.next.after.is_zero());
    harness.respond(SECOND, LeaseResponse::Found(lease("other", "8", 0)));
    assert_eq!((&harness.role, &harness.next.request), (&Role::Standby, &LeaseRequest::Get));
}

#[test]
fn leadership_counts_from_sending_the_renewal() {
    let mut harness = Harness::leading();
    let sent = harness.now + RETRY_PERIOD;
    harness.respond(SECOND * 4, LeaseResponse::Written(lease("me", "8", 1)));
    assert_eq!(harness.role, Role::Leader(sent + RENEW_DEADLINE));
    assert_eq!(harness.next.after, Duration::ZERO);
}

#[test]
fn leader_without_renewal_loses_at_the_deadline() {
    let mut harness = Harness::leading();
    let deadline = harness.now + RENEW_DEADLINE;
    while harness.now < deadline {
        assert_eq!(harness.role, Role::Leader(deadline));
        assert!(harness.next.after <= RETRY_PERIOD);
        harness.respond(Duration::from_millis(1), LeaseResponse::Failed);
    }
    assert_eq!(harness.role, Role::Lost("not renewed for 10s".into()));
}

#[test]
fn one_hanging_request_does_not_lose_the_lease() {
    let mut harness = Harness::leading();
    harness.respond(REQUEST_TIMEOUT, LeaseResponse::Failed);
    assert_eq!((harness.next.after, &harness.next.request), (Duration::ZERO, &LeaseRequest::Get));
    // The API server has done the write.
    harness.respond(SECOND, LeaseResponse::Found(lease("me", "9", 5))).write();
    assert_eq!(harness.role, Role::Leader(harness.now + RENEW_DEADLINE));
}

#[test]
fn leader_that_finds_another_holder_loses_at_once() {
    let mut harness = Harness::leading();
    harness.respond(SECOND, LeaseResponse::Conflict);
    assert!(matches!(harness.role, Role::Leader(_)), "a conflict alone is not a loss");
    harness.respond(SECOND, LeaseResponse::Found(lease("other", "9", 0)));
    assert_eq!(harness.role, Role::Lost("other holds it now".into()));
}

#[test]
fn leader_creates_a_deleted_lease_again() {
    let mut harness = Harness::leading();
    harness.respond(SECOND, LeaseResponse::Conflict).respond(SECOND, LeaseResponse::Absent);
    assert!(matches!(&harness.next.request, LeaseRequest::Write(lease) if lease.metadata.resource_version.is_none()));
    harness.write();
    assert!(matches!(harness.role, Role::Leader(_)));
}

#[test]
fn stale_renewal_does_not_grant_leadership() {
    let mut harness = Harness::new();
    harness.respond(SECOND, LeaseResponse::Absent).respond(RENEW_DEADLINE, LeaseResponse::Written(lease("me", "1", 0)));
    assert_eq!(harness.role, Role::Standby);
    assert_eq!((harness.next.after, harness.lease_to_write().holder_identity.as_deref()), (Duration::ZERO, Some("me")));
}

#[test]
fn only_the_holder_releases_the_lease() {
    assert_eq!(released(lease("other", "7", 0), "me"), None);
    assert_eq!(released(Lease::default(), "me"), None);
    let free = released(lease("me", "7", 0), "me").unwrap();
    assert_eq!(free.metadata.resource_version.as_deref(), Some("7"));
    let spec = free.spec.unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some(""), Some(1)));
    assert_eq!(spec.lease_transitions, Some(3));
}

#[test]
fn claim_keeps_the_labels_of_the_lease() {
    let mut free = lease("", "7", 0);
    free.metadata.labels = Some([("team".to_owned(), "a".to_owned())].into());
    let mut harness = Harness::new();
    harness.respond(SECOND, LeaseResponse::Found(free.clone()));
    assert!(matches!(&harness.next.request, LeaseRequest::Write(claim) if claim.metadata == free.metadata));
}

mod simulation;
