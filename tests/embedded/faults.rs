//! Each fault of the API server while the fleet is created and changed. The controller recovers from all of them.

use std::{collections::BTreeMap, time::Duration};

use apiserver::{Fault, Rule, Verb};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;
use testkit::objects::key;
use tokio::time::{Instant, sleep};

use crate::{
    fleet,
    test_env::{TestEnv, config},
};

const SECOND: Duration = Duration::from_secs(1);
const PKIS: &str = "pkis.box.com";

/// Creates and changes the fleet while these faults happen, and waits until the controller has recovered.
async fn recover_from(rules: Vec<Rule>) -> TestEnv {
    let mut env = TestEnv::new().await;
    rules.into_iter().for_each(|rule| env.add_fault(rule));
    env.run(config()).await;
    fleet::create(&env).await;
    env.wait_until(async || fleet::check(&env).await).await;
    fleet::change(&env).await;
    env.wait_until(async || fleet::check(&env).await).await;
    fleet::check_no_secrets_for_typos(&env).await;
    for active in env.server.faults() {
        assert!(active.hit > 0, "this fault did not happen: {active:?}");
    }
    env
}

/// Twice this fault for each kind of request that the controller sends.
fn every_request(fault: Fault) -> Vec<Rule> {
    let requests = [
        (Verb::List, PKIS, ""),
        (Verb::Watch, PKIS, ""),
        (Verb::List, "pods", ""),
        (Verb::Watch, "pods", ""),
        (Verb::Get, "secrets", ""),
        (Verb::Create, "secrets", ""),
        (Verb::Patch, "secrets", ""),
        (Verb::Patch, PKIS, "status"),
        (Verb::Create, "events", ""),
    ];
    let rule = |(verb, resource, subresource)| {
        Rule::new(fault.clone()).verb(verb).resource(resource).subresource(subresource).times(2)
    };
    requests.into_iter().map(rule).collect()
}

/// Three times this fault for the requests of each reflector.
fn each_reflector(verb: Verb, fault: Fault) -> Vec<Rule> {
    [PKIS, "pods"].map(|resource| Rule::new(fault.clone()).verb(verb).resource(resource).times(3)).into()
}

/// Breaks each watch and compacts its resourceVersion before it is reopened: 410 as a watch event.
fn expired_watches() -> Vec<Rule> {
    let rule = |fault, resource, nth| Rule::new(fault).verb(Verb::Watch).resource(resource).nth(nth);
    [PKIS, "pods"]
        .into_iter()
        .flat_map(|resource| [rule(Fault::WatchCut { after: 10 }, resource, 1), rule(Fault::Compact, resource, 2)])
        .collect()
}

macro_rules! fault_tests {
    ($($name:ident: $rules:expr;)*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            recover_from($rules).await.end().await;
        })*
    };
}

fault_tests! {
    slow_responses_are_tolerated: every_request(Fault::Delay { duration: 7 * SECOND });
    missing_responses_are_tolerated: every_request(Fault::Delay { duration: 70 * SECOND });
    too_many_requests_is_tolerated: every_request(Fault::TooManyRequests { retry_after: 3 * SECOND });
    internal_errors_are_tolerated: every_request(Fault::InternalError);
    unavailable_server_is_tolerated: every_request(Fault::ServiceUnavailable);
    ended_watches_are_tolerated: each_reflector(Verb::Watch, Fault::WatchEnd { after: 4 });
    empty_watches_are_tolerated: each_reflector(Verb::Watch, Fault::EmptyWatch);
    watches_cut_between_lines_are_tolerated: each_reflector(Verb::Watch, Fault::WatchCut { after: 4 });
    watches_cut_within_a_line_are_tolerated: each_reflector(Verb::Watch, Fault::WatchCutInLine { after: 4 });
    expired_versions_at_opening_are_tolerated: each_reflector(Verb::Watch, Fault::GoneOnOpen);
    expired_versions_in_a_watch_are_tolerated: expired_watches();
    stale_lists_are_tolerated: each_reflector(Verb::List, Fault::StaleRead { lag: 5 });
}

/// The connection breaks before or after the server handles a request. The retry finds the work that is already done.
#[tokio::test(start_paused = true)]
async fn certificates_are_issued_once_over_broken_connections() {
    for fault in [Fault::ResetBefore, Fault::ResetAfter] {
        let env = recover_from(every_request(fault)).await;
        let mut writes = BTreeMap::<String, Vec<String>>::new();
        for event in env.watch_events(fleet::SECRETS, 1).await {
            let kind = event["type"].as_str().unwrap_or_default().to_owned();
            writes.entry(key(&event["object"])).or_default().push(kind);
        }
        for (name, kinds) in writes.iter().filter(|(name, _)| name.starts_with("team")) {
            match name.as_str() {
                // These Pkis are deleted; the first is created again. A cache that lags behind still has the Pki: the
                // Secret that the controller writes for it is garbage-collected.
                "team0/pki0" => assert_eq!(kinds.last().map(String::as_str), Some("ADDED"), "{name}: {kinds:?}"),
                "team0/pki2" => assert_eq!(kinds.last().map(String::as_str), Some("DELETED"), "{name}: {kinds:?}"),
                "team0/pki1" => assert_eq!(kinds, &["ADDED", "MODIFIED"], "{name}: its spec changed"),
                _ => assert_eq!(kinds, &["ADDED"], "{name}"),
            }
        }
        env.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn silent_watch_is_reopened_without_a_list() {
    let start = Instant::now();
    let env = recover_from(each_reflector(Verb::Watch, Fault::WatchSilent { after: 4 })).await;
    let requests = env.requests();
    assert_eq!((requests["list pkis"], requests["list pods"]), (1, 1), "{requests:?}");
    assert!(requests["watch pkis"] > 1 && requests["watch pods"] > 1, "{requests:?}");
    env.end().await;
    assert!(
        start.elapsed() > config().watch_idle && start.elapsed() < config().watch_idle * 10,
        "{:?}",
        start.elapsed()
    );
}

/// All pages of a list have the same resourceVersion, which is compacted before the second page is requested.
#[tokio::test(start_paused = true)]
async fn list_that_expires_between_pages_is_completed() {
    let mut env = TestEnv::new().await;
    fleet::create(&env).await;
    for n in 1000..1500 {
        env.create_pod("team0", &format!("pod{n}"), json!([])).await;
    }
    for fault in [Fault::Compact, Fault::Delay { duration: 2 * SECOND }] {
        env.add_fault(Rule::new(fault).verb(Verb::List).resource("pods").nth(2));
    }
    env.run(config()).await;
    sleep(SECOND).await;
    // With this write, the compacted version is not the latest one.
    env.delete(&fleet::pod(0)).await;
    env.wait_until(async || fleet::check(&env).await).await;
    assert_eq!(env.metric("reflector_items", &[("resource", "pods")]), fleet::POD_COUNT as f64 + 499.0);
    env.end().await;
}

/// The cache keeps the last valid version of the object until a change can be decoded.
#[tokio::test(start_paused = true)]
async fn undecodable_object_does_not_affect_others() {
    let mut env = TestEnv::new().await;
    for (resource, name) in [(PKIS, "pki5"), ("pods", "pod23")] {
        for verb in [Verb::List, Verb::Watch] {
            let fault = Fault::Undecodable { name: Some(name.into()) };
            env.add_fault(Rule::new(fault).verb(verb).resource(resource));
        }
    }
    env.run(config()).await;
    fleet::create(&env).await;
    sleep(60 * SECOND).await;
    assert!(fleet::check(&env).await.is_err(), "the object is not in the cache");
    assert!(env.list(fleet::SECRETS).await.contains_key("team1/pki6"), "the others are reconciled");
    env.server.clear_faults();
    // A watch keeps the fault with which it was opened until it ends.
    sleep(900 * SECOND).await;
    for object in [fleet::pki(5), fleet::pod(23)] {
        env.patch(&object, json!({ "metadata": { "labels": { "changed": "yes" } } })).await;
    }
    env.wait_until(async || fleet::check(&env).await).await;
    env.end().await;
}

/// For ten minutes, a third of all requests fail while users change objects.
async fn recover_from_random_faults(seed: u64) {
    let mut env = TestEnv::with_seed(seed).await;
    let mut random = StdRng::seed_from_u64(seed);
    env.add_random_faults();
    env.add_fault(Rule::new(Fault::Undecodable { name: None }).verb(Verb::List).probability(0.1));
    env.run(config()).await;
    fleet::create(&env).await;
    for _ in 0..60 {
        sleep(10 * SECOND).await;
        let pki = fleet::pki(random.random_range(0..fleet::PKI_COUNT));
        match random.random_range(0..4) {
            0 => {
                let service = ["app1", "app2", "appp1", "apppp2"].choose(&mut random).expect("one");
                env.patch(&pki, json!({ "spec": { "serviceName": service } })).await;
            }
            1 => {
                env.delete(&pki).await;
                env.create(&pki).await;
            }
            _ => {
                let pod = fleet::pod(random.random_range(0..fleet::POD_COUNT));
                env.delete(&pod).await;
                env.create(&pod).await;
            }
        }
    }
    env.server.clear_faults();
    // Until delayed requests have ended.
    sleep(60 * SECOND).await;
    // An object that a list could not decode is missing from the cache until its next change.
    for object in (0..fleet::PKI_COUNT).map(fleet::pki).chain((0..fleet::POD_COUNT).map(fleet::pod)) {
        env.patch(&object, json!({ "metadata": { "labels": { "changed": "yes" } } })).await;
    }
    env.wait_until(async || fleet::check(&env).await).await;
    env.end().await;
}

#[tokio::test(start_paused = true)]
async fn random_faults_of_every_kind_are_tolerated() {
    for seed in 1..=4 {
        recover_from_random_faults(seed).await;
    }
}
