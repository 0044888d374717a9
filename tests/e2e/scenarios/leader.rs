//! Two replicas, as processes, and one Lease.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{
    log::text,
    objects::{meta, pod_mounting},
    wait::{expect, within},
};

use crate::{
    audit::{AuditEvent, CREDENTIAL},
    controller::Controller,
    test_env::TestEnv,
};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/controlplane/leases/demo-controller";

/// Deletes the Lease of an earlier scenario.
fn delete_lease(env: &TestEnv) {
    if env.find(LEASE).is_some() {
        env.delete(LEASE);
    }
}

fn holder(env: &TestEnv) -> String {
    let lease = env.find(LEASE).unwrap_or_default();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// Waits until a replica leads, and returns how long it took.
#[track_caller]
fn wait_leads(controller: &Controller, limit: Duration) -> Duration {
    let start = Instant::now();
    within(limit, "the replica leads", || {
        let status = controller.metric("leader_election_master_status", &[("name", "demo-controller")]);
        expect(status == 1.0, controller.log())
    });
    start.elapsed()
}

pub fn standby_takes_over_when_the_leader_is_stopped(env: &mut TestEnv) {
    delete_lease(env);
    let start = env.servers.audit_log().len();
    let mut first = Controller::start(env, "--leader-elect");
    wait_leads(&first, Duration::from_secs(10));
    first.wait_ready();
    let mut second = Controller::start(env, "--leader-elect");
    env.create_namespace("takeover");
    env.create(&pod_mounting("takeover", "web", "none"));
    first.wait_lifecycle("takeover/web", &["none>Pending"]);
    assert_eq!(second.metric("reflector_lists_total", &[]), 0.0, "a standby holds no cache");
    assert_eq!(first.terminate(), Some(0));
    wait_leads(&second, Duration::from_secs(10));
    second.wait_lifecycle("takeover/web", &["none>Pending baseline"]);
    env.create_pki("takeover", "web", json!({ "serviceName": "app1" }));
    env.wait_pki("takeover", "web", "Issued");
    assert_eq!((second.terminate(), holder(env)), (Some(0), String::new()));
    env.servers.audit_log().since(start).only(|request| request.code == 403).assert_none("forbidden requests");
}

/// The leader is paused while it reconciles, for longer than its Lease is valid.
pub fn paused_leader_writes_nothing_after_it_resumes(env: &mut TestEnv) {
    delete_lease(env);
    let token = env.create_token("controlplane", "demo-controller");
    let mut first = Controller::start_with(env, "--leader-elect", &token, &[]);
    wait_leads(&first, Duration::from_secs(10));
    let second = Controller::start(env, "--leader-elect");
    env.create_namespace("paused");
    let create = |from: usize, to: usize| {
        (from..to).for_each(|n| drop(env.create_pki("paused", &format!("web-{n}"), json!({ "serviceName": "app1" }))));
    };
    create(0, 60);
    env.wait_pki("paused", "web-10", "Issued");
    first.signal("STOP");
    // The watch of the paused leader delivers these when it resumes.
    create(60, 120);
    let took = wait_leads(&second, Duration::from_secs(20));
    assert!(took > Duration::from_secs(10), "not before the Lease has expired: {took:?}");
    (0..120).for_each(|n| drop(env.wait_pki("paused", &format!("web-{n}"), "Issued")));

    let mark = env.servers.audit_log().len();
    first.signal("CONT");
    assert_eq!(first.wait_end(), Some(1));
    let last = first.lines().pop().expect("a last line");
    assert_eq!(text(&last, "level"), "ERROR", "{last}");
    // After this, the audit log has all requests of the first leader.
    env.create_pki("paused", "after", json!({ "serviceName": "app1" }));
    env.wait_pki("paused", "after", "Issued");
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let response =
        env.servers.api_as(&token).post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).unwrap();
    let credential = response["status"]["userInfo"]["extra"][CREDENTIAL].to_string();
    let of_first = |request: &AuditEvent| request.credential == credential && request.resource != "selfsubjectreviews";
    let audit = env.servers.audit_log();
    assert!(audit.only(of_first).writes().len() > 10, "the first leader wrote before:\n{audit}");
    let late = audit.since(mark).only(|r| of_first(r) && r.resource != "leases").writes();
    // A write that was already sent arrives, at most one per worker. It is based on an old version.
    late.only(|r| r.code != 409).assert_none("writes of the paused leader that were accepted");
    assert!(late.len() <= 8, "more than were already sent:\n{late}");
    let known = |name: &str| name.strip_prefix("web-").and_then(|n| n.parse().ok()).is_none_or(|n: u32| n < 60);
    late.only(|r| !known(&r.name)).assert_none("writes about Pkis that were created during the pause");
    assert_ne!(meta(&env.find(LEASE).unwrap(), "uid"), "");
}
