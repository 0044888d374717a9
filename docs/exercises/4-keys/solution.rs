//! Exercise 4, solution.

mod tests;

use std::collections::HashMap;

use demo_controller::{informer::Key, workqueue::WorkQueue};

/// What the queue holds.
pub type Item = Key;

/// The state of each pod, as the reflector has stored it.
pub type Store = HashMap<Key, String>;

/// The event handler: a pod has this state now, which is in the store already.
pub fn on_change(queue: &WorkQueue<Item>, pod: &Key, state: &str) {
    queue.add(pod.clone());
}

/// The worker: returns the state to write. None: the pod does not exist.
pub fn desired(item: &Item, store: &Store) -> Option<String> {
    store.get(item).cloned()
}
