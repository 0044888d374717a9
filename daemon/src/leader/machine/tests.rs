use k8s_openapi::{
    api::coordination::v1::LeaseSpec,
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// The Lease in this version, renewed at this time by the holder's clock.
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

/// The machine of the candidate `me`, and its clock.
struct Harness {
    machine: Machine,
    now: Instant,
    next: Next,
    role: Role,
}

impl Harness {
    fn new() -> Harness {
        let (machine, next) = Machine::start("me".into());
        Harness { machine, now: Instant::now() + Duration::from_secs(1000), next, role: Role::Standby }
    }

    /// Answers its next request after this time.
    fn on(&mut self, took: Duration, answer: Answer) -> &mut Harness {
        let sent = self.now + self.next.after;
        self.now = sent + took;
        (self.role, self.next) = self.machine.on(answer, sent, self.now, 0.5);
        self
    }

    /// Its next request, a write, is done.
    fn done(&mut self) -> &mut Harness {
        let Request::Write(mut lease) = self.next.request.clone() else { panic!("not a write: {:?}", self.next) };
        let version = lease.metadata.resource_version.and_then(|v| v.parse().ok()).unwrap_or(0) + 1;
        lease.metadata.resource_version = Some(version.to_string());
        lease.spec.as_mut().unwrap().renew_time = Some(MicroTime(jiff::Timestamp::from_second(version).unwrap()));
        self.on(Duration::ZERO, Answer::Written(*lease))
    }

    fn leading() -> Harness {
        let mut me = Harness::new();
        me.on(Duration::ZERO, Answer::Absent).done();
        me
    }

    fn written(&self) -> LeaseSpec {
        let Request::Write(lease) = &self.next.request else { panic!("not a write: {:?}", self.next) };
        lease.spec.clone().unwrap()
    }
}

#[test]
fn absent_free_or_own_lease_is_claimed_at_once() {
    for (answer, transitions) in [
        (Answer::Absent, 0),
        (Answer::Found(lease("", "7", 0)), 4),
        // The answer to an earlier claim was lost.
        (Answer::Found(lease("me", "7", 0)), 3),
    ] {
        let kept = matches!(&answer, Answer::Found(lease) if holder(lease) == Some("me"));
        let mut me = Harness::new();
        me.on(SECOND, answer);
        assert_eq!((&me.role, me.next.after), (&Role::Standby, Duration::ZERO), "not before the answer");
        let spec = me.written();
        assert_eq!(spec.holder_identity.as_deref(), Some("me"));
        assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(15), Some(transitions)));
        assert_eq!(spec.acquire_time.is_some(), kept, "the time of an own claim stays");
        me.done();
        assert_eq!(me.role, Role::Leader(me.now + RENEW_DEADLINE));
        assert_eq!(me.next.after, RETRY);
    }
}

#[test]
fn another_lease_expires_by_the_local_clock() {
    for renewed in [-1_000_000, 0, 1_000_000_000] {
        let mut me = Harness::new();
        me.on(SECOND, Answer::Found(lease("other", "7", renewed)));
        let seen = me.now;
        while me.next.request == Request::Get {
            assert!((RETRY..=RETRY.mul_f64(2.2)).contains(&me.next.after) || me.now + me.next.after == seen + DURATION);
            me.on(Duration::ZERO, Answer::Found(lease("other", "7", renewed)));
        }
        assert_eq!(me.now, seen + DURATION);
        assert_eq!(me.written().lease_transitions, Some(4));
    }
}

#[test]
fn renewal_restarts_the_wait_but_a_new_label_does_not() {
    let mut me = Harness::new();
    me.on(SECOND, Answer::Found(lease("other", "7", 0)));
    let seen = me.now;
    me.now += SECOND * 10;
    me.on(SECOND, Answer::Found(lease("other", "8", 0)));
    assert_eq!(me.machine.free_at(), Some(seen + DURATION), "a new label");
    me.on(SECOND, Answer::Found(lease("other", "9", 1)));
    assert_eq!(me.machine.free_at(), Some(me.now + DURATION));
    let mut again = lease("other", "10", 1);
    again.metadata.uid = Some("created again".into());
    me.on(SECOND, Answer::Found(again));
    assert_eq!(me.machine.free_at(), Some(me.now + DURATION));
}

#[test]
fn duration_of_the_holder_counts() {
    let mut me = Harness::new();
    let mut patient = lease("other", "7", 0);
    patient.spec.as_mut().unwrap().lease_duration_seconds = Some(60);
    me.on(SECOND, Answer::Found(patient));
    assert_eq!(me.machine.free_at(), Some(me.now + SECOND * 60));
    let mut silent = lease("other", "8", 0);
    silent.spec.as_mut().unwrap().lease_duration_seconds = None;
    me.on(SECOND, Answer::Found(silent));
    assert_eq!(me.machine.free_at(), Some(me.now + DURATION));
}

#[test]
fn conflict_is_followed_by_a_get_soon() {
    let mut me = Harness::new();
    me.on(SECOND, Answer::Found(lease("", "7", 0))).on(SECOND, Answer::Conflict);
    assert_eq!((&me.role, &me.next.request), (&Role::Standby, &Request::Get));
    assert!(me.next.after <= RETRY / 10 && !me.next.after.is_zero());
    me.on(SECOND, Answer::Found(lease("other", "8", 0)));
    assert_eq!((&me.role, &me.next.request), (&Role::Standby, &Request::Get));
}

#[test]
fn leadership_counts_from_sending_the_renewal() {
    let mut me = Harness::leading();
    let sent = me.now + RETRY;
    me.on(SECOND * 4, Answer::Written(lease("me", "8", 1)));
    assert_eq!(me.role, Role::Leader(sent + RENEW_DEADLINE));
    assert_eq!(me.next.after, Duration::ZERO);
}

#[test]
fn leader_without_renewal_loses_at_the_deadline() {
    let mut me = Harness::leading();
    let deadline = me.now + RENEW_DEADLINE;
    while me.now < deadline {
        assert_eq!(me.role, Role::Leader(deadline));
        assert!(me.next.after <= RETRY);
        me.on(Duration::from_millis(1), Answer::Failed);
    }
    assert_eq!(me.role, Role::Lost("not renewed for 10s".into()));
}

#[test]
fn one_hanging_request_does_not_cost_the_lease() {
    let mut me = Harness::leading();
    me.on(REQUEST_LIMIT, Answer::Failed);
    assert_eq!((me.next.after, &me.next.request), (Duration::ZERO, &Request::Get));
    // The write was done after all.
    me.on(SECOND, Answer::Found(lease("me", "9", 5))).done();
    assert_eq!(me.role, Role::Leader(me.now + RENEW_DEADLINE));
}

#[test]
fn leader_that_finds_another_holder_loses_at_once() {
    let mut me = Harness::leading();
    me.on(SECOND, Answer::Conflict);
    assert!(matches!(me.role, Role::Leader(_)), "a conflict alone says little");
    me.on(SECOND, Answer::Found(lease("other", "9", 0)));
    assert_eq!(me.role, Role::Lost("other holds it now".into()));
}

#[test]
fn leader_creates_a_deleted_lease_again() {
    let mut me = Harness::leading();
    me.on(SECOND, Answer::Conflict).on(SECOND, Answer::Absent);
    assert!(matches!(&me.next.request, Request::Write(lease) if lease.metadata.resource_version.is_none()));
    me.done();
    assert!(matches!(me.role, Role::Leader(_)));
}

#[test]
fn stale_renewal_does_not_grant_leadership() {
    let mut me = Harness::new();
    me.on(SECOND, Answer::Absent).on(RENEW_DEADLINE, Answer::Written(lease("me", "1", 0)));
    assert_eq!(me.role, Role::Standby);
    assert_eq!((me.next.after, me.written().holder_identity.as_deref()), (Duration::ZERO, Some("me")));
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
fn claim_keeps_labels_of_the_lease() {
    let mut theirs = lease("", "7", 0);
    theirs.metadata.labels = Some([("team".to_owned(), "a".to_owned())].into());
    let mut me = Harness::new();
    me.on(SECOND, Answer::Found(theirs.clone()));
    assert!(matches!(&me.next.request, Request::Write(ours) if ours.metadata == theirs.metadata));
}

mod simulation;
