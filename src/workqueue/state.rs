//! Which keys have to be processed, and which are being processed: a pure state machine.
//!
//! Two properties decide what may happen to a key. Is it **dirty**: did anything change since the last processing of it
//! began? Is it being **processed**: does a worker hold its claim? That makes four states:
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
//! client-go (`util/workqueue/queue.go`) keeps a `dirty` set, a `processing` set and a `queue`, with the invariant that
//! the queue is a subset of the dirty and disjoint from the processing. Here the state is one value per key, so no update
//! can break the invariant, and a step costs one look-up.
//!
//! Not a channel of keys: it holds a key as often as it was sent, so an object is processed once per change instead of once
//! for all of them, and its buffer fills up. It also returns the same key to two workers at once.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

/// The state of a key that is not absent, and since when (for the metrics; no decision here depends on the time).
#[derive(Clone, Copy, Debug)]
enum KeyState {
    /// It is in the queue, exactly once.
    Queued { since: Instant },
    /// A worker holds its claim, and nothing has changed since.
    Processing { since: Instant },
    /// A worker holds its claim, and it has changed since, so it has to be processed again. It is not in the queue: no second
    /// worker may get it now.
    ProcessingDirty { since: Instant, dirty_since: Instant },
}

/// The result of an add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The key is queued, and one waiting `get` can take it.
    Queued,
    /// The key is being processed; it is queued when that is done.
    Later,
    /// No change: it was dirty already, or the queue is shut down.
    Ignored,
}

/// The result of a done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// How long the key was being processed.
    pub worked: Duration,
    /// The key has changed in the meantime and is queued again.
    pub queued: bool,
    /// No key is being processed now.
    pub idle: bool,
}

/// The queue's load at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The number of dirty keys: those that are queued, and those that will be when they are done.
    pub dirty: usize,
    /// The sum of the ages of all claims.
    pub unfinished: Duration,
    /// The age of the oldest claim.
    pub longest: Duration,
}

/// See the [module's documentation](self).
#[derive(Debug)]
pub struct QueueState<K> {
    /// Every key that is not absent. With the standard hasher: users choose the names of objects, and must not be able to make
    /// them collide.
    keys: HashMap<K, KeyState>,
    /// The keys in state Queued, first in, first out. So a key that changes all the time goes to the end each time and does
    /// not delay the others.
    queue: VecDeque<K>,
    shut_down: bool,
}

impl<K: Clone + Eq + Hash> QueueState<K> {
    /// Every key is absent.
    pub fn new() -> Self {
        QueueState { keys: HashMap::new(), queue: VecDeque::new(), shut_down: false }
    }

    /// Makes a key dirty. `clock` is called only if it was not dirty yet: most adds of a busy object find it dirty, and
    /// reading the clock would double the cost of such an add.
    pub fn add(&mut self, key: K, clock: impl FnOnce() -> Instant) -> Added {
        if self.shut_down {
            return Added::Ignored;
        }
        match self.keys.entry(key) {
            Entry::Vacant(absent) => {
                self.queue.push_back(absent.key().clone());
                absent.insert(KeyState::Queued { since: clock() });
                Added::Queued
            }
            Entry::Occupied(mut present) => match *present.get() {
                KeyState::Processing { since } => {
                    present.insert(KeyState::ProcessingDirty { since, dirty_since: clock() });
                    Added::Later
                }
                KeyState::Queued { .. } | KeyState::ProcessingDirty { .. } => Added::Ignored,
            },
        }
    }

    /// Takes the key that waits longest, and returns how long it waited. None: no key is queued.
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

    /// Ends the processing of a key. None, and no change, if it was not processed.
    pub fn done(&mut self, key: &K, now: Instant) -> Option<Done> {
        let key_state = self.keys.get_mut(key)?;
        let (since, queued) = match *key_state {
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
        Some(Done { worked: now.saturating_duration_since(since), queued, idle: self.is_idle() })
    }

    /// Ignores adds from now on. Queued keys can still be taken, and a dirty key is still queued when it is done.
    pub fn shut_down(&mut self) {
        self.shut_down = true;
    }

    /// Whether [`shut_down`](Self::shut_down) was called.
    pub fn is_shut_down(&self) -> bool {
        self.shut_down
    }

    /// The number of queued keys.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no key is being processed: then every key that is present is in the queue.
    pub fn is_idle(&self) -> bool {
        self.keys.len() == self.queue.len()
    }

    /// The keys that are being processed, in no particular order.
    pub fn processing(&self) -> Vec<K> {
        let claimed = self.keys.iter().filter(|(_, key_state)| !matches!(key_state, KeyState::Queued { .. }));
        claimed.map(|(key, _)| key.clone()).collect()
    }

    /// The key that has been processed for the longest time, and since when. Reads every key, as `load` does.
    pub fn longest_running(&self) -> Option<(&K, Instant)> {
        let claimed = self.keys.iter().filter_map(|(key, key_state)| match *key_state {
            KeyState::Queued { .. } => None,
            KeyState::Processing { since } | KeyState::ProcessingDirty { since, .. } => Some((key, since)),
        });
        claimed.min_by_key(|(_, since)| *since)
    }

    /// Reads every key, so it is for a scrape, not for each step.
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
