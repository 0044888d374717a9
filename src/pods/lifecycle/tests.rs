use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::Log;

use super::*;

/// A pod with this UID in this state, after this many restarts.
fn pod(uid: &str, state: PodState, restarts: u32) -> Arc<Pod> {
    let metadata = json!({ "name": "web", "namespace": "app1", "uid": uid, "resourceVersion": "1",
        "deletionTimestamp": (state == PodState::Terminating).then_some("2026-01-01T00:00:00Z") });
    let (phase, ready) = match state {
        PodState::Ready => ("Running", "True"),
        PodState::Terminating => ("Running", "False"),
        other => (other.as_str(), "False"),
    };
    let status = json!({ "phase": phase, "conditions": [{ "type": "Ready", "status": ready }],
        "containerStatuses": [{ "restartCount": restarts }] });
    let wire = json!({ "metadata": metadata, "spec": { "nodeName": "node-1" }, "status": status });
    Arc::new(serde_json::from_str(&wire.to_string()).unwrap())
}

fn baseline(pod: Arc<Pod>) -> Option<Known> {
    Some(Known::Baseline(pod))
}

fn logged(pod: Arc<Pod>) -> Option<Known> {
    Some(Known::Logged(pod))
}

/// `Pending>Running restarts=1`, or an empty text for no line.
fn line(last: Option<Known>, now: Option<Arc<Pod>>) -> String {
    let Some(line) = compare(last, now) else { return String::new() };
    let mut text =
        format!("{}>{}", line.from.map_or("none", PodState::as_str), line.to.map_or("Deleted", PodState::as_str));
    line.restarts.into_iter().for_each(|n| text += &format!(" restarts={n}"));
    text += if line.replaced { " replaced" } else { "" };
    text + if line.baseline { " baseline" } else { "" }
}

#[tokio::test]
async fn reconcile_logs_each_change_once_with_its_fields() {
    let log = Log::start(tracing::Level::INFO);
    let (pods, key) = (Arc::new(Store::new()), Key::new("app1", "web"));
    let job = PodReconciler::new(pods.clone());
    pods.replace(vec![Arc::into_inner(pod("u", PodState::Pending, 0)).unwrap()], &[]);
    for _ in 0..2 {
        job.reconcile(&key).await.unwrap();
    }
    pods.delete(&key);
    for _ in 0..2 {
        job.reconcile(&key).await.unwrap();
    }
    assert!(job.known.is_empty(), "the entry is removed with the pod");
    let lines = log.lines();
    let of = |field: &str| lines.iter().map(|line| line[field].clone()).collect::<Vec<Value>>();
    assert_eq!(of("message"), ["pod lifecycle"; 2]);
    assert_eq!(
        (of("from"), of("to")),
        (vec!["none".into(), "Pending".into()], vec!["Pending".into(), "Deleted".into()])
    );
    assert_eq!((of("pod"), of("uid")), (vec![json!("app1/web"); 2], vec![json!("u"); 2]));
    assert_eq!(of("node"), ["node-1"; 2]);
    assert_eq!((of("replaced"), of("baseline")), (vec![Value::Null; 2], vec![Value::Null; 2]), "absent if false");
}

#[test]
fn restart_is_logged_with_the_sum() {
    let last = || logged(pod("u", PodState::Ready, 3));
    assert_eq!(line(None, Some(pod("u", PodState::Ready, 3))), "none>Ready", "earlier restarts are not logged");
    assert_eq!(line(last(), Some(pod("u", PodState::Ready, 4))), "Ready>Ready restarts=4");
    assert_eq!(line(last(), Some(pod("u", PodState::Running, 6))), "Ready>Running restarts=6");
    assert_eq!(line(last(), Some(pod("u", PodState::Ready, 0))), "", "a smaller sum is not a restart");
}

#[test]
fn another_reason_is_logged_once() {
    let with = |state, restarts, reason: &str| {
        let mut pod = Arc::into_inner(pod("u", state, restarts)).unwrap();
        pod.reason = Some(reason.into());
        Arc::new(pod)
    };
    use PodState::{Pending, Ready, Running};
    let waits = || with(Pending, 0, "ImagePullBackOff");
    assert_eq!(line(logged(pod("u", Pending, 0)), Some(waits())), "Pending>Pending");
    assert_eq!(line(logged(waits()), Some(waits())), "");
    assert_eq!(line(logged(waits()), Some(pod("u", Pending, 0))), "");
    assert_eq!(line(logged(with(Running, 0, "Error")), Some(with(Running, 0, "CrashLoopBackOff"))), "Running>Running");
    assert_eq!(line(logged(pod("u", Ready, 0)), Some(with(Running, 1, "OOMKilled"))), "Ready>Running restarts=1");
    assert_eq!(line(logged(pod("u", Ready, 0)), Some(with(Ready, 0, "OOMKilled"))), "", "an old reason");
}

#[test]
fn replaced_pod_gets_one_line() {
    let last = logged(pod("first", PodState::Ready, 0));
    assert_eq!(line(last, Some(pod("second", PodState::Pending, 9))), "Ready>Pending replaced");
}

#[test]
fn pod_of_the_first_list_is_marked_as_baseline() {
    let first = || baseline(pod("u", PodState::Running, 2));
    assert_eq!(line(first(), Some(pod("u", PodState::Ready, 2))), "none>Ready baseline");
    assert_eq!(line(first(), Some(pod("v", PodState::Pending, 0))), "none>Pending", "another pod since then");
    assert_eq!(line(first(), None), "", "it was never logged");
}

proptest! {
    /// A worker may skip states. Each line starts with the end of the line before, and the last line ends with the present
    /// state.
    #[test]
    fn lines_form_a_chain_that_ends_in_the_true_state(
        life in prop::collection::vec((0u8..3, 0usize..8, any::<bool>()), 1..40)
    ) {
        use PodState::*;
        let (mut last, mut end, mut truth) = (None, "none".to_owned(), None);
        let count = life.len();
        for (i, (uid, state, seen)) in life.into_iter().enumerate() {
            let states = [Pending, Running, Ready, Succeeded, Failed, Unknown, Terminating];
            truth = states.get(state).map(|state| pod(&uid.to_string(), *state, 0));
            if seen || i + 1 == count {
                let line = line(std::mem::replace(&mut last, truth.clone().map(Known::Logged)), truth.clone());
                if let Some((from, to)) = line.split(' ').next().and_then(|states| states.split_once('>')) {
                    prop_assert_eq!(from, if end == "Deleted" { "none" } else { &end });
                    end = to.into();
                }
            }
        }
        let truth = truth.map_or("none", |pod| pod.state.as_str());
        prop_assert_eq!(if end == "Deleted" { "none" } else { &end }, truth);
    }
}
