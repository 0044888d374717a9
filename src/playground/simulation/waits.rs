//! How long each pod's present step has lasted.
//!
//! The one thing that the simulated kubelet remembers. It is lost with the process, and then a step begins again: it
//! must never hold anything that cannot be found out anew.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;

use super::objects::Whole;
use crate::informer::{Key, Object};

/// What takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Waiting for a Secret.
    Mount,
    /// Starting the containers.
    Start,
    /// Starting one again.
    Restart,
    /// Stopping them.
    End,
}

/// Where a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It begins now, and takes so long.
    Began(Duration),
    /// So much is left.
    Left(Duration),
    /// It has lasted long enough.
    Over,
}

/// One clock for each pod.
#[derive(Default)]
pub struct Waits(Mutex<HashMap<Key, Clock>>);

struct Clock {
    /// Not that of an earlier pod of the same name.
    uid: Box<str>,
    step: Step,
    takes: Duration,
    due: Instant,
}

impl Waits {
    /// Where this step is. It begins with the first question; asking for another step ends it.
    pub fn on(&self, pod: &Whole<Pod>, step: Step, takes: Duration) -> Wait {
        let (mut clocks, now) = (self.lock(), Instant::now());
        match clocks.get(pod.key()) {
            Some(clock) if clock.step == step && *clock.uid == *pod.uid() => {
                match clock.due.saturating_duration_since(now) {
                    Duration::ZERO => Wait::Over,
                    left => Wait::Left(left),
                }
            }
            _ => {
                let clock = Clock { uid: pod.uid().into(), step, takes, due: now + takes };
                clocks.insert(pod.key().clone(), clock);
                Wait::Began(takes)
            }
        }
    }

    /// The step that is over begins again and takes twice as long, at most this long. Returns how long.
    pub fn again(&self, pod: &Whole<Pod>, at_most: Duration) -> Duration {
        let mut clocks = self.lock();
        let Some(clock) = clocks.get_mut(pod.key()) else { return at_most };
        clock.takes = (clock.takes * 2).min(at_most);
        clock.due = Instant::now() + clock.takes;
        clock.takes
    }

    /// The pod is gone.
    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Clock>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::time::advance;

    use super::*;

    fn pod(uid: &str) -> Whole<Pod> {
        let json = json!({ "metadata": { "namespace": "ns", "name": "web", "uid": uid } });
        serde_json::from_value(json).unwrap()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_step_begins_with_the_first_question_and_is_over_after_its_time() {
        let waits = Waits::default();
        assert_eq!(waits.on(&pod("a"), Step::Start, 2 * SECOND), Wait::Began(2 * SECOND));
        advance(SECOND).await;
        assert_eq!(waits.on(&pod("a"), Step::Start, 2 * SECOND), Wait::Left(SECOND));
        advance(SECOND).await;
        assert_eq!(waits.on(&pod("a"), Step::Start, 2 * SECOND), Wait::Over);
        assert_eq!(waits.on(&pod("a"), Step::End, SECOND), Wait::Began(SECOND), "another step");
        assert_eq!(waits.on(&pod("b"), Step::End, SECOND), Wait::Began(SECOND), "another pod of the same name");
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_begins_again_takes_twice_as_long_up_to_a_limit() {
        let waits = Waits::default();
        waits.on(&pod("a"), Step::Mount, SECOND);
        let longer: Vec<_> = (0..4).map(|_| waits.again(&pod("a"), 5 * SECOND).as_secs()).collect();
        assert_eq!(longer, [2, 4, 5, 5]);
        waits.forget(&Key::new("ns", "web"));
        assert!(waits.lock().is_empty());
    }
}
