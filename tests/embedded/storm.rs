//! Everything at once, by chance; the chance is seeded. Then the sky clears.

use std::time::Duration;

use apiserver::{Fault, Rule, Verb};
use demo_controller::cli::Run;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;

use crate::{fleet, world::World};

/// A third of all requests go wrong, in every way but one: what is answered can be read.
pub fn weather(world: &World) {
    let seconds = Duration::from_secs;
    for (fault, probability) in [
        (Fault::Delay { duration: seconds(3) }, 0.1),
        (Fault::Delay { duration: seconds(40) }, 0.02),
        (Fault::TooManyRequests { retry_after: seconds(1) }, 0.05),
        (Fault::InternalError, 0.05),
        (Fault::ServiceUnavailable, 0.05),
        (Fault::ResetBefore, 0.05),
        (Fault::ResetAfter, 0.1),
        (Fault::StaleRead { lag: 3 }, 0.1),
        (Fault::Compact, 0.05),
        (Fault::GoneOnOpen, 0.1),
        (Fault::EmptyWatch, 0.1),
        (Fault::WatchEnd { after: 5 }, 0.2),
        (Fault::WatchCut { after: 7 }, 0.2),
        (Fault::WatchCutInLine { after: 9 }, 0.2),
        (Fault::WatchSilent { after: 11 }, 0.1),
    ] {
        world.fault(Rule::new(fault).probability(probability));
    }
}

/// Ten minutes in which a third of all requests go wrong, while people work.
async fn storm(seed: u64) {
    let mut world = World::new(seed).await;
    let mut random = StdRng::seed_from_u64(seed);
    let seconds = Duration::from_secs;
    weather(&world);
    world.fault(Rule::new(Fault::Undecodable { name: None }).verb(Verb::List).probability(0.1));
    world.run(Run::default()).await;
    fleet::create(&world).await;
    for _ in 0..60 {
        tokio::time::sleep(seconds(10)).await;
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
    // What was delayed comes to its end.
    tokio::time::sleep(seconds(60)).await;
    // An object that a list showed broken is missing in the cache until it changes or is listed again. Here nothing is
    // wrong with it, and nobody would mend it: so each changes once.
    let touch = json!({ "metadata": { "labels": { "after": "the-storm" } } });
    for object in (0..fleet::PKI_COUNT).map(fleet::pki).chain((0..fleet::POD_COUNT).map(fleet::pod)) {
        world.patch(&object, touch.clone()).await;
    }
    world.until(async || fleet::check(&world).await).await;
    world.end().await;
}

macro_rules! storms {
    ($($name:ident: $seed:literal),*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            storm($seed).await;
        })*
    };
}

storms!(seed_1: 1, seed_2: 2, seed_3: 3, seed_4: 4, seed_5: 5, seed_6: 6, seed_7: 7, seed_8: 8);
