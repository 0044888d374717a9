//! Hours in which nothing changes.

use std::time::Duration;

use crate::{
    fleet,
    test_env::{TestEnv, config},
};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(start_paused = true)]
async fn resync_writes_nothing_for_a_day() {
    let mut env = TestEnv::new().await;
    env.run(config()).await;
    fleet::create(&env).await;
    // Without typos, whose events are repeated. With few certificates, because each resync verifies all of them.
    for n in (3..fleet::PKI_COUNT).filter(|n| n % 4 == 3 || *n > 4) {
        env.delete(&fleet::pki(n)).await;
    }
    env.wait_until(async || fleet::check(&env).await).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let revision = env.server.revision();
    // Without the CA's Secret, which is read again after a minute.
    let count_gets = || {
        let requests = env.server.requests().into_iter();
        requests.filter(|r| r.verb == "get" && r.resource == "secrets" && r.name.starts_with("pki")).count()
    };
    let before = count_gets();
    tokio::time::sleep(DAY).await;
    assert_eq!(env.server.revision(), revision);
    let requests = env.requests();
    assert_eq!((requests["list pkis"], requests["list pods"]), (1, 1), "a resync is not a list");
    let gets = count_gets() - before;
    assert!((4 * 143..=4 * 145).contains(&gets), "each resync reads each of four Secrets once: {gets}");
    env.end().await;
}

#[tokio::test(start_paused = true)]
async fn reminder_raises_the_count_of_the_same_event() {
    let mut env = TestEnv::new().await;
    env.run(config()).await;
    fleet::create(&env).await;
    env.wait_until(async || fleet::check(&env).await).await;
    let (events, pkis) = (env.list(fleet::EVENTS).await, env.list(fleet::PKIS).await);
    let counts = fleet::event_counts(&env).await;
    assert!(counts.iter().all(|count| *count == 1), "{counts:?}");
    tokio::time::sleep(DAY / 4).await;
    assert!(env.list(fleet::EVENTS).await.keys().eq(events.keys()));
    let counts = fleet::event_counts(&env).await;
    assert!(counts.iter().all(|count| (12..=13).contains(count)), "once, then every half hour: {counts:?}");
    assert_eq!(env.list(fleet::PKIS).await, pkis, "an unchanged status is not written");
    env.end().await;
}

#[tokio::test(start_paused = true)]
async fn first_minute_has_no_superfluous_request() {
    let mut env = TestEnv::new().await;
    env.run(config()).await;
    fleet::create(&env).await;
    env.wait_until(async || fleet::check(&env).await).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let requests = env.requests();
    for (request, count) in [
        ("list pkis", 1),
        ("list pods", 1),
        ("watch pkis", 1),
        ("watch pods", 1),
        // The Secret of the CA, and one for each Pki with an allowed name.
        ("create secrets", 16),
        ("patch pkis/status", 20),
    ] {
        assert_eq!(requests.get(request), Some(&count), "{request}: {requests:?}");
    }
    let others = ["patch events", "patch secrets", "list secrets", "watch secrets"];
    assert!(others.iter().all(|request| !requests.contains_key(*request)), "{requests:?}");
    env.end().await;
}
