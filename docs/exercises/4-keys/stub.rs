//! Exercise 4, break it: this queue holds events instead of keys.
//!
//! Predict: a pod becomes Ready while the event "Pending" waits in the queue. Which state is written last, if the write of
//! "Pending" fails once and is retried? How many reconciles are ten changes? Then change `Item`, `on_change` and `desired`.

mod tests;

use std::collections::HashMap;

use demo_controller::{informer::Key, workqueue::WorkQueue};

/// What the queue holds.
pub type Item = (Key, String);

/// The state of each pod, as the reflector has stored it.
pub type Store = HashMap<Key, String>;

/// The event handler: a pod has this state now, which is in the store already.
pub fn on_change(queue: &WorkQueue<Item>, pod: &Key, state: &str) {
    queue.add((pod.clone(), state.to_owned()));
}

/// The worker: returns the state to write. None: the pod does not exist.
pub fn desired(item: &Item, store: &Store) -> Option<String> {
    Some(item.1.clone())
}
