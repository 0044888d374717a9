//! The list of allowed names while it changes on disk. (How a list is read: `src/pki/allowed/tests.rs`.)

use std::{fs, path::Path, time::Duration};

use demo_controller::{controller::Config, pki};
use testkit::{Folder, Log, objects::ready};

use crate::world::{World, config};

/// Replaces the list at once, as an editor or a ConfigMap does.
fn replace(file: &Path, names: &str) {
    let next = file.with_extension("next");
    fs::write(&next, names).unwrap();
    fs::rename(next, file).unwrap();
}

#[tokio::test(start_paused = true)]
async fn changed_list_reconciles_every_pki() {
    let (log, mut world, folder) = (Log::start(tracing::Level::INFO), World::new().await, Folder::new("names"));
    let file = folder.file("names", "app1\n");
    // Nothing else enqueues a Pki again.
    let pki = pki::Config { allowed_names: Some(file.clone()), remind: Duration::from_secs(86_400), ..config().pki };
    world.run(Config { resync: None, pki, ..config() }).await;
    world.namespace("ns").await;
    let (one, two) = (world.create_pki("ns", "one", "app1").await, world.create_pki("ns", "two", "app2").await);
    world.reconciled(&one, "Issued").await;
    world.reconciled(&two, "NameNotAllowed").await;
    let secret = "/api/v1/namespaces/ns/secrets/one";
    let issued = world.get(secret).await;

    replace(&file, "app2\n");
    world.reconciled(&two, "Issued").await;
    let refused = world.reconciled(&one, "NameNotAllowed").await;
    assert!(ready(&refused, "message").ends_with("allowedNames: [app2]"), "{refused}");
    replace(&file, "app2\napp1\n");
    world.reconciled(&one, "Issued").await;
    assert_eq!(world.get(secret).await, issued, "a certificate that was issued stays");

    fs::remove_file(&file).unwrap();
    let warning = world.until(async || log.find("cannot be read")).await;
    assert_eq!(warning["level"], "WARN");
    let three = world.create_pki("ns", "three", "app2").await;
    world.reconciled(&three, "Issued").await;
    replace(&file, "");
    world.reconciled(&three, "NameNotAllowed").await;
    world.end().await;
}
