//! Liveness and readiness while the API server is away, slow or refuses. (That liveness fails for a key that is stuck and
//! for a reflector that has ended: `src/worker/tests.rs`, `src/informer/reflector/tests.rs`.)

use std::time::Duration;

use apiserver::{Fault, Rule, Verb};
use tokio::time::{Instant, sleep};

use crate::{
    fleet,
    world::{World, config},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Half an hour of faults, six times the limit of a stuck key; then the controller recovers by itself.
async fn stays_alive(faults: Vec<Rule>, from_the_start: bool) {
    let mut world = World::new().await;
    let begin = |world: &World| faults.iter().for_each(|rule| world.fault(rule.clone()));
    if from_the_start {
        begin(&world);
    }
    // Many workers: then each of a sequence of requests takes longest.
    world.run(controller_config()).await;
    fleet::create(&world).await;
    if !from_the_start {
        world.until(async || fleet::check(&world).await).await;
        begin(&world);
        // Old enough that the CA is read again.
        sleep(Duration::from_secs(120)).await;
        fleet::change(&world).await;
    }
    let start = Instant::now();
    while start.elapsed() < HOUR / 2 {
        sleep(Duration::from_secs(10)).await;
        assert_eq!(world.telemetry.liveness(), Ok(()), "after {:?}", start.elapsed());
        if from_the_start {
            let why = world.telemetry.readiness().unwrap_err();
            assert!(why.contains("pkis: not synced") && why.contains("pods: not synced"), "{why}");
        }
    }
    world.server.clear_faults();
    world.ready().await;
    world.until(async || fleet::check(&world).await).await;
    world.end().await;
}

fn controller_config() -> demo_controller::controller::Config {
    demo_controller::controller::Config { workers: 16, shutdown_grace: HOUR, ..config() }
}

fn slow() -> Rule {
    // A second less than the limit of a request.
    Rule::new(Fault::Delay { duration: Duration::from_secs(29) })
}

#[tokio::test(start_paused = true)]
async fn unreachable_server_leaves_liveness_ok_and_not_ready() {
    for fault in [Fault::ResetBefore, Fault::ServiceUnavailable, Fault::Delay { duration: 3 * HOUR }] {
        stays_alive(vec![Rule::new(fault)], true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn faults_of_a_working_server_leave_liveness_ok() {
    stays_alive(vec![Rule::new(Fault::ResetBefore)], false).await;
    stays_alive(vec![slow(), Rule::new(Fault::InternalError).probability(0.5)], false).await;
    stays_alive(vec![Rule::new(Fault::WatchSilent { after: 0 }).verb(Verb::Watch)], false).await;
}
