use k8s_openapi::{
    api::coordination::v1::LeaseSpec,
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// The Lease as the server has it, in this version, with whatever time `renewed` the holder's clock shows.
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

fn refused() -> Answer {
    Answer::Failed(Failure::Connection("refused".into()))
}

/// A machine called `me`, and a clock that answers move on.
struct Rig {
    machine: Machine,
    now: Instant,
    next: Next,
    role: Role,
}

impl Rig {
    fn new() -> Rig {
        let (machine, next) = Machine::start("me".into());
        Rig { machine, now: Instant::now() + Duration::from_secs(1000), next, role: Role::StandsBy }
    }

    /// What it asks for next is answered after it has taken so long.
    fn on(&mut self, took: Duration, answer: Answer) -> &mut Rig {
        let sent = self.now + self.next.after;
        self.now = sent + took;
        (self.role, self.next) = self.machine.on(answer, sent, self.now, 0.5);
        self
    }

    /// What it asks for next, a write, is done.
    fn done(&mut self) -> &mut Rig {
        let Request::Write(mut lease) = self.next.request.clone() else { panic!("not a write: {:?}", self.next) };
        let version = lease.metadata.resource_version.and_then(|v| v.parse().ok()).unwrap_or(0) + 1;
        lease.metadata.resource_version = Some(version.to_string());
        lease.spec.as_mut().unwrap().renew_time = Some(MicroTime(jiff::Timestamp::from_second(version).unwrap()));
        self.on(Duration::ZERO, Answer::Written(*lease))
    }

    fn leading() -> Rig {
        let mut rig = Rig::new();
        rig.on(Duration::ZERO, Answer::Absent).done();
        rig
    }

    fn written(&self) -> LeaseSpec {
        let Request::Write(lease) = &self.next.request else { panic!("not a write: {:?}", self.next) };
        lease.spec.clone().unwrap()
    }
}

#[test]
fn a_lease_that_is_not_there_is_created_and_one_that_is_free_or_ours_is_claimed_at_once() {
    for (answer, transitions) in [
        (Answer::Absent, 0),
        (Answer::Found(lease("", "7", 0)), 4),
        // The answer to an earlier claim got lost.
        (Answer::Found(lease("me", "7", 0)), 3),
    ] {
        let kept = matches!(&answer, Answer::Found(lease) if holder(lease) == Some("me"));
        let mut rig = Rig::new();
        rig.on(SECOND, answer);
        assert_eq!((&rig.role, rig.next.after), (&Role::StandsBy, Duration::ZERO), "a claim is not yet an answer");
        let spec = rig.written();
        assert_eq!(spec.holder_identity.as_deref(), Some("me"));
        assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(15), Some(transitions)));
        assert_eq!(spec.acquire_time.is_some(), kept, "when it was acquired stays");
        rig.done();
        assert_eq!(rig.role, Role::Leads(rig.now + RENEW_DEADLINE));
        assert_eq!(rig.next.after, RETRY);
    }
}

#[test]
fn anothers_lease_is_waited_for_by_our_own_clock_whatever_time_it_shows() {
    for renewed in [-1_000_000, 0, 1_000_000_000] {
        let mut rig = Rig::new();
        rig.on(SECOND, Answer::Found(lease("other", "7", renewed)));
        let seen = rig.now;
        while rig.next.request == Request::Look {
            assert!(
                (RETRY..=RETRY.mul_f64(2.2)).contains(&rig.next.after) || rig.now + rig.next.after == seen + DURATION
            );
            rig.on(Duration::ZERO, Answer::Found(lease("other", "7", renewed)));
        }
        assert_eq!(rig.now, seen + DURATION, "not a moment late");
        assert_eq!(rig.written().lease_transitions, Some(4));
    }
}

#[test]
fn the_wait_begins_anew_when_the_lease_is_renewed_and_not_when_something_else_changes() {
    let mut rig = Rig::new();
    rig.on(SECOND, Answer::Found(lease("other", "7", 0)));
    let seen = rig.now;
    rig.now += SECOND * 10;
    rig.on(SECOND, Answer::Found(lease("other", "8", 0)));
    assert_eq!(rig.machine.free_at(), Some(seen + DURATION), "a label was put on it");
    rig.on(SECOND, Answer::Found(lease("other", "9", 1)));
    assert_eq!(rig.machine.free_at(), Some(rig.now + DURATION));
    let mut again = lease("other", "10", 1);
    again.metadata.uid = Some("created again".into());
    rig.on(SECOND, Answer::Found(again));
    assert_eq!(rig.machine.free_at(), Some(rig.now + DURATION));
}

#[test]
fn the_holders_own_duration_counts() {
    let mut rig = Rig::new();
    let mut patient = lease("other", "7", 0);
    patient.spec.as_mut().unwrap().lease_duration_seconds = Some(60);
    rig.on(SECOND, Answer::Found(patient));
    assert_eq!(rig.machine.free_at(), Some(rig.now + SECOND * 60));
    let mut silent = lease("other", "8", 0);
    silent.spec.as_mut().unwrap().lease_duration_seconds = None;
    rig.on(SECOND, Answer::Found(silent));
    assert_eq!(rig.machine.free_at(), Some(rig.now + DURATION));
}

#[test]
fn a_conflict_is_another_look_soon() {
    let mut rig = Rig::new();
    rig.on(SECOND, Answer::Found(lease("", "7", 0))).on(SECOND, Answer::Conflict);
    assert_eq!((&rig.role, &rig.next.request), (&Role::StandsBy, &Request::Look));
    assert!(rig.next.after <= RETRY / 10 && !rig.next.after.is_zero());
    rig.on(SECOND, Answer::Found(lease("other", "8", 0)));
    assert_eq!((&rig.role, &rig.next.request), (&Role::StandsBy, &Request::Look));
}

#[test]
fn leading_counts_from_when_the_renewal_was_sent() {
    let mut rig = Rig::leading();
    let sent = rig.now + RETRY;
    rig.on(SECOND * 4, Answer::Written(lease("me", "8", 1)));
    assert_eq!(rig.role, Role::Leads(sent + RENEW_DEADLINE));
    assert_eq!(rig.next.after, Duration::ZERO, "and so does the next renewal");
}

#[test]
fn who_cannot_renew_leads_until_the_deadline_and_has_then_lost_it_for_good() {
    let mut rig = Rig::leading();
    let deadline = rig.now + RENEW_DEADLINE;
    while rig.now < deadline {
        assert_eq!(rig.role, Role::Leads(deadline));
        assert!(rig.next.after <= RETRY, "it keeps trying");
        rig.on(Duration::from_millis(1), refused());
    }
    assert_eq!(rig.role, Role::Lost("not renewed for 10s".into()));
}

#[test]
fn one_request_that_hangs_does_not_cost_the_lease() {
    let mut rig = Rig::leading();
    rig.on(REQUEST_LIMIT, Answer::Failed(Failure::Timeout(REQUEST_LIMIT)));
    assert_eq!((rig.next.after, &rig.next.request), (Duration::ZERO, &Request::Look), "it has waited enough");
    // It was done: the version is another.
    rig.on(SECOND, Answer::Found(lease("me", "9", 5))).done();
    assert_eq!(rig.role, Role::Leads(rig.now + RENEW_DEADLINE));
}

#[test]
fn a_leader_that_finds_another_holder_has_lost_it_at_once() {
    let mut rig = Rig::leading();
    rig.on(SECOND, Answer::Conflict);
    assert!(matches!(rig.role, Role::Leads(_)), "it may have been a label");
    rig.on(SECOND, Answer::Found(lease("other", "9", 0)));
    assert_eq!(rig.role, Role::Lost("it is other's now".into()));
}

#[test]
fn a_leader_whose_lease_was_deleted_creates_it_again() {
    let mut rig = Rig::leading();
    rig.on(SECOND, Answer::Conflict).on(SECOND, Answer::Absent);
    assert!(matches!(&rig.next.request, Request::Write(lease) if lease.metadata.resource_version.is_none()));
    rig.done();
    assert!(matches!(rig.role, Role::Leads(_)));
}

#[test]
fn who_was_stopped_while_it_was_elected_does_not_begin_to_lead_by_a_renewal_that_is_over() {
    let mut rig = Rig::new();
    rig.on(SECOND, Answer::Absent).on(RENEW_DEADLINE, Answer::Written(lease("me", "1", 0)));
    assert_eq!(rig.role, Role::StandsBy);
    assert_eq!((rig.next.after, rig.written().holder_identity.as_deref()), (Duration::ZERO, Some("me")));
}

#[test]
fn a_lease_is_given_back_by_its_holder_alone() {
    assert_eq!(released(lease("other", "7", 0), "me"), None);
    assert_eq!(released(Lease::default(), "me"), None);
    let free = released(lease("me", "7", 0), "me").unwrap();
    assert_eq!(free.metadata.resource_version.as_deref(), Some("7"), "and only if it is still as it was read");
    let spec = free.spec.unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some(""), Some(1)));
    assert_eq!(spec.lease_transitions, Some(3));
}

#[test]
fn what_others_have_put_into_the_lease_stays() {
    let mut theirs = lease("", "7", 0);
    theirs.metadata.labels = Some([("team".to_owned(), "a".to_owned())].into());
    let mut rig = Rig::new();
    rig.on(SECOND, Answer::Found(theirs.clone()));
    assert!(matches!(&rig.next.request, Request::Write(ours) if ours.metadata == theirs.metadata));
}

#[path = "simulation_tests.rs"]
mod simulation;
