//! What a look makes of the CA: one that is missing, replaced, of no use, or asked for as a certificate.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{rig::*, *};
use testkit::terminating;

#[tokio::test(start_paused = true)]
async fn a_ca_is_created_once_and_never_replaced() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    // Another controller is faster: its CA is taken.
    let look = rig.look();
    rig.expect(&format!("GET {CA}/demo-controller-ca")).await.status(404, "NotFound", "");
    rig.expect(&format!("POST {CA}")).await.status(409, "AlreadyExists", "");
    rig.ca().await;
    rig.secret(&stored(&rig.issued(), owner("Pki", "app1-pki", "u1"))).await;
    assert_eq!(rig.status().await["reason"], "Issued");
    look.await.unwrap().unwrap();

    // Two minutes later it is of no use any more.
    tokio::time::advance(Duration::from_secs(120)).await;
    let look = rig.look();
    let broken = stored(&BTreeMap::new(), Value::Null);
    rig.expect(&format!("GET {CA}/demo-controller-ca")).await.json(200, &broken);
    assert_eq!(rig.status_at("8").await["reason"], "IssueFailed");
    assert!(matches!(look.await.unwrap(), Err(Error::Permanent { .. })));
    rig.nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn another_ca_is_noticed_within_a_minute_and_its_leaves_are_issued_anew() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let secret = stored(&rig.issued(), owner("Pki", "app1-pki", "u1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&secret).await;
    rig.status().await;
    look.await.unwrap().unwrap();

    rig.authority = Authority::create(Timestamp::now(), rand::random()).unwrap();
    tokio::time::advance(Duration::from_secs(61)).await;
    let look = rig.look();
    rig.ca().await;
    rig.secret(&secret).await;
    rig.expect(&format!("PATCH {SECRETS}/app1-pki")).await.json(200, &json!({ "metadata": {} }));
    rig.expect(STATUS).await.status(409, "Conflict", "the object has been modified");
    assert!(matches!(look.await.unwrap(), Err(Error::Unavailable(_))), "a conflict is a new look");
}

#[tokio::test(start_paused = true)]
async fn the_namespace_of_the_ca_that_is_going_is_waited_for() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let look = rig.look();
    rig.expect(&format!("GET {CA}/demo-controller-ca")).await.status(404, "NotFound", "");
    rig.expect(&format!("POST {CA}")).await.json(403, &terminating());
    assert!(matches!(look.await.unwrap(), Err(Error::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_pki_may_not_have_the_name_of_the_ca_even_before_there_is_one() {
    let mut rig = rig(&[]);
    let job = Arc::get_mut(&mut rig.job).unwrap();
    job.ca = CaSecret::new(job.client.clone(), key(), false);
    rig.put(&pki("app1"));
    let look = rig.look();
    assert_eq!(rig.status().await["reason"], "SecretConflict");
    assert!(matches!(look.await.unwrap(), Err(Error::Permanent { .. })));
    rig.nothing_more().await;
}
