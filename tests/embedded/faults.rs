//! Each fault of the API server while the fleet is created and changed. Afterwards everything is as it should be.

use std::{collections::BTreeMap, time::Duration};

use apiserver::{Fault, Rule, Verb};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;
use testkit::objects::key;
use tokio::time::{Instant, sleep};

use crate::{
    fleet,
    world::{World, config},
};

const SECOND: Duration = Duration::from_secs(1);
const PKIS: &str = "pkis.box.com";

/// Creates and changes the fleet while these faults happen.
async fn survives(rules: Vec<Rule>) -> World {
    let mut world = World::new().await;
    rules.into_iter().for_each(|rule| world.fault(rule));
    world.run(config()).await;
    fleet::create(&world).await;
    world.until(async || fleet::check(&world).await).await;
    fleet::change(&world).await;
    world.until(async || fleet::check(&world).await).await;
    fleet::check_no_secrets_for_typos(&world).await;
    for active in world.server.faults() {
        assert!(active.hit > 0, "did not happen: {active:?}");
    }
    world
}

/// The fault, twice for each kind of request that the controller sends.
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

/// The fault, three times for the requests of each reflector.
fn both(verb: Verb, fault: Fault) -> Vec<Rule> {
    [PKIS, "pods"].map(|resource| Rule::new(fault.clone()).verb(verb).resource(resource).times(3)).into()
}

/// The watch breaks, and its version is compacted before it is opened again: 410 as an event.
fn expired_watches() -> Vec<Rule> {
    let rule = |fault, resource, nth| Rule::new(fault).verb(Verb::Watch).resource(resource).nth(nth);
    [PKIS, "pods"]
        .into_iter()
        .flat_map(|resource| [rule(Fault::WatchCut { after: 10 }, resource, 1), rule(Fault::Compact, resource, 2)])
        .collect()
}

macro_rules! survived {
    ($($name:ident: $rules:expr;)*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            survives($rules).await.end().await;
        })*
    };
}

survived! {
    slow_answers_are_survived: every_request(Fault::Delay { duration: 7 * SECOND });
    missing_answers_are_survived: every_request(Fault::Delay { duration: 70 * SECOND });
    too_many_requests_is_survived: every_request(Fault::TooManyRequests { retry_after: 3 * SECOND });
    internal_errors_are_survived: every_request(Fault::InternalError);
    unavailable_server_is_survived: every_request(Fault::ServiceUnavailable);
    ended_watches_are_survived: both(Verb::Watch, Fault::WatchEnd { after: 4 });
    empty_watches_are_survived: both(Verb::Watch, Fault::EmptyWatch);
    watches_cut_between_lines_are_survived: both(Verb::Watch, Fault::WatchCut { after: 4 });
    watches_cut_within_a_line_are_survived: both(Verb::Watch, Fault::WatchCutInLine { after: 4 });
    expired_versions_at_opening_are_survived: both(Verb::Watch, Fault::GoneOnOpen);
    expired_versions_in_a_watch_are_survived: expired_watches();
    stale_lists_are_survived: both(Verb::List, Fault::StaleRead { lag: 5 });
}

/// Before or after the request is done: the controller asks again, and finds its own work.
#[tokio::test(start_paused = true)]
async fn certificates_are_issued_once_over_broken_connections() {
    for fault in [Fault::ResetBefore, Fault::ResetAfter] {
        let world = survives(every_request(fault)).await;
        let mut writes = BTreeMap::<String, Vec<String>>::new();
        for event in world.history(fleet::SECRETS, 1).await {
            let kind = event["type"].as_str().unwrap_or_default().to_owned();
            writes.entry(key(&event["object"])).or_default().push(kind);
        }
        for (name, kinds) in writes.iter().filter(|(name, _)| name.starts_with("team")) {
            match name.as_str() {
                // Deleted, and created again or not. A cache that is behind still has the Pki: the Secret that is
                // written for it is collected.
                "team0/pki0" => assert_eq!(kinds.last().map(String::as_str), Some("ADDED"), "{name}: {kinds:?}"),
                "team0/pki2" => assert_eq!(kinds.last().map(String::as_str), Some("DELETED"), "{name}: {kinds:?}"),
                "team0/pki1" => assert_eq!(kinds, &["ADDED", "MODIFIED"], "{name}: its request changed"),
                _ => assert_eq!(kinds, &["ADDED"], "{name}"),
            }
        }
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn silent_watch_is_reopened_without_a_list() {
    let start = Instant::now();
    let world = survives(both(Verb::Watch, Fault::WatchSilent { after: 4 })).await;
    let requests = world.requests();
    assert_eq!((requests["list pkis"], requests["list pods"]), (1, 1), "{requests:?}");
    assert!(requests["watch pkis"] > 1 && requests["watch pods"] > 1, "{requests:?}");
    world.end().await;
    assert!(
        start.elapsed() > config().watch_idle && start.elapsed() < config().watch_idle * 10,
        "{:?}",
        start.elapsed()
    );
}

/// A list of several pages is cut from one snapshot, which is gone when the second page is requested.
#[tokio::test(start_paused = true)]
async fn list_that_expires_between_pages_is_completed() {
    let mut world = World::new().await;
    fleet::create(&world).await;
    for n in 1000..1500 {
        world.create_pod("team0", &format!("pod{n}"), json!([])).await;
    }
    for fault in [Fault::Compact, Fault::Delay { duration: 2 * SECOND }] {
        world.fault(Rule::new(fault).verb(Verb::List).resource("pods").nth(2));
    }
    world.run(config()).await;
    sleep(SECOND).await;
    // A write, so that the snapshot is not the present.
    world.delete(&fleet::pod(0)).await;
    world.until(async || fleet::check(&world).await).await;
    assert_eq!(world.metric("reflector_items", &[("resource", "pods")]), fleet::POD_COUNT as f64 + 499.0);
    world.end().await;
}

/// An object that cannot be decoded keeps its last good version, and is read again as soon as it changes.
#[tokio::test(start_paused = true)]
async fn undecodable_object_costs_one_object() {
    let mut world = World::new().await;
    for (resource, name) in [(PKIS, "pki5"), ("pods", "pod23")] {
        for verb in [Verb::List, Verb::Watch] {
            let fault = Fault::Undecodable { name: Some(name.into()) };
            world.fault(Rule::new(fault).verb(verb).resource(resource));
        }
    }
    world.run(config()).await;
    fleet::create(&world).await;
    sleep(60 * SECOND).await;
    assert!(fleet::check(&world).await.is_err(), "the object is not known");
    assert!(world.all(fleet::SECRETS).await.contains_key("team1/pki6"), "the others are");
    world.server.clear_faults();
    // The open watches keep the fault that they were opened with, until they end.
    sleep(900 * SECOND).await;
    for object in [fleet::pki(5), fleet::pod(23)] {
        world.patch(&object, json!({ "metadata": { "labels": { "changed": "yes" } } })).await;
    }
    world.until(async || fleet::check(&world).await).await;
    world.end().await;
}

/// A third of all requests fail for ten minutes, in every way, while users work.
async fn storm(seed: u64) {
    let mut world = World::seeded(seed).await;
    let mut random = StdRng::seed_from_u64(seed);
    world.storm();
    world.fault(Rule::new(Fault::Undecodable { name: None }).verb(Verb::List).probability(0.1));
    world.run(config()).await;
    fleet::create(&world).await;
    for _ in 0..60 {
        sleep(10 * SECOND).await;
        let pki = fleet::pki(random.random_range(0..fleet::PKI_COUNT));
        match random.random_range(0..4) {
            0 => {
                let service = ["app1", "app2", "appp1", "apppp2"].choose(&mut random).expect("one");
                world.patch(&pki, json!({ "spec": { "serviceName": service } })).await;
            }
            1 => {
                world.delete(&pki).await;
                world.create(&pki).await;
            }
            _ => {
                let pod = fleet::pod(random.random_range(0..fleet::POD_COUNT));
                world.delete(&pod).await;
                world.create(&pod).await;
            }
        }
    }
    world.server.clear_faults();
    // Delayed requests end.
    sleep(60 * SECOND).await;
    // An object that was undecodable in a list is absent from the cache until its next change.
    for object in (0..fleet::PKI_COUNT).map(fleet::pki).chain((0..fleet::POD_COUNT).map(fleet::pod)) {
        world.patch(&object, json!({ "metadata": { "labels": { "after": "the-storm" } } })).await;
    }
    world.until(async || fleet::check(&world).await).await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn random_faults_of_every_kind_are_survived() {
    for seed in 1..=4 {
        storm(seed).await;
    }
}
