//! The controller waits for missing rights and a missing CustomResourceDefinition, and reports them.

use testkit::Log;

use crate::test_env::{TestEnv, config};

/// Waits until `/readyz` has exactly one line for each of these resources, with these words.
async fn wait_not_ready(env: &TestEnv, wanted: &[(&str, &str)]) {
    env.wait_until(async || {
        let reason = env.telemetry.readiness().err().unwrap_or_default();
        let has = |(resource, words): &(&str, &str)| {
            reason.lines().any(|line| line.starts_with(&format!("{resource}: not synced")) && line.contains(words))
        };
        if wanted.iter().all(has) && reason.lines().count() == wanted.len() { Ok(()) } else { Err(reason) }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn missing_rights_and_crd_are_reported_until_they_exist() {
    let (log, mut env) = (Log::start(tracing::Level::INFO), TestEnv::empty(1));
    env.apply(|kind| ["Namespace", "ServiceAccount"].contains(&kind)).await;
    env.run(config()).await;
    wait_not_ready(&env, &[("pkis", "403"), ("pods", "403")]).await;
    assert_eq!(env.telemetry.liveness(), Ok(()));
    assert_eq!(log.find("403").unwrap()["level"], "WARN");
    env.apply(|kind| !["Namespace", "ServiceAccount", "CustomResourceDefinition"].contains(&kind)).await;
    wait_not_ready(&env, &[("pkis", "404")]).await;
    env.apply(|kind| kind == "CustomResourceDefinition").await;
    env.wait_ready().await;
    env.create_namespace("late").await;
    let web = env.create_pki("late", "web", "app1").await;
    env.wait_pki(&web, "Issued").await;
    env.stop().await;
}
