use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A pod of this UID in this state, having restarted so often.
fn pod(uid: &str, state: State, restarts: u32) -> Arc<Pod> {
    let metadata = json!({ "name": "web", "namespace": "app1", "uid": uid, "resourceVersion": "1",
        "deletionTimestamp": (state == State::Terminating).then_some("2026-01-01T00:00:00Z") });
    let (phase, ready) = match state {
        State::Ready => ("Running", "True"),
        State::Terminating => ("Running", "False"),
        other => (other.as_str(), "False"),
    };
    let status = json!({ "phase": phase, "conditions": [{ "type": "Ready", "status": ready }],
        "containerStatuses": [{ "restartCount": restarts }] });
    let pod: Pod = serde_json::from_str(&json!({ "metadata": metadata, "status": status }).to_string()).unwrap();
    assert_eq!(pod.state, state);
    Arc::new(pod)
}

struct Job(Lifecycle);

impl Job {
    fn new() -> Self {
        Job(Lifecycle::new(Arc::new(Store::new(|pod: &Pod| &pod.secrets))))
    }

    /// `Pending>Running restarts=1`, or an empty text for no line.
    fn look(&self, now: Option<Arc<Pod>>) -> String {
        let Some(line) = self.0.look(&Key::new("app1", "web"), now) else { return String::new() };
        let mut text =
            format!("{}>{}", line.from.map_or("none", State::as_str), line.to.map_or("Deleted", State::as_str));
        line.restarts.into_iter().for_each(|n| text += &format!(" restarts={n}"));
        text += if line.replaced { " replaced" } else { "" };
        text + if line.baseline { " baseline" } else { "" }
    }
}

#[test]
fn a_pod_is_followed_from_none_to_deleted() {
    let job = Job::new();
    for (state, line) in [
        (State::Pending, "none>Pending"),
        (State::Running, "Pending>Running"),
        (State::Ready, "Running>Ready"),
        (State::Terminating, "Ready>Terminating"),
    ] {
        assert_eq!(job.look(Some(pod("u", state, 0))), line);
        assert_eq!(job.look(Some(pod("u", state, 0))), "", "never repeated");
    }
    assert_eq!(job.look(None), "Terminating>Deleted");
    assert_eq!(job.look(None), "");
    assert!(job.0.said.lock().unwrap().is_empty(), "what was said of a pod goes with it");
}

#[test]
fn a_restart_of_a_container_is_told_with_the_sum() {
    let job = Job::new();
    assert_eq!(job.look(Some(pod("u", State::Ready, 3))), "none>Ready", "old restarts are no news");
    assert_eq!(job.look(Some(pod("u", State::Ready, 4))), "Ready>Ready restarts=4");
    assert_eq!(job.look(Some(pod("u", State::Running, 6))), "Ready>Running restarts=6");
    assert_eq!(job.look(Some(pod("u", State::Running, 0))), "", "a count that is reset is no restart");
}

#[test]
fn a_pod_that_was_replaced_gets_one_line() {
    let job = Job::new();
    job.look(Some(pod("first", State::Ready, 9)));
    assert_eq!(job.look(Some(pod("second", State::Pending, 0))), "Ready>Pending replaced");
    assert_eq!(job.look(Some(pod("third", State::Pending, 0))), "Pending>Pending replaced");
}

#[test]
fn pods_that_were_there_before_us_are_no_news() {
    let job = Job::new();
    job.0.baseline(pod("u", State::Running, 2));
    assert_eq!(job.look(Some(pod("u", State::Ready, 2))), "none>Ready baseline");
    assert_eq!(job.look(Some(pod("u", State::Running, 2))), "Ready>Running", "only the first line is");
}

#[test]
fn a_pod_that_was_gone_before_we_came_to_it_is_not_mentioned() {
    let job = Job::new();
    job.0.baseline(pod("u", State::Running, 0));
    assert_eq!(job.look(None), "");
    assert_eq!(job.look(Some(pod("v", State::Pending, 0))), "none>Pending");
    job.0.baseline(pod("v", State::Pending, 0));
    assert_eq!(job.look(Some(pod("w", State::Pending, 0))), "none>Pending", "another pod by now, so it is news");
}

proptest! {
    /// Looking at only some of the states, as a busy worker does, tells a shorter story but a true one: each line begins
    /// where the last one ended, and the last one ends where the pod is.
    #[test]
    fn the_lines_form_a_chain_that_ends_in_the_truth(
        life in prop::collection::vec((0u8..3, 0usize..8, any::<bool>()), 1..40)
    ) {
        use State::*;
        let job = Job::new();
        let (mut last, mut truth) = ("none".to_owned(), None);
        for (uid, state, looked) in life {
            let states = [Pending, Running, Ready, Succeeded, Failed, Unknown, Terminating];
            truth = states.get(state).map(|state| pod(&uid.to_string(), *state, 0));
            if looked {
                follow(&mut last, &job.look(truth.clone()));
            }
        }
        follow(&mut last, &job.look(truth.clone()));
        let truth = truth.map_or("none", |pod| pod.state.as_str());
        prop_assert_eq!(if last == "Deleted" { "none" } else { &last }, truth);
    }
}

fn follow(last: &mut String, line: &str) {
    let Some((from, to)) = line.split(' ').next().and_then(|states| states.split_once('>')) else { return };
    assert_eq!(from, if last == "Deleted" { "none" } else { last.as_str() });
    *last = to.into();
}
