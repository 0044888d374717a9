//! The state of each key: a pure state machine.
//!
//! Two properties of a key matter. It is **dirty** if it was added since its last processing began: it needs to be processed.
//! It is **processing** while a worker holds its claim. That makes four states:
//!
//! ```text
//!            add              get                  done
//!   absent ───────▶ Queued ───────▶ Processing ────────────▶ absent
//!                     ▲                 │ add
//!                     │      done       ▼
//!                     └─────────── ProcessingDirty
//! ```
//!
//! | state | is | add | get | done |
//! |---|---|---|---|---|
//! | absent | clean | Queued, at the end | | |
//! | [`Queued`](KeyState::Queued) | dirty | nothing: one reconcile sees both changes | Processing | |
//! | [`Processing`](KeyState::Processing) | clean | ProcessingDirty | never: it is not queued | absent |
//! | [`ProcessingDirty`](KeyState::ProcessingDirty) | dirty | nothing | never: it is not queued | Queued, at the end |
//!
//! client-go (`util/workqueue/queue.go`) has a `dirty` set, a `processing` set and a `queue`, and must keep them consistent:
//! each key of the queue is dirty and not processing. Here the state is one value per key, so it cannot be inconsistent, and
//! a step costs one look-up.
//!
//! Why not a channel of keys? A channel holds a key once per change, so each change costs a reconcile and the buffer fills
//! up. And it gives the same key to two workers at once.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

/// The state of a key that is not absent. The times are for the metrics: no decision depends on them.
#[derive(Clone, Copy, Debug)]
enum KeyState {
    /// The key is in the queue, exactly once.
    Queued { since: Instant },
    /// A worker holds its claim, and it was not added since.
    Processing { since: Instant },
    /// A worker holds its claim, and it was added since, so it is processed again afterwards. It is not in the queue: no other
    /// worker may get it now.
    ProcessingDirty { since: Instant, dirty_since: Instant },
}

/// The result of an add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddResult {
    /// The key is queued: wake one waiting `get`.
    Queued,
    /// The key is being processed: it is queued when that is done.
    Later,
    /// No change: the key was dirty already, or the queue is shut down.
    Ignored,
}

/// The result of a done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoneResult {
    /// How long the key was processed.
    pub worked: Duration,
    /// Whether the key is queued again, because it was added while it was processed.
    pub is_requeued: bool,
    /// Whether no key is being processed now.
    pub is_idle: bool,
}

/// The queue's load at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The number of dirty keys: the queued ones, and those that are queued when they are done.
    pub dirty: usize,
    /// The sum of the ages of all claims.
    pub unfinished: Duration,
    /// The age of the oldest claim.
    pub longest: Duration,
}

/// The state of each key, and the order of the queued ones.
#[derive(Debug)]
pub struct QueueState<K> {
    /// Every key that is not absent.
    keys: HashMap<K, KeyState>,
    /// The keys in state Queued, first in, first out. A key that changes all the time is added at the end each time, so it
    /// does not delay the others.
    queue: VecDeque<K>,
    is_shut_down: bool,
}

impl<K: Clone + Eq + Hash> QueueState<K> {
    /// Every key is absent.
    pub fn new() -> Self {
        QueueState { keys: HashMap::new(), queue: VecDeque::new(), is_shut_down: false }
    }

    /// Makes a key dirty. `clock` is called only if the key was not dirty: reading it would double the cost of an ignored add.
    pub fn add(&mut self, key: K, clock: impl FnOnce() -> Instant) -> AddResult {
        if self.is_shut_down {
            return AddResult::Ignored;
        }
        match self.keys.entry(key) {
            Entry::Vacant(absent) => {
                self.queue.push_back(absent.key().clone());
                absent.insert(KeyState::Queued { since: clock() });
                AddResult::Queued
            }
            Entry::Occupied(mut present) => match *present.get() {
                KeyState::Processing { since } => {
                    present.insert(KeyState::ProcessingDirty { since, dirty_since: clock() });
                    AddResult::Later
                }
                KeyState::Queued { .. } | KeyState::ProcessingDirty { .. } => AddResult::Ignored,
            },
        }
    }

    /// Takes the first key of the queue, and returns how long it waited. None: no key is queued.
    pub fn get(&mut self, now: Instant) -> Option<(K, Duration)> {
        let key = self.queue.pop_front()?;
        let key_state = self.keys.get_mut(&key)?; // always present: every key in the queue is Queued
        let waited = match *key_state {
            KeyState::Queued { since } => now.saturating_duration_since(since),
            KeyState::Processing { .. } | KeyState::ProcessingDirty { .. } => Duration::ZERO,
        };
        *key_state = KeyState::Processing { since: now };
        Some((key, waited))
    }

    /// Ends the processing of a key. None: it was not being processed.
    pub fn done(&mut self, key: &K, now: Instant) -> Option<DoneResult> {
        let key_state = self.keys.get_mut(key)?;
        let (since, is_requeued) = match *key_state {
            KeyState::Queued { .. } => return None,
            KeyState::Processing { since } => {
                self.keys.remove(key);
                (since, false)
            }
            KeyState::ProcessingDirty { since, dirty_since } => {
                // Its wait began when it changed, not now.
                *key_state = KeyState::Queued { since: dirty_since };
                self.queue.push_back(key.clone());
                (since, true)
            }
        };
        Some(DoneResult { worked: now.saturating_duration_since(since), is_requeued, is_idle: self.is_idle() })
    }

    /// Ignores adds from now on. Queued keys can still be taken, and a dirty key is still queued when it is done.
    pub fn shut_down(&mut self) {
        self.is_shut_down = true;
    }

    /// Whether [`shut_down`](Self::shut_down) was called.
    pub fn is_shut_down(&self) -> bool {
        self.is_shut_down
    }

    /// The number of queued keys.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no key is being processed: then each key that is not absent is in the queue.
    pub fn is_idle(&self) -> bool {
        self.keys.len() == self.queue.len()
    }

    /// The keys that are being processed, in no particular order.
    pub fn processing(&self) -> Vec<K> {
        let claimed = self.keys.iter().filter(|(_, key_state)| !matches!(key_state, KeyState::Queued { .. }));
        claimed.map(|(key, _)| key.clone()).collect()
    }

    /// The key that has been processed longest, and since when. It reads every key, as `load` does.
    pub fn longest_running(&self) -> Option<(&K, Instant)> {
        let claimed = self.keys.iter().filter_map(|(key, key_state)| match *key_state {
            KeyState::Queued { .. } => None,
            KeyState::Processing { since } | KeyState::ProcessingDirty { since, .. } => Some((key, since)),
        });
        claimed.min_by_key(|(_, since)| *since)
    }

    /// Returns the load. It reads every key, so it is for a scrape, not for each step.
    pub fn load(&self, now: Instant) -> Load {
        let mut load = Load { dirty: self.queue.len(), ..Load::default() };
        for key_state in self.keys.values() {
            let since = match *key_state {
                KeyState::Queued { .. } => continue,
                KeyState::Processing { since } => since,
                KeyState::ProcessingDirty { since, .. } => {
                    load.dirty += 1;
                    since
                }
            };
            let age = now.saturating_duration_since(since);
            load.unfinished += age;
            load.longest = load.longest.max(age);
        }
        load
    }
}
