//! Several replicas and one Lease.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    audit::CREDENTIAL,
    controller::{Controller, Setup},
    kubelet::{running, set_status},
    objects::pod,
    stage::Stage,
    wait::{eventually, expect, within},
};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/controlplane/leases/demo-controller";
const SETUP: Setup = Setup { flags: "--leader-elect", ..Setup::PLAIN };

/// Nobody has led yet: one that a scenario has killed may have left its name.
fn vacant(stage: &Stage) {
    if stage.find(LEASE).is_some() {
        stage.delete(LEASE);
    }
}

/// The identity that stands in the Lease.
fn holder(stage: &Stage) -> String {
    let lease = stage.find(LEASE).unwrap_or_default();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

fn is_leading(controller: &Controller) -> bool {
    controller.count("leader", &[]) == 1.0
}

/// Starts one and waits until it leads.
fn leading(stage: &Stage, setup: Setup) -> Controller {
    let controller = Controller::ready(stage, setup);
    controller.wait_line("became the leader");
    controller
}

/// Starts one and waits until it has seen that another leads.
fn standing_by(stage: &Stage, setup: Setup) -> Controller {
    let controller = Controller::ready(stage, setup);
    controller.wait_line("another process leads");
    controller
}

fn looks(controller: &Controller) -> f64 {
    controller.count("reconcile_total", &[])
}

/// A first one, which works, and a second, which has seen all that there is in this namespace and done nothing: a pod
/// `web` that is Ready, and a Pki `one`.
fn two(stage: &Stage, ns: &str) -> (Controller, Controller) {
    vacant(stage);
    let first = leading(stage, SETUP);
    let second = standing_by(stage, SETUP);
    assert!(is_leading(&first) && !is_leading(&second));
    stage.namespace(ns);
    let (web, key) = (stage.create_pod(&pod(ns, "web", json!([]))), format!("{ns}/web"));
    first.wait_lifecycle(&key, &["none>Pending"]);
    set_status(&stage.api, &web, &running(&web, 0)).unwrap();
    first.wait_lifecycle(&key, &["none>Pending", "Pending>Ready"]);
    stage.create_pki(ns, "one", json!({ "serviceName": "app1" }));
    stage.wait_pki(ns, "one", "Issued");
    let seen = || second.count("reflector_items", &[("resource", "pkis")]);
    eventually("the other one's cache is warm", || expect(seen() >= 1.0, seen()));
    assert_eq!(second.readyz().unwrap(), (200, "ok\n".to_owned()));
    assert_eq!((looks(&second), second.count("workqueue_depth", &[])), (0.0, 0.0));
    assert!(!second.log().contains("pod lifecycle"), "{}", second.log());
    (first, second)
}

pub fn one_works_and_the_other_stands_by_and_ends_at_once(stage: &mut Stage) {
    let (mut first, mut second) = two(stage, "stands-by");
    assert_eq!(second.terminate(), Some(0));
    assert!(holder(stage).starts_with("replica-"), "the Lease is not its own to give back");
    assert_eq!(first.terminate(), Some(0));
    assert_eq!(holder(stage), "");
    stage.servers.audit().only(|request| request.code == 403).assert_none("outside the rights of demo-controller.yaml");
}

pub fn when_the_leader_ends_it_is_the_other_one_s_turn_in_seconds(stage: &mut Stage) {
    let (mut first, second) = two(stage, "turns");
    // The Lease is given back.
    assert_eq!(first.terminate(), Some(0));
    assert!(first.log().contains("gave the Lease back"), "{}", first.log());
    let begun = Instant::now();
    second.wait_line("became the leader");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    second.wait_lifecycle("turns/web", &["none>Ready baseline"]);
    stage.create_pod(&pod("turns", "late", json!([])));
    second.wait_lifecycle("turns/late", &["none>Pending"]);
    stage.create_pki("turns", "two", json!({ "serviceName": "app1" }));
    stage.wait_pki("turns", "two", "Issued");
    assert!(is_leading(&second));
    stage.servers.audit().only(|request| request.code == 403).assert_none("outside the rights of demo-controller.yaml");
}

pub fn the_lease_is_given_back_after_the_last_write(stage: &mut Stage) {
    vacant(stage);
    let ns = "last-write";
    stage.namespace(ns);
    // More than may be told at once: the end has a good deal to write.
    stage.create_pkis(ns, "web", 250, &json!({ "serviceName": "appp1" }));
    let mut controller = leading(stage, Setup { flags: "--leader-elect --namespace last-write", ..SETUP });
    let looked = || controller.count("reconcile_total", &[("queue", "pki"), ("result", "permanent")]);
    eventually("all are refused", || expect(looked() >= 250.0, looked()));
    let mark = stage.servers.audit().len();
    assert_eq!(controller.terminate(), Some(0));
    assert_eq!(holder(stage), "");
    let audit = stage.servers.audit().since(mark).writes().to_string();
    let (last, told) = (audit.trim_end().lines().next_back().unwrap_or_default(), audit.matches("events").count());
    assert!(last.contains("update leases") && told > 10, "{told} events, then {last}");
}

pub fn when_the_leader_is_killed_the_other_takes_over_within_20_seconds(stage: &mut Stage) {
    vacant(stage);
    let first = leading(stage, SETUP);
    let second = standing_by(stage, SETUP);
    stage.namespace("killed");
    first.kill();
    stage.create_pki("killed", "web", json!({ "serviceName": "app1" }));
    let begun = Instant::now();
    within(Duration::from_secs(20), "the other one leads", || expect(is_leading(&second), holder(stage)));
    assert!(begun.elapsed() > Duration::from_secs(10), "not before the Lease has run out: {:?}", begun.elapsed());
    stage.wait_pki("killed", "web", "Issued");
}

/// The fence: it goes on in the middle of its work, half a minute later.
pub fn a_leader_that_was_stopped_writes_nothing_new_when_it_goes_on(stage: &mut Stage) {
    vacant(stage);
    let token = stage.another_token();
    let mut first = leading(stage, Setup { token: Some(&token), ..SETUP });
    let second = standing_by(stage, SETUP);
    let ns = "stopped";
    stage.namespace(ns);
    let create = |from: usize, to: usize| {
        (from..to).for_each(|n| drop(stage.create_pki(ns, &format!("web-{n}"), json!({ "serviceName": "app1" }))));
    };
    create(0, 60);
    stage.wait_pki(ns, "web-10", "Issued");
    first.signal("STOP");
    // What it finds in its watch when it goes on.
    create(60, 120);
    within(Duration::from_secs(30), "the other one leads", || expect(is_leading(&second), holder(stage)));
    (0..120).for_each(|n| drop(stage.wait_pki(ns, &format!("web-{n}"), "Issued")));

    let mark = stage.servers.audit().len();
    first.signal("CONT");
    assert_eq!(first.wait_end(), Some(1), "it ends, to be started again");
    let last = first.lines().pop().expect("a last line");
    assert!(last.text("level") == "ERROR" && last.text("message").starts_with("no longer the leader"), "{last:?}");
    assert!(!first.log().contains("although nobody asked"), "what is dropped for it is not missed:\n{}", first.log());
    // The other one's answer is in the audit log after all that the first one asked.
    stage.create_pki(ns, "after", json!({ "serviceName": "app1" }));
    stage.wait_pki(ns, "after", "Issued");
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let who = stage.servers.api_as(&token).post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).unwrap();
    let credential = who["status"]["userInfo"]["extra"][CREDENTIAL].to_string();
    let whole = stage.servers.audit();
    let of_the_first = |request: &crate::audit::Request| request.credential == credential;
    assert!(whole.only(of_the_first).writes().len() > 10, "it did write before:\n{whole}");
    let late = whole.since(mark).only(of_the_first).writes();
    let late = late.only(|r| !matches!(r.resource.as_str(), "leases" | "" | "selfsubjectreviews"));
    // What it had handed to a connection in the very moment in which it was stopped, one write of each worker at most,
    // arrives when it goes on. It is based on what was then, so nothing comes of it.
    late.only(|r| r.code != 409).assert_none("writes of one that was stopped, taken by the server");
    late.only(|r| of_the_pause(&r.name)).assert_none("writes about what it has heard of since");
    assert!(late.len() <= 8, "more than can have been on their way:\n{late}");
}

/// The Pkis that are created while the leader is stopped.
fn of_the_pause(name: &str) -> bool {
    name.strip_prefix("web-").and_then(|n| n.parse().ok()).is_some_and(|n: u32| n >= 60)
}
