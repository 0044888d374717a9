//! Days on which nothing happens.

use std::{collections::BTreeMap, time::Duration};

use demo_controller::cli::Run;
use serde_json::Value;

use crate::{
    fleet,
    world::{CONTROLLER, World},
};

const DAY: Duration = Duration::from_secs(86_400);

/// A resync every ten minutes looks at everything, and finds nothing to do.
#[tokio::test(start_paused = true)]
async fn a_day_of_resyncs_writes_nothing() {
    let mut world = World::new(1).await;
    world.run(Run::default()).await;
    fleet::create(&world).await;
    // No refusals, which are told again and again; and few certificates, as each is verified at each resync.
    for n in (3..fleet::PKI_COUNT).filter(|n| n % 4 == 3 || *n > 4) {
        world.delete(&fleet::pki(n)).await;
    }
    world.until(async || fleet::check(&world).await).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (revision, gets) = (world.server.revision(), world.requests()["get secrets"]);
    tokio::time::sleep(DAY).await;
    assert_eq!(world.server.revision(), revision, "somebody wrote something");
    let requests = world.requests();
    assert_eq!((requests["list pkis"], requests["list pods"]), (1, 1), "nothing is listed again");
    let looked = requests["get secrets"] - gets;
    // Four certificates and the CA.
    assert!(looked > 0 && looked <= 5 * 145, "at most one look at each Secret in each resync: {looked}");
    world.end().await;
}

/// An error that persists is told again every half hour, before the Event that tells it would be forgotten.
#[tokio::test(start_paused = true)]
async fn reminders_raise_the_count_of_the_same_event() {
    let mut world = World::new(1).await;
    world.run(Run::default()).await;
    fleet::create(&world).await;
    world.until(async || fleet::check(&world).await).await;
    let uids = |events: &BTreeMap<String, Value>| -> Vec<Value> {
        events.values().map(|event| event["metadata"]["uid"].clone()).collect()
    };
    let (before, told) = (world.all(fleet::EVENTS).await, fleet::tellings(&world).await);
    let statuses = world.all(fleet::PKIS).await;
    assert!(told.iter().all(|count| *count == 1), "{told:?}");
    tokio::time::sleep(DAY / 4).await;
    assert_eq!(uids(&world.all(fleet::EVENTS).await), uids(&before), "the same Events");
    let told = fleet::tellings(&world).await;
    assert!(told.iter().all(|count| (12..=13).contains(count)), "once, and every half hour for six hours: {told:?}");
    assert_eq!(world.all(fleet::PKIS).await, statuses, "the status says the same, so it is not written");
    world.end().await;
}

/// Two watches, a few reads and as many writes as there is to say. Nothing else, and nothing twice.
#[tokio::test(start_paused = true)]
async fn the_first_minute_asks_no_more_than_it_has_to() {
    let mut world = World::new(1).await;
    world.run(Run::default()).await;
    fleet::create(&world).await;
    world.until(async || fleet::check(&world).await).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let requests = world.requests();
    let known = [
        ("list pkis", 1),
        ("list pods", 1),
        ("watch pkis", 1),
        ("watch pods", 1),
        // The CA's, and one for each allowed Pki.
        ("create secrets", 16),
        // One for each Pki.
        ("patch pkis/status", 20),
    ];
    for (what, count) in known {
        assert_eq!(requests.get(what), Some(&count), "{what}: {requests:?}");
    }
    assert!(!requests.contains_key("patch events") && !requests.contains_key("patch secrets"), "{requests:?}");
    let deleted = world.server.requests().into_iter().find(|entry| entry.user == CONTROLLER && entry.verb == "delete");
    assert_eq!(deleted, None);
    world.end().await;
}
