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
fn our_own_write_of_a_status_is_nothing_to_act_on_and_everything_else_is() {
    let store = Store::new(|_: &Pki| &[]);
    let changed = |edit: fn(&mut Value)| {
        store.replace(vec![pki("1", |_| {})], &[]);
        concerns(&store.apply(pki("2", edit)).unwrap())
    };
    assert!(!changed(|pki| pki["status"] = json!({ "observedGeneration": 1 })));
    assert!(changed(|pki| pki["metadata"]["generation"] = 2.into()));
    assert!(changed(|pki| pki["metadata"]["uid"] = "another".into()));
    assert!(changed(|pki| pki["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into()));
    assert!(concerns(&store.delete(&Key::new("ns", "a")).unwrap()));
    assert!(concerns(&store.apply(pki("3", |_| {})).unwrap()));
}

#[test]
fn a_pod_is_new_when_it_appears_and_when_it_is_another_of_the_same_name() {
    let store = Store::new(|pod: &Pod| &pod.secrets);
    assert!(newcomer(&store.apply(pod("web", "first", "1", "Pending")).unwrap()).is_some());
    assert!(newcomer(&store.apply(pod("web", "first", "2", "Running")).unwrap()).is_none());
    assert!(newcomer(&store.apply(pod("web", "second", "3", "Pending")).unwrap()).is_some());
    assert!(newcomer(&store.delete(&Key::new("ns", "web")).unwrap()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pod_brings_the_pki_that_it_waits_for_once_and_no_other_key() {
    let (pkis, pods) = (Arc::new(Store::new(|_: &Pki| &[])), Arc::new(Store::new(|pod: &Pod| &pod.secrets)));
    let counts = workqueue::Metrics::default();
    let (pod_queue, pki_queue) = (WorkQueue::new("pod", &counts), WorkQueue::new("pki", &counts));
    let lifecycle = Arc::new(Lifecycle::new(pods.clone()));
    let changed = on_pod(pod_queue.clone(), lifecycle, pki_queue.clone(), pkis.clone());

    changed(pods.apply(pod("early", "u1", "1", "Pending")).unwrap());
    assert_eq!((pod_queue.len(), pki_queue.len()), (1, 0), "there is no Pki of that name");
    pkis.apply(pki("2", |_| {}));
    changed(pods.apply(pod("web", "u2", "3", "Pending")).unwrap());
    assert_eq!((pod_queue.len(), pki_queue.len()), (2, 1));
    drop(pki_queue.get().await);
    changed(pods.apply(pod("web", "u2", "4", "Running")).unwrap());
    assert_eq!(pki_queue.len(), 0, "a later change is none of its business");
}

#[test]
fn only_pods_that_could_still_start_are_told() {
    let store = Store::new(|pod: &Pod| &pod.secrets);
    for phase in ["Pending", "Running", "Unknown", "Succeeded", "Failed"] {
        store.apply(pod(phase, phase, "1", phase));
    }
    let mut names: Vec<_> = waiting_pods(&store, &Key::new("ns", "a")).into_iter().map(|pod| pod.name).collect();
    names.sort();
    assert_eq!(names, ["Pending", "Running", "Unknown"]);
    assert!(waiting_pods(&store, &Key::new("ns", "b")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_takes_over_knows_what_is_there_as_a_baseline_and_nothing_of_what_is_gone() {
    let log = testkit::Log::start(tracing::Level::INFO);
    let (pkis, pods) = (Arc::new(Store::new(|_: &Pki| &[])), Arc::new(Store::new(|pod: &Pod| &pod.secrets)));
    let counts = workqueue::Metrics::default();
    let (pod_queue, pki_queue) = (WorkQueue::new("pod", &counts), WorkQueue::new("pki", &counts));
    let lifecycle = Arc::new(Lifecycle::new(pods.clone()));
    let turn = Turn::default();
    let on_pod = Arc::new(on_pod(pod_queue.clone(), lifecycle.clone(), pki_queue.clone(), pkis));
    let changed = turn.gate(&on_pod);

    changed(pods.apply(pod("there", "u1", "1", "Pending")).unwrap());
    changed(pods.apply(pod("gone", "u2", "2", "Pending")).unwrap());
    changed(pods.delete(&Key::new("ns", "gone")).unwrap());
    assert_eq!(pod_queue.len(), 0, "one that stands by collects nothing");

    turn.come(|| as_first_list(&pods).for_each(&*on_pod));
    changed(pods.apply(pod("late", "u3", "3", "Pending")).unwrap());
    assert_eq!(pod_queue.len(), 2);
    for _ in 0..2 {
        let claim = pod_queue.get().await.unwrap();
        worker::Reconciler::reconcile(&*lifecycle, claim.key()).await.unwrap();
    }
    let told: Vec<_> = log
        .lines()
        .iter()
        .filter(|line| line["message"] == "pod lifecycle")
        .map(|line| (line["pod"].clone(), line["baseline"].clone()))
        .collect();
    assert_eq!(told, [(json!("ns/there"), json!(true)), (json!("ns/late"), Value::Null)]);
}

#[tokio::test(start_paused = true)]
async fn healthz_is_told_of_each_queue_and_of_each_cache() {
    let (client, mut server) = testkit::api_server();
    let (stop, counts) = (CancellationToken::new(), Counts::default());
    let voice = events::Settings { component: "controlplane".into(), dry_run: false };
    let (recorder, writer) = Recorder::new(client, voice, counts.events.clone(), &counts.queues, &counts.workers);
    tokio::spawn(writer);
    let (pki_queue, pod_queue) = (WorkQueue::new("pki", &counts.queues), WorkQueue::new("pod", &counts.queues));
    let supplies = (Supply::new("pkis", &stop), Supply::new("pods", &stop));
    let checks = alive([&supplies.0, &supplies.1], [&pki_queue, &pod_queue], recorder.clone(), &stop);
    let failing = || {
        let failed = checks.iter().filter(|check| (check.ask)().is_err());
        failed.map(|check| check.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(failing(), [""; 0]);

    pki_queue.add(Key::new("ns", "a"));
    pod_queue.add(Key::new("ns", "a"));
    let claims = (pki_queue.get().await, pod_queue.get().await);
    // This one comes out: its requests have limits.
    let about = ObjectRef::of("v1", "Pod", &pod("web", "u", "1", "Pending"));
    recorder.record(&about, events::Kind::Warning, "Reason", "message");
    let unanswered = server.next().await;
    assert_eq!(recorder.oldest().map(|(key, _)| key.namespace().to_owned()), Some("ns".to_owned()));
    tokio::time::sleep(STUCK + Duration::from_secs(1)).await;
    assert_eq!(failing(), ["queue pki", "queue pod"]);
    drop((claims, unanswered));
    drop(supplies);
    assert_eq!(failing(), ["pkis", "pods"]);
}
