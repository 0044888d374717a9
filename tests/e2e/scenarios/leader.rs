//! Two replicas and one Lease, as processes.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{
    log::text,
    objects::meta,
    wait::{expect, within},
};

use crate::{audit::CREDENTIAL, audit::Request, controller::Controller, objects::pod, stage::Stage};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/controlplane/leases/demo-controller";

/// Removes the Lease that an earlier scenario may have left.
fn vacate(stage: &Stage) {
    if stage.find(LEASE).is_some() {
        stage.delete(LEASE);
    }
}

fn holder(stage: &Stage) -> String {
    let lease = stage.find(LEASE).unwrap_or_default();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// Waits until a replica leads; returns how long that took.
#[track_caller]
fn wait_leads(controller: &Controller, limit: Duration) -> Duration {
    let start = Instant::now();
    within(limit, "it leads", || {
        let status = controller.metric("leader_election_master_status", &[("name", "demo-controller")]);
        expect(status == 1.0, controller.log())
    });
    start.elapsed()
}

pub fn standby_takes_over_when_the_leader_is_stopped(stage: &mut Stage) {
    vacate(stage);
    let start = stage.servers.audit().len();
    let mut first = Controller::start(stage, "--leader-elect");
    wait_leads(&first, Duration::from_secs(10));
    first.wait_ready();
    let mut second = Controller::start(stage, "--leader-elect");
    stage.namespace("turns");
    stage.create(&pod("turns", "web", "none"));
    first.wait_lifecycle("turns/web", &["none>Pending"]);
    assert_eq!(second.metric("reflector_lists_total", &[]), 0.0, "a standby holds no cache");
    assert_eq!(first.terminate(), Some(0));
    wait_leads(&second, Duration::from_secs(10));
    second.wait_lifecycle("turns/web", &["none>Pending baseline"]);
    stage.create_pki("turns", "web", json!({ "serviceName": "app1" }));
    stage.wait_pki("turns", "web", "Issued");
    assert_eq!((second.terminate(), holder(stage)), (Some(0), String::new()));
    stage.servers.audit().since(start).only(|request| request.code == 403).assert_none("refused requests");
}

/// The process is paused in the middle of its work for longer than its Lease holds.
pub fn paused_leader_writes_nothing_when_it_continues(stage: &mut Stage) {
    vacate(stage);
    let token = stage.token_of("controlplane", "demo-controller");
    let mut first = Controller::start_with(stage, "--leader-elect", &token, &[]);
    wait_leads(&first, Duration::from_secs(10));
    let second = Controller::start(stage, "--leader-elect");
    stage.namespace("paused");
    let create = |from: usize, to: usize| {
        (from..to)
            .for_each(|n| drop(stage.create_pki("paused", &format!("web-{n}"), json!({ "serviceName": "app1" }))));
    };
    create(0, 60);
    stage.wait_pki("paused", "web-10", "Issued");
    first.signal("STOP");
    // It finds these in its watch when it continues.
    create(60, 120);
    let took = wait_leads(&second, Duration::from_secs(20));
    assert!(took > Duration::from_secs(10), "not before the Lease has expired: {took:?}");
    (0..120).for_each(|n| drop(stage.wait_pki("paused", &format!("web-{n}"), "Issued")));

    let mark = stage.servers.audit().len();
    first.signal("CONT");
    assert_eq!(first.wait_end(), Some(1));
    let last = first.lines().pop().expect("a last line");
    assert_eq!(text(&last, "level"), "ERROR", "{last}");
    // Its answer is in the audit log after all requests of the first one.
    stage.create_pki("paused", "after", json!({ "serviceName": "app1" }));
    stage.wait_pki("paused", "after", "Issued");
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let who = stage.servers.api_as(&token).post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).unwrap();
    let credential = who["status"]["userInfo"]["extra"][CREDENTIAL].to_string();
    let of_the_first = |request: &Request| request.credential == credential && request.resource != "selfsubjectreviews";
    let audit = stage.servers.audit();
    assert!(audit.only(of_the_first).writes().len() > 10, "it wrote before:\n{audit}");
    let late = audit.since(mark).only(|r| of_the_first(r) && r.resource != "leases").writes();
    // A write that was already in a connection arrives, one per worker at most. It is based on an old version.
    late.only(|r| r.code != 409).assert_none("writes of the paused leader that were accepted");
    assert!(late.len() <= 8, "more than were in connections:\n{late}");
    let known = |name: &str| name.strip_prefix("web-").and_then(|n| n.parse().ok()).is_none_or(|n: u32| n < 60);
    late.only(|r| !known(&r.name)).assert_none("writes about Pkis that were created during the pause");
    assert_ne!(meta(&stage.find(LEASE).unwrap(), "uid"), "");
}
