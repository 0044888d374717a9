//! One look at one Pki: what is said of it, to whom, and when nothing is.

use serde_json::json;

use super::{rig::*, *};

#[tokio::test(start_paused = true)]
async fn a_name_that_is_allowed_gets_a_certificate_and_a_status_that_says_so() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&not_found()).await;
    let created = rig.expect(&format!("POST {SECRETS}")).await;
    let secret = created.body.clone();
    created.json(201, &secret);
    assert_eq!(secret["type"], "kubernetes.io/tls");
    assert_eq!(secret["metadata"]["labels"]["app.kubernetes.io/managed-by"], "demo-controller");
    assert_eq!(secret["metadata"]["ownerReferences"], owner("Pki", "app1-pki", "u1"), "and no blockOwnerDeletion");
    let mut files: Vec<_> = secret["data"].as_object().unwrap().keys().cloned().collect();
    files.sort();
    assert_eq!(files, ["ca.crt", "tls.crt", "tls.key"]);
    let condition = rig.status().await;
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("True"), &json!("Issued")));
    assert!(matches!(look.await.unwrap(), Ok(Outcome::RequeueAfter(_))), "comes back for the renewal");
    let event = rig.events.next().await;
    assert_eq!((&event.body["reason"], &event.body["type"]), (&json!("Issued"), &json!("Normal")));
    assert_eq!(event.body["involvedObject"]["kind"], "Pki");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_on_the_list_is_told_to_the_pki_and_to_its_pods_once() {
    let mut rig = rig(&["pod-1", "pod-2"]);
    rig.put(&pki("appp1"));
    let look = rig.look();
    let condition = rig.status().await;
    let message = "ServiceName: appp1 in pki: app1-pki is not found in allowedNames: [app1 app2]";
    assert_eq!((&condition["reason"], &condition["message"]), (&json!("NameNotAllowed"), &json!(message)));
    assert!(matches!(look.await.unwrap(), Err(Error::Permanent { requeue_after: Some(_), .. })));
    let mut told = Vec::new();
    for _ in 0..3 {
        let event = rig.events.next().await;
        assert_eq!(event.body["reason"], "pki ServiceName error");
        assert_eq!((&event.body["message"], &event.body["type"]), (&json!(message), &json!("Warning")));
        assert_eq!(event.body["source"]["component"], "controlplane");
        told.push(event.body["involvedObject"]["name"].as_str().unwrap().to_owned());
        let body = event.body.clone();
        event.json(201, &body);
    }
    told.sort();
    assert_eq!(told, ["app1-pki", "pod-1", "pod-2"]);

    // A resync looks again: no Secret is even asked for, and nobody is told again.
    let mut again = pki("appp1");
    again["status"] = json!({ "observedGeneration": 1, "conditions": [condition] });
    again["metadata"]["resourceVersion"] = "8".into();
    rig.put(&again);
    rig.look().await.unwrap().unwrap_err();
    rig.nothing_more().await;
    assert!(rig.events.next_within(Duration::from_secs(60)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_makes_no_sense_is_told_to_its_owner() {
    let mut rig = rig(&["pod-1"]);
    let mut wrong = pki("app1");
    wrong["spec"] = json!({ "serviceName": 7 });
    rig.put(&wrong);
    let look = rig.look();
    assert_eq!(rig.status().await["reason"], "InvalidSpec");
    assert!(matches!(look.await.unwrap(), Err(Error::Permanent { .. })));
    let event = rig.events.next().await;
    assert_eq!((&event.body["reason"], &event.body["involvedObject"]["kind"]), (&json!("InvalidSpec"), &json!("Pki")));
    assert!(rig.events.next_within(Duration::from_secs(5)).await.is_none(), "the pod is told of names only");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_for_a_pki_that_is_going_or_gone() {
    let mut rig = rig(&[]);
    let mut going = pki("appp1");
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    for present in [None, Some(&going)] {
        present.into_iter().for_each(|pki| rig.put(pki));
        assert_eq!(rig.look().await.unwrap().unwrap(), Outcome::Settled);
        assert_eq!(rig.give_up("why").await.unwrap().unwrap(), Outcome::Settled);
    }
    rig.nothing_more().await;
    assert!(rig.events.next_within(Duration::from_secs(60)).await.is_none());
}

/// The cache does not show our last write yet, and what it shows happens to be what we would write next.
#[tokio::test(start_paused = true)]
async fn a_status_is_compared_with_what_was_written_last_and_not_with_an_old_cache() {
    let mut rig = rig(&[]);
    let mut cached = pki("app1");
    rig.put(&cached);
    let secret = stored(&rig.issued(), owner("Pki", "app1-pki", "u1"));
    let look = rig.look();
    rig.ca().await;
    rig.secret(&secret).await;
    let patch = rig.expect(STATUS).await;
    cached["status"] = patch.body["status"].clone();
    let answer = written(&patch);
    patch.json(200, &answer);
    look.await.unwrap().unwrap();
    rig.put(&answer);

    // Given up: written as version 9, of which the cache hears nothing.
    let gave_up = rig.give_up("500 InternalError");
    let patch = rig.expect(STATUS).await;
    assert_eq!(patch.body["metadata"]["resourceVersion"], "8");
    let mut answer = written(&patch);
    answer["metadata"]["resourceVersion"] = "9".into();
    patch.json(200, &answer);
    gave_up.await.unwrap().unwrap();

    // And then it works. The cache says Issued, the server does not.
    let look = rig.look();
    rig.secret(&secret).await;
    let patch = rig.expect(STATUS).await;
    assert_eq!(patch.body["metadata"]["resourceVersion"], "9");
    assert_eq!(patch.body["status"]["conditions"][0]["status"], "True");
    let answer = written(&patch);
    patch.json(200, &answer);
    look.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_given_up_says_why_in_its_status_and_in_an_event_and_is_looked_at_again() {
    let mut rig = rig(&[]);
    rig.put(&pki("app1"));
    let gave_up = rig.give_up("500 InternalError: etcd is unwell");
    let condition = rig.status().await;
    assert_eq!(
        (&condition["reason"], &condition["message"]),
        (&json!("IssueFailed"), &json!("500 InternalError: etcd is unwell"))
    );
    assert!(matches!(gave_up.await.unwrap(), Ok(Outcome::RequeueAfter(_))), "to remind");
    assert_eq!(rig.events.next().await.body["reason"], "IssueFailed");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_cannot_be_written_is_tried_again_and_tells_nobody_twice() {
    let mut rig = rig(&[]);
    rig.put(&pki("appp1"));
    for _ in 0..2 {
        let look = rig.look();
        rig.expect(STATUS).await.status(403, "Forbidden", "no rights");
        assert!(matches!(look.await.unwrap(), Err(Error::Unavailable(_))));
    }
    let event = rig.events.next().await;
    let body = event.body.clone();
    event.json(201, &body);
    assert!(rig.events.next_within(Duration::from_secs(60)).await.is_none());
}
