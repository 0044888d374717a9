//! Liveness and readiness while the API server is unavailable, slow or returns errors. (`src/worker/tests.rs` and
//! `src/informer/reflector/tests.rs` test that liveness fails for a stuck key and for a reflector that has ended.)

use std::time::Duration;

use apiserver::{Fault, Rule, Verb};
use demo_controller::controller::Config;
use tokio::time::{Instant, sleep};

use crate::{
    fleet,
    test_env::{TestEnv, config},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Checks that half an hour of faults, six times the limit for a stuck key, does not fail liveness, and that the controller
/// then recovers.
async fn check_liveness(faults: Vec<Rule>, from_the_start: bool) {
    let mut env = TestEnv::new().await;
    let add_faults = |env: &TestEnv| faults.iter().for_each(|rule| env.add_fault(rule.clone()));
    if from_the_start {
        add_faults(&env);
    }
    // Many workers wait for the same read of the CA, so that a reconcile takes longest.
    env.run(Config { workers: 16, shutdown_grace: HOUR, ..config() }).await;
    fleet::create(&env).await;
    if !from_the_start {
        env.wait_until(async || fleet::check(&env).await).await;
        add_faults(&env);
        // Until the CA is so old that it is read again.
        sleep(Duration::from_secs(120)).await;
        fleet::change(&env).await;
    }
    let start = Instant::now();
    while start.elapsed() < HOUR / 2 {
        sleep(Duration::from_secs(10)).await;
        assert_eq!(env.telemetry.liveness(), Ok(()), "after {:?}", start.elapsed());
        if from_the_start {
            let reason = env.telemetry.readiness().unwrap_err();
            assert!(reason.contains("pkis: not synced") && reason.contains("pods: not synced"), "{reason}");
        }
    }
    env.server.clear_faults();
    env.wait_ready().await;
    env.wait_until(async || fleet::check(&env).await).await;
    env.end().await;
}

fn slow() -> Rule {
    // A second less than the time limit of a request.
    Rule::new(Fault::Delay { duration: Duration::from_secs(29) })
}

#[tokio::test(start_paused = true)]
async fn unreachable_server_leaves_liveness_ok_and_not_ready() {
    for fault in [Fault::ResetBefore, Fault::ServiceUnavailable, Fault::Delay { duration: 3 * HOUR }] {
        check_liveness(vec![Rule::new(fault)], true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn faults_of_a_working_server_leave_liveness_ok() {
    check_liveness(vec![Rule::new(Fault::ResetBefore)], false).await;
    check_liveness(vec![slow(), Rule::new(Fault::InternalError).probability(0.5)], false).await;
    check_liveness(vec![Rule::new(Fault::WatchSilent { after: 0 }).verb(Verb::Watch)], false).await;
}
