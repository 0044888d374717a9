//! Missing rights, and a missing definition of Pki, are waited for and reported.

use testkit::Log;

use crate::world::{World, config};

/// Waits until readiness has a line for each of these resources with these words, and no other line.
async fn not_ready(world: &World, wanted: &[(&str, &str)]) {
    world
        .until(async || {
            let why = world.telemetry.readiness().err().unwrap_or_default();
            let has = |(resource, words): &(&str, &str)| {
                why.lines().any(|line| line.starts_with(&format!("{resource}: not synced")) && line.contains(words))
            };
            if wanted.iter().all(has) && why.lines().count() == wanted.len() { Ok(()) } else { Err(why) }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn missing_rights_and_definition_are_waited_for() {
    let (log, mut world) = (Log::start(tracing::Level::INFO), World::empty(1));
    world.apply(|kind| ["Namespace", "ServiceAccount"].contains(&kind)).await;
    world.run(config()).await;
    not_ready(&world, &[("pkis", "403"), ("pods", "403")]).await;
    assert_eq!(world.telemetry.liveness(), Ok(()));
    assert_eq!(log.find("403").unwrap()["level"], "WARN");
    world.apply(|kind| !["Namespace", "ServiceAccount", "CustomResourceDefinition"].contains(&kind)).await;
    not_ready(&world, &[("pkis", "404")]).await;
    world.apply(|kind| kind == "CustomResourceDefinition").await;
    world.ready().await;
    world.namespace("at-last").await;
    let web = world.create_pki("at-last", "web", "app1").await;
    world.reconciled(&web, "Issued").await;
    world.stop().await;
}
