//! What to say about a pod: a comparison of what was last said with what is true now.
//!
//! Its promises, one test each:
//!
//! * **True**: a pod's last line is its true state.
//! * **Never invented**: states in between may be skipped (we look at the present, and may look late), but no line
//!   tells of a state that no pod was in.
//! * **Never repeated**: a pod that changed in a way that does not matter gets no line.
//! * **Baseline**: pods that were there before us are marked as such; a restart never looks like news.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Pod, State};
use crate::{
    informer::{Key, Object, Store},
    worker::{Error, Outcome, Reconciler},
};

/// The job, as the worker sees it.
pub struct Lifecycle {
    store: Arc<Store<Pod>>,
    /// What was last said of each pod: the very object that it was said of, which as a rule is the one in the cache,
    /// so that this map costs a pointer per pod. Entries go with their pods.
    said: Mutex<HashMap<Key, Said>>,
}

enum Said {
    /// Nothing yet, but the pod was there before us.
    Nothing(Arc<Pod>),
    /// A line about this.
    Line(Arc<Pod>),
}

/// One line of the log.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    /// None: we have not seen the pod before.
    from: Option<State>,
    /// None: it is gone.
    to: Option<State>,
    /// The sum, if it went up.
    restarts: Option<u32>,
    replaced: bool,
    baseline: bool,
    /// The pod it is about, as last seen.
    pod: Arc<Pod>,
}

impl Lifecycle {
    /// A job that has said nothing yet.
    pub fn new(store: Arc<Store<Pod>>) -> Self {
        Lifecycle { store, said: Mutex::default() }
    }

    /// This pod was there before us: what is going to be said of it first is no news.
    pub fn baseline(&self, pod: Arc<Pod>) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(pod.key().clone(), Said::Nothing(pod));
    }

    /// Compares, and remembers. The one lock makes "compare and remember" one step; the queue sees to it that no two
    /// workers do it for one pod at a time.
    fn look(&self, key: &Key, now: Option<Arc<Pod>>) -> Option<Line> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &now {
            Some(pod) => said.insert(key.clone(), Said::Line(pod.clone())),
            None => said.remove(key),
        };
        compare(before, now)
    }
}

/// The whole decision.
fn compare(before: Option<Said>, now: Option<Arc<Pod>>) -> Option<Line> {
    let line = |from, to, pod| Line { from, to, restarts: None, replaced: false, baseline: false, pod };
    match (before, now) {
        // Created and deleted between two looks, or there before us and gone before we came to it: nobody ever saw it.
        (None | Some(Said::Nothing(_)), None) => None,
        (None, Some(pod)) => Some(line(None, Some(pod.state), pod)),
        (Some(Said::Nothing(old)), Some(pod)) => {
            let baseline = old.uid() == pod.uid();
            Some(Line { baseline, ..line(None, Some(pod.state), pod) })
        }
        (Some(Said::Line(old)), None) => Some(line(Some(old.state), None, old)),
        (Some(Said::Line(old)), Some(pod)) if old.uid() != pod.uid() => {
            Some(Line { replaced: true, ..line(Some(old.state), Some(pod.state), pod) })
        }
        (Some(Said::Line(old)), Some(pod)) => {
            let restarts = (pod.restarts > old.restarts).then_some(pod.restarts);
            let news = restarts.is_some() || pod.state != old.state;
            news.then(|| Line { restarts, ..line(Some(old.state), Some(pod.state), pod) })
        }
    }
}

impl Reconciler<Key> for Lifecycle {
    /// Never fails: there is nothing to write, so there is nothing that could be refused.
    async fn reconcile(&self, key: &Key) -> Result<Outcome, Error> {
        let now = self.store.get(key);
        if let Some(line) = self.look(key, now) {
            // An Option that is None leaves no field behind.
            tracing::info!(
                pod = %key,
                from = line.from.map_or("none", State::as_str),
                to = line.to.map_or("Deleted", State::as_str),
                node = line.pod.node.as_deref(),
                uid = line.pod.uid(),
                restarts = line.restarts,
                replaced = line.replaced.then_some(true),
                baseline = line.baseline.then_some(true),
                "pod lifecycle"
            );
        }
        Ok(Outcome::Settled)
    }

    async fn gave_up(&self, _key: &Key, _why: &str) -> Result<Outcome, Error> {
        Ok(Outcome::Settled)
    }
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
