//! The Secret that is there already, or not any more: whose it is, and whether it will do.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::{rig::*, *};
use testkit::terminating;

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_valid_costs_one_get_and_no_write() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let secret = stored(&rig.issued(), owner("Pki", "app1-pki", "u1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&secret).await;
    let call = rig.expect(STATUS).await;
    let mut settled = pki("app1");
    settled["status"] = call.body["status"].clone();
    settled["metadata"]["resourceVersion"] = "8".into();
    call.json(200, &settled);
    look.await.unwrap().unwrap();

    rig.put(&settled);
    for _ in 0..3 {
        let look = rig.look();
        rig.secret(&secret).await;
        look.await.unwrap().unwrap();
        rig.nothing_more().await;
    }
    assert!(rig.events.next_within(Duration::from_secs(60)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_someone_else_is_never_touched() {
    for owners in [Value::Null, owner("Certificate", "app1-pki", "u9"), owner("Pki", "another", "u9")] {
        let mut rig = rig(&[]);
        rig.put(&pki("app1"));
        let look = rig.look();
        rig.ca().await;
        rig.secret(&stored(&BTreeMap::new(), owners)).await;
        assert_eq!(rig.status().await["reason"], "SecretConflict");
        assert!(matches!(look.await.unwrap(), Err(Error::Permanent { .. })));
        rig.nothing_more().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_secret_of_an_earlier_pki_of_this_name_is_waited_for() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&stored(&rig.issued(), owner("Pki", "app1-pki", "u0"))).await;
    assert!(matches!(look.await.unwrap(), Err(Error::Unavailable(_))));
    rig.nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_is_faster_with_the_secret_is_looked_at_again() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&not_found()).await;
    rig.expect(&format!("POST {SECRETS}")).await.status(409, "AlreadyExists", "secrets \"app1-pki\" already exists");
    assert!(matches!(look.await.unwrap(), Err(Error::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_secret_is_mended_at_the_version_that_was_checked() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let mut damaged = rig.issued();
    damaged.insert("tls.key".into(), ByteString(b"not a key".to_vec()));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&stored(&damaged, owner("Pki", "app1-pki", "u1"))).await;
    let patch = rig.expect(&format!("PATCH {SECRETS}/app1-pki")).await;
    assert_eq!(patch.body["metadata"], json!({ "resourceVersion": "50" }));
    patch.json(200, &json!({ "metadata": {} }));
    assert_eq!(rig.status().await["reason"], "Issued");
    look.await.unwrap().unwrap();
    assert_eq!(rig.events.next().await.body["reason"], "Renewed");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_someone_made_immutable_is_told_at_once() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&stored(&BTreeMap::new(), owner("Pki", "app1-pki", "u1"))).await;
    rig.expect(&format!("PATCH {SECRETS}/app1-pki")).await.status(
        422,
        "Invalid",
        "data: Forbidden: field is immutable",
    );
    assert_eq!(rig.status().await["reason"], "IssueFailed");
    assert!(matches!(look.await.unwrap(), Err(Error::Permanent { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_immutable_secret_that_will_do_is_fine_and_one_that_will_not_is_not_even_tried() {
    for good in [true, false] {
        let mut rig = rig(&[]);
        rig.put(&pki("app1"));
        let data = if good { rig.issued() } else { BTreeMap::new() };
        let mut secret = stored(&data, owner("Pki", "app1-pki", "u1"));
        secret["immutable"] = true.into();
        let look = rig.look();
        rig.ca().await;
        rig.secret(&secret).await;
        assert_eq!(rig.status().await["reason"], if good { "Issued" } else { "IssueFailed" });
        assert_eq!(look.await.unwrap().is_ok(), good);
        rig.nothing_more().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_going_is_not_an_error() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&not_found()).await;
    rig.expect(&format!("POST {SECRETS}")).await.json(403, &terminating());
    assert_eq!(look.await.unwrap().unwrap(), Outcome::Settled);
    rig.nothing_more().await;
}
