//! Changes of the file of allowed names. (`src/pki/allowed/tests.rs` tests how it is parsed.)

use std::{fs, path::Path, time::Duration};

use demo_controller::{controller::Config, pki};
use testkit::{Folder, Log, objects::ready};

use crate::test_env::{TestEnv, config};

/// Replaces the file atomically, as editors and ConfigMaps do.
fn replace(file: &Path, names: &str) {
    let next = file.with_extension("next");
    fs::write(&next, names).unwrap();
    fs::rename(next, file).unwrap();
}

#[tokio::test(start_paused = true)]
async fn changed_list_reconciles_every_pki() {
    let (log, mut env, folder) = (Log::start(tracing::Level::INFO), TestEnv::new().await, Folder::new("names"));
    let file = folder.file("names", "app1\n");
    // Only a change of the file enqueues a Pki again: no resync, no reminder.
    let pki = pki::Config { allowed_names: Some(file.clone()), remind: Duration::from_secs(86_400), ..config().pki };
    env.run(Config { resync: None, pki, ..config() }).await;
    env.create_namespace("ns").await;
    let (one, two) = (env.create_pki("ns", "one", "app1").await, env.create_pki("ns", "two", "app2").await);
    env.wait_pki(&one, "Issued").await;
    env.wait_pki(&two, "NameNotAllowed").await;
    let secret = "/api/v1/namespaces/ns/secrets/one";
    let issued = env.get(secret).await;

    replace(&file, "app2\n");
    env.wait_pki(&two, "Issued").await;
    let refused = env.wait_pki(&one, "NameNotAllowed").await;
    assert!(ready(&refused, "message").ends_with("allowedNames: [app2]"), "{refused}");
    replace(&file, "app2\napp1\n");
    env.wait_pki(&one, "Issued").await;
    assert_eq!(env.get(secret).await, issued, "an issued certificate is kept");

    fs::remove_file(&file).unwrap();
    let warning = env.wait_until(async || log.find("cannot read the allowed names")).await;
    assert_eq!(warning["level"], "WARN");
    let three = env.create_pki("ns", "three", "app2").await;
    env.wait_pki(&three, "Issued").await;
    replace(&file, "");
    env.wait_pki(&three, "NameNotAllowed").await;
    env.end().await;
}
