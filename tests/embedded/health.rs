//! `/healthz` while the API server is in trouble, for long: it is not the controller that is wedged. (That it turns 503
//! when it is: `src/wiring/alive_tests.rs`, `src/watcher_tests.rs`.)

use std::time::Duration;

use apiserver::{Fault, Rule, Verb};
use demo_controller::cli::Run;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{fleet, pages, world::World};

const HOUR: Duration = Duration::from_secs(3600);

/// Half an hour of this (six times as long as what is given up as stuck), from the very beginning or in the middle of a day, and then all is mended by itself. `/healthz` is
/// 200 all the time, asked as often as a kubelet asks.
async fn stays_alive(trouble: fn() -> Vec<Rule>, from_the_beginning: bool) {
    let mut world = World::new(1).await;
    if from_the_beginning {
        trouble().into_iter().for_each(|rule| world.fault(rule));
    }
    // Many workers: what one after the other has to wait for takes longest then.
    let address = world.serve(Run { workers: 16, shutdown_grace: HOUR, ..Run::default() }).await;
    fleet::create(&world).await;
    if !from_the_beginning {
        world.until(async || fleet::check(&world).await).await;
        trouble().into_iter().for_each(|rule| world.fault(rule));
        // Something to do for every worker: a reason to look at the Secrets, the CA's copy being old.
        sleep(Duration::from_secs(120)).await;
        fleet::change(&world).await;
    }
    let start = Instant::now();
    while start.elapsed() < HOUR / 2 {
        sleep(Duration::from_secs(10)).await;
        let (code, text) = pages::get(address, "/healthz").await;
        assert_eq!((code, text.as_str()), (200, "ok\n"), "after {:?}", start.elapsed());
    }
    if from_the_beginning {
        fleet::change(&world).await;
    }
    world.server.clear_faults();
    world.until(async || fleet::check(&world).await).await;
    assert_eq!(pages::get(address, "/readyz").await.0, 200);
    world.end().await;
}

fn all(fault: Fault) -> Rule {
    Rule::new(fault)
}

fn slow() -> Rule {
    // A moment less than what is given up.
    all(Fault::Delay { duration: Duration::from_secs(29) })
}

macro_rules! troubles {
    ($($name:ident: $trouble:expr;)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test(start_paused = true)]
            async fn from_the_beginning() {
                stays_alive(|| $trouble, true).await;
            }

            #[tokio::test(start_paused = true)]
            async fn in_the_middle_of_a_day() {
                stays_alive(|| $trouble, false).await;
            }
        })*
    };
}

troubles! {
    a_server_that_is_away: vec![all(Fault::ResetBefore)];
    a_server_that_says_503: vec![all(Fault::ServiceUnavailable)];
    a_server_that_says_500: vec![all(Fault::InternalError)];
    a_server_that_says_nothing: vec![all(Fault::Delay { duration: 3 * HOUR })];
    a_server_that_is_slow: vec![slow()];
    a_server_that_is_slow_and_then_says_500: vec![slow(), all(Fault::InternalError)];
    a_server_that_is_slow_and_fails_half_of_the_time: vec![slow(), all(Fault::InternalError).probability(0.5)];
    watches_that_are_silent: vec![all(Fault::WatchSilent { after: 0 })];
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_never_gets_to_list_is_alive_and_not_ready() {
    let mut world = World::new(1).await;
    world.fault(Rule::new(Fault::Delay { duration: 10 * HOUR }).verb(Verb::List));
    let address = world.serve(Run::default()).await;
    world.create(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "team0" } })).await;
    world.create(&fleet::pki(0)).await;
    for _ in 0..100 {
        sleep(Duration::from_secs(60)).await;
        assert_eq!(pages::get(address, "/healthz").await.0, 200);
        let (code, why) = pages::get(address, "/readyz").await;
        assert!(code == 503 && why.contains("pkis: not synced: no answer within 30 s"), "{code}: {why}");
    }
}
