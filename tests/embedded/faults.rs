//! Each fault of the API server's table, while the fleet is made and changed. Afterwards everything is as it should be.

use std::{collections::BTreeMap, time::Duration};

use apiserver::{Fault, Rule, Verb};
use demo_controller::cli::Run;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    fleet,
    world::{World, key},
};

/// A day with these faults.
async fn survives(rules: Vec<Rule>) -> World {
    let mut world = World::new(1).await;
    for rule in rules {
        world.fault(rule);
    }
    world.run(Run::default()).await;
    fleet::create(&world).await;
    world.until(async || fleet::check(&world).await).await;
    fleet::change(&world).await;
    world.until(async || fleet::check(&world).await).await;
    fleet::nothing_for_typos(&world).await;
    for active in world.server.faults() {
        assert!(active.hit > 0, "never happened: {active:?}");
    }
    world
}

fn each(verbs: &[(Verb, &str, &str)], fault: &Fault) -> Vec<Rule> {
    let rule = |(verb, resource, subresource): &(Verb, &str, &str)| {
        Rule::new(fault.clone()).verb(*verb).resource(*resource).subresource(*subresource).times(2)
    };
    verbs.iter().map(rule).collect()
}

/// Every kind of request that the controller makes.
const REQUESTS: &[(Verb, &str, &str)] = &[
    (Verb::List, "pkis.box.com", ""),
    (Verb::Watch, "pkis.box.com", ""),
    (Verb::List, "pods", ""),
    (Verb::Watch, "pods", ""),
    (Verb::Get, "secrets", ""),
    (Verb::Create, "secrets", ""),
    (Verb::Patch, "secrets", ""),
    (Verb::Patch, "pkis.box.com", "status"),
    (Verb::Create, "events", ""),
];

#[tokio::test(start_paused = true)]
async fn nothing_goes_wrong() {
    let world = survives(Vec::new()).await;
    assert!(fleet::tellings(&world).await.iter().all(|count| *count == 1), "every refusal is told once");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow() {
    survives(each(REQUESTS, &Fault::Delay { duration: Duration::from_secs(7) })).await.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_too_slow() {
    survives(each(REQUESTS, &Fault::Delay { duration: Duration::from_secs(70) })).await.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_too_much_to_do() {
    let retry_after = Duration::from_secs(3);
    survives(each(REQUESTS, &Fault::TooManyRequests { retry_after })).await.end().await;
}

#[tokio::test(start_paused = true)]
async fn internal_errors() {
    survives(each(REQUESTS, &Fault::InternalError)).await.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away() {
    survives(each(REQUESTS, &Fault::ServiceUnavailable)).await.end().await;
}

/// Each Secret is written once; one that had to change, twice.
///
/// Of a Pki that was deleted a cache that is behind still knows. A Secret that is made for it meanwhile belongs to
/// nobody, and is collected.
async fn issued_once(world: &World) {
    let mut writes = BTreeMap::<String, Vec<String>>::new();
    for event in world.history(fleet::SECRETS, 1).await {
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        writes.entry(key(&event["object"])).or_default().push(kind);
    }
    for (name, kinds) in writes.iter().filter(|(name, _)| name.starts_with("team")) {
        match name.as_str() {
            "team0/pki0" => {
                assert_eq!(kinds.last().map(String::as_str), Some("ADDED"), "{name}: {kinds:?}");
                assert!(!kinds.iter().any(|kind| kind == "MODIFIED"), "{name}: {kinds:?}");
            }
            "team0/pki1" => assert_eq!(kinds, &["ADDED", "MODIFIED"], "{name}"),
            "team0/pki2" => assert_eq!(kinds.last().map(String::as_str), Some("DELETED"), "{name}: {kinds:?}"),
            _ => assert_eq!(kinds, &["ADDED"], "{name}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_break_before_anything_is_done() {
    let world = survives(each(REQUESTS, &Fault::ResetBefore)).await;
    issued_once(&world).await;
    assert!(fleet::tellings(&world).await.iter().all(|count| *count == 1), "every refusal is told once");
    world.end().await;
}

/// The client cannot know that it is done. It asks again, and finds its own work.
#[tokio::test(start_paused = true)]
async fn connections_that_break_after_it_is_done() {
    let world = survives(each(REQUESTS, &Fault::ResetAfter)).await;
    issued_once(&world).await;
    assert!(fleet::tellings(&world).await.iter().all(|count| *count == 1), "every refusal is told once");
    world.end().await;
}

/// These faults, on three watches of each kind.
async fn survives_watches(fault: Fault) {
    let rule = |resource| Rule::new(fault.clone()).verb(Verb::Watch).resource(resource).times(3);
    survives(vec![rule("pkis.box.com"), rule("pods")]).await.end().await;
}

#[tokio::test(start_paused = true)]
async fn watches_that_end() {
    survives_watches(Fault::WatchEnd { after: 4 }).await;
}

#[tokio::test(start_paused = true)]
async fn watches_that_bring_nothing() {
    survives_watches(Fault::EmptyWatch).await;
}

#[tokio::test(start_paused = true)]
async fn watches_that_break_between_lines() {
    survives_watches(Fault::WatchCut { after: 4 }).await;
}

#[tokio::test(start_paused = true)]
async fn watches_that_break_within_a_line() {
    survives_watches(Fault::WatchCutInLine { after: 4 }).await;
}

/// For longer than `--watch-idle`: they are given up, and opened again where they were.
#[tokio::test(start_paused = true)]
async fn watches_that_fall_silent() {
    let start = Instant::now();
    let rule = |resource| Rule::new(Fault::WatchSilent { after: 4 }).verb(Verb::Watch).resource(resource).times(3);
    let world = survives(vec![rule("pkis.box.com"), rule("pods")]).await;
    let requests = world.requests();
    assert_eq!((requests["list pkis"], requests["list pods"]), (1, 1), "it goes on where it was, without a list");
    assert!(requests["watch pkis"] > 1 && requests["watch pods"] > 1, "{requests:?}");
    world.end().await;
    assert!(start.elapsed() > Run::default().watch_idle, "somebody waited for a silent watch");
    assert!(start.elapsed() < Run::default().watch_idle * 10, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn versions_that_are_gone_when_a_watch_opens() {
    survives_watches(Fault::GoneOnOpen).await;
}

/// The watch breaks, and all that it knew is compacted away before it is opened again: 410 as an event.
#[tokio::test(start_paused = true)]
async fn versions_that_are_gone_in_a_watch() {
    let rule = |fault, resource| Rule::new(fault).verb(Verb::Watch).resource(resource);
    let mut rules = Vec::new();
    for resource in ["pkis.box.com", "pods"] {
        rules.push(rule(Fault::WatchCut { after: 10 }, resource).nth(1));
        rules.push(rule(Fault::Compact, resource).nth(2));
    }
    let world = survives(rules).await;
    let requests = world.requests();
    assert!(requests["list pkis"] + requests["list pods"] > 2, "{requests:?}");
    world.end().await;
}

/// A list of several pages is cut from one snapshot. It is gone when the second page is asked for.
#[tokio::test(start_paused = true)]
async fn versions_that_are_gone_between_two_pages() {
    let mut world = World::new(1).await;
    fleet::create(&world).await;
    for n in 1000..1500 {
        let mut pod = fleet::pod(n);
        pod["spec"]["volumes"] = json!([]);
        world.create(&pod).await;
    }
    world.fault(Rule::new(Fault::Compact).verb(Verb::List).resource("pods").nth(2));
    // A write in between, without which the snapshot would still be the present.
    let page = Rule::new(Fault::Delay { duration: Duration::from_secs(2) });
    world.fault(page.verb(Verb::List).resource("pods").nth(2));
    world.run(Run::default()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.delete(&fleet::pod(1000)).await;
    world.until(async || fleet::check(&world).await).await;
    assert_eq!(world.requests()["list pods"], 3, "two pages, then all in one answer");
    world.end().await;
}

/// What cannot be read keeps its last good version, and is read as soon as it can be.
#[tokio::test(start_paused = true)]
async fn objects_that_cannot_be_decoded() {
    let mut world = World::new(1).await;
    for (resource, name) in [("pkis.box.com", "pki5"), ("pods", "pod23")] {
        for verb in [Verb::List, Verb::Watch] {
            let fault = Fault::Undecodable { name: Some(name.into()) };
            world.fault(Rule::new(fault).verb(verb).resource(resource));
        }
    }
    world.run(Run::default()).await;
    fleet::create(&world).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(fleet::check(&world).await.is_err(), "of what it cannot read it can know nothing");
    assert!(world.all(fleet::SECRETS).await.contains_key("team1/pki6"), "the others do not suffer");
    world.server.clear_faults();
    // The watches that are open keep the fault that they were opened with, until they end.
    tokio::time::sleep(Duration::from_secs(900)).await;
    for object in [fleet::pki(5), fleet::pod(23)] {
        world.patch(&object, json!({ "metadata": { "labels": { "changed": "yes" } } })).await;
    }
    world.until(async || fleet::check(&world).await).await;
    world.end().await;
}

/// Lists, and looks at Secrets, from a replica that lags behind.
#[tokio::test(start_paused = true)]
async fn reads_that_are_stale() {
    let rules = each(
        &[(Verb::List, "pkis.box.com", ""), (Verb::List, "pods", ""), (Verb::Get, "secrets", "")],
        &Fault::StaleRead { lag: 5 },
    );
    survives(rules).await.end().await;
}
