use serde_json::{Value, json};

use super::*;

fn pki(version: &str, edit: impl Fn(&mut Value)) -> Pki {
    let mut wire = json!({ "metadata": { "name": "a", "namespace": "ns", "uid": "u", "resourceVersion": version, "generation": 1 } });
    edit(&mut wire);
    serde_json::from_str(&wire.to_string()).unwrap()
}

fn pod(name: &str, uid: &str, version: &str, phase: &str) -> Pod {
    let wire = json!({
        "metadata": { "name": name, "namespace": "ns", "uid": uid, "resourceVersion": version },
        "spec": { "volumes": [{ "secret": { "secretName": "a" } }] },
        "status": { "phase": phase },
    });
    serde_json::from_str(&wire.to_string()).unwrap()
}

#[test]
fn every_change_except_a_status_write_needs_a_reconcile() {
    let store = Store::<Pki>::new();
    let changed = |edit: fn(&mut Value)| {
        store.replace(vec![pki("1", |_| {})], &[]);
        needs_reconcile(&store.apply(pki("2", edit)).unwrap())
    };
    assert!(!changed(|pki| pki["status"] = json!({ "observedGeneration": 1 })));
    assert!(changed(|pki| pki["metadata"]["generation"] = 2.into()));
    assert!(changed(|pki| pki["metadata"]["uid"] = "another".into()));
    assert!(changed(|pki| pki["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into()));
    assert!(needs_reconcile(&store.delete(&Key::new("ns", "a")).unwrap()));
    assert!(needs_reconcile(&store.apply(pki("3", |_| {})).unwrap()));
}

#[test]
fn pod_is_new_when_it_appears_or_is_replaced() {
    let store = Store::<Pod>::new();
    assert!(added_pod(&store.apply(pod("web", "first", "1", "Pending")).unwrap()).is_some());
    assert!(added_pod(&store.apply(pod("web", "first", "2", "Running")).unwrap()).is_none());
    assert!(added_pod(&store.apply(pod("web", "second", "3", "Pending")).unwrap()).is_some());
    assert!(added_pod(&store.delete(&Key::new("ns", "web")).unwrap()).is_none());
}

#[tokio::test(start_paused = true)]
async fn new_pod_enqueues_the_pki_of_its_secret_once() {
    let (pkis, pods) = (Arc::new(Store::<Pki>::new()), Arc::new(Store::<Pod>::new()));
    let telemetry = Telemetry::default();
    let (pod_queue, pki_queue) = (WorkQueue::new("pod", &telemetry), WorkQueue::new("pki", &telemetry));
    let lifecycle = Arc::new(PodReconciler::new(pods.clone()));
    let changed = on_pod(pod_queue.clone(), lifecycle, pki_queue.clone(), pkis.clone());

    changed(pods.apply(pod("early", "u1", "1", "Pending")).unwrap());
    assert_eq!((pod_queue.len(), pki_queue.len()), (1, 0), "there is no Pki of that name");
    pkis.apply(pki("2", |_| {}));
    changed(pods.apply(pod("web", "u2", "3", "Pending")).unwrap());
    assert_eq!((pod_queue.len(), pki_queue.len()), (2, 1));
    drop(pki_queue.get().await);
    changed(pods.apply(pod("web", "u2", "4", "Running")).unwrap());
    assert_eq!(pki_queue.len(), 0, "a later change of the pod does not enqueue the Pki");
}

#[test]
fn finished_pod_does_not_wait_for_a_secret() {
    let store = Store::<Pod>::new();
    for phase in ["Pending", "Running", "Unknown", "Succeeded", "Failed"] {
        store.apply(pod(phase, phase, "1", phase));
    }
    let mut names: Vec<_> = find_waiting_pods(&store, &Key::new("ns", "a")).into_iter().map(|pod| pod.name).collect();
    names.sort();
    assert_eq!(names, ["Pending", "Running", "Unknown"].map(|name| Some(name.to_owned())));
    assert!(find_waiting_pods(&store, &Key::new("ns", "b")).is_empty());
}

#[test]
fn terminating_pod_does_not_wait_for_a_secret() {
    let store = Store::<Pod>::new();
    let metadata = json!({ "name": "web", "namespace": "ns", "uid": "u", "resourceVersion": "1",
                           "deletionTimestamp": "2026-01-01T00:00:00Z" });
    let wire = json!({ "metadata": metadata, "spec": { "volumes": [{ "secret": { "secretName": "a" } }] } });
    store.apply(serde_json::from_str(&wire.to_string()).unwrap());
    assert!(find_waiting_pods(&store, &Key::new("ns", "a")).is_empty());
}
