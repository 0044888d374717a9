//! Days on which nothing changes.

use std::time::Duration;

use crate::{
    fleet,
    world::{World, config},
};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(start_paused = true)]
async fn a_day_of_resyncs_writes_nothing() {
    let mut world = World::new().await;
    world.run(config()).await;
    fleet::create(&world).await;
    // Without typos, whose events are repeated; and few certificates, as each is verified at each resync.
    for n in (3..fleet::PKI_COUNT).filter(|n| n % 4 == 3 || *n > 4) {
        world.delete(&fleet::pki(n)).await;
    }
    world.until(async || fleet::check(&world).await).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let revision = world.server.revision();
    // Without those of the CA, which is read again when it is older than a minute.
    let gets = || {
        let requests = world.server.requests().into_iter();
        requests.filter(|r| r.verb == "get" && r.resource == "secrets" && r.name.starts_with("pki")).count()
    };
    let before = gets();
    tokio::time::sleep(DAY).await;
    assert_eq!(world.server.revision(), revision);
    let requests = world.requests();
    assert_eq!((requests["list pkis"], requests["list pods"]), (1, 1), "a resync is not a list");
    let gets = gets() - before;
    assert!((4 * 143..=4 * 145).contains(&gets), "one GET of each of four Secrets per resync: {gets}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn reminder_raises_the_count_of_the_same_event() {
    let mut world = World::new().await;
    world.run(config()).await;
    fleet::create(&world).await;
    world.until(async || fleet::check(&world).await).await;
    let (events, pkis) = (world.all(fleet::EVENTS).await, world.all(fleet::PKIS).await);
    let counts = fleet::event_counts(&world).await;
    assert!(counts.iter().all(|count| *count == 1), "{counts:?}");
    tokio::time::sleep(DAY / 4).await;
    assert!(world.all(fleet::EVENTS).await.keys().eq(events.keys()));
    let counts = fleet::event_counts(&world).await;
    assert!(counts.iter().all(|count| (12..=13).contains(count)), "once, then every half hour: {counts:?}");
    assert_eq!(world.all(fleet::PKIS).await, pkis, "an unchanged status is not written");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn first_minute_has_no_superfluous_request() {
    let mut world = World::new().await;
    world.run(config()).await;
    fleet::create(&world).await;
    world.until(async || fleet::check(&world).await).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let requests = world.requests();
    for (request, count) in [
        ("list pkis", 1),
        ("list pods", 1),
        ("watch pkis", 1),
        ("watch pods", 1),
        // The CA's, and one for each allowed Pki.
        ("create secrets", 16),
        ("patch pkis/status", 20),
    ] {
        assert_eq!(requests.get(request), Some(&count), "{request}: {requests:?}");
    }
    let others = ["patch events", "patch secrets", "list secrets", "watch secrets"];
    assert!(others.iter().all(|request| !requests.contains_key(*request)), "{requests:?}");
    world.end().await;
}
