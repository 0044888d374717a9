//! Which keys have to be looked at, and which are being looked at right now: a pure state machine.
//!
//! Two questions decide what may happen to a key. Is it **dirty**, that is, did anything change since the last look at
//! it began? Is it being **processed**, that is, does someone hold its claim? That makes four states:
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
//! | absent | clean | Queued, at the end of the line | | |
//! | [`Queued`](Place::Queued) | dirty | nothing: one look sees both changes | Processing | |
//! | [`Processing`](Place::Processing) | clean | ProcessingDirty | never: the line does not hold it | absent |
//! | [`ProcessingDirty`](Place::ProcessingDirty) | dirty | nothing | never | Queued, at the end of the line |
//!
//! client-go (`util/workqueue/queue.go`) keeps a `dirty` set, a `processing` set and a `queue`, with the invariant that
//! the queue is a subset of the dirty and disjoint from the processing. Here the state is one value per key, so the
//! invariant cannot be broken by forgetting one of three updates, and a step costs one look-up.
//!
//! The road not taken: a channel of keys. It holds a key as often as it was sent, so a busy object is looked at for
//! each of its changes instead of once for all of them, and its buffer fills up. It also gives the same key to two
//! workers at once, which then overwrite each other's work. Both are what this machine is there to prevent.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

/// Where a key is that is not absent, and since when (for the metrics; no decision here depends on the time).
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Waits in line, exactly once.
    Queued { since: Instant },
    /// Someone holds its claim, and nothing has changed since they took it.
    Processing { since: Instant },
    /// Someone holds its claim, and it changed after they took it. They may have looked before the change, so another
    /// look is due. It is not in line: two workers on one key is what must never happen.
    ProcessingDirty { since: Instant, dirty_since: Instant },
}

/// What an add did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The key stands in line now, and one waiting `get` can have it.
    Queued,
    /// The key is being processed; it goes back in line when that is done.
    Later,
    /// Nothing: it was dirty already, or the queue is shut down.
    Ignored,
}

/// What a done did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// How long the key was being processed.
    pub worked: Duration,
    /// The key had become dirty in the meantime and stands in line again.
    pub queued: bool,
    /// Nothing is being processed any more.
    pub idle: bool,
}

/// The queue's load at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How many keys are dirty: those in line, and those that go back in line when they are done.
    pub dirty: usize,
    /// The age of everything that is being processed, added up.
    pub unfinished: Duration,
    /// The age of the oldest that is being processed.
    pub longest: Duration,
}

/// See the [module's documentation](self).
#[derive(Debug)]
pub struct State<K> {
    /// Every key that is not absent. The standard hasher stays although a faster one would help: the names of objects
    /// come from whoever may create them, and they must not be able to make everything land in one bucket.
    keys: HashMap<K, Place>,
    /// The keys in state Queued, in the order in which they came to be so: first in, first out, whatever the key. That
    /// is the fairness: a key that changes all the time goes to the end each time and holds nobody up.
    line: VecDeque<K>,
    shut_down: bool,
}

impl<K: Clone + Eq + Hash> State<K> {
    /// Nothing queued, nothing processed.
    pub fn new() -> Self {
        State { keys: HashMap::new(), line: VecDeque::new(), shut_down: false }
    }

    /// Something about the key changed. `clock` is asked only if the key was not dirty yet: most adds of a busy object
    /// find it dirty, and reading the clock would cost about as much as all the rest of such an add.
    pub fn add(&mut self, key: K, clock: impl FnOnce() -> Instant) -> Added {
        if self.shut_down {
            return Added::Ignored;
        }
        match self.keys.entry(key) {
            Entry::Vacant(absent) => {
                self.line.push_back(absent.key().clone());
                absent.insert(Place::Queued { since: clock() });
                Added::Queued
            }
            Entry::Occupied(mut present) => match *present.get() {
                Place::Processing { since } => {
                    present.insert(Place::ProcessingDirty { since, dirty_since: clock() });
                    Added::Later
                }
                Place::Queued { .. } | Place::ProcessingDirty { .. } => Added::Ignored,
            },
        }
    }

    /// The key that waits longest, and for how long it did. It is being processed from now on. None if none is in line.
    pub fn get(&mut self, now: Instant) -> Option<(K, Duration)> {
        let key = self.line.pop_front()?;
        let place = self.keys.get_mut(&key)?; // always there: what is in line is Queued
        let waited = match *place {
            Place::Queued { since } => now.saturating_duration_since(since),
            Place::Processing { .. } | Place::ProcessingDirty { .. } => Duration::ZERO,
        };
        *place = Place::Processing { since: now };
        Some((key, waited))
    }

    /// The look at the key is over, however it went. None, and no change, if nobody was looking at it.
    pub fn done(&mut self, key: &K, now: Instant) -> Option<Done> {
        let place = self.keys.get_mut(key)?;
        let (since, queued) = match *place {
            Place::Queued { .. } => return None,
            Place::Processing { since } => {
                self.keys.remove(key);
                (since, false)
            }
            Place::ProcessingDirty { since, dirty_since } => {
                // Its wait began when it changed, not now.
                *place = Place::Queued { since: dirty_since };
                self.line.push_back(key.clone());
                (since, true)
            }
        };
        Some(Done { worked: now.saturating_duration_since(since), queued, idle: self.is_idle() })
    }

    /// Adds are ignored from now on. What is in line can still be had, and what is being processed can still become
    /// done, and then stand in line again if it was dirty.
    pub fn shut_down(&mut self) {
        self.shut_down = true;
    }

    /// Whether [`shut_down`](Self::shut_down) was called.
    pub fn is_shut_down(&self) -> bool {
        self.shut_down
    }

    /// How many keys are in line.
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// Whether nothing is being processed: then every key that is present is in line.
    pub fn is_idle(&self) -> bool {
        self.keys.len() == self.line.len()
    }

    /// The keys that are being processed, in no order.
    pub fn processing(&self) -> Vec<K> {
        let claimed = self.keys.iter().filter(|(_, place)| !matches!(place, Place::Queued { .. }));
        claimed.map(|(key, _)| key.clone()).collect()
    }

    /// What is being processed for the longest time, and since when. Looks at every key, as `load` does.
    pub fn oldest(&self) -> Option<(&K, Instant)> {
        let claimed = self.keys.iter().filter_map(|(key, place)| match *place {
            Place::Queued { .. } => None,
            Place::Processing { since } | Place::ProcessingDirty { since, .. } => Some((key, since)),
        });
        claimed.min_by_key(|(_, since)| *since)
    }

    /// Looks at every key, so it is for a scrape now and then, not for each step.
    pub fn load(&self, now: Instant) -> Load {
        let mut load = Load { dirty: self.line.len(), ..Load::default() };
        for place in self.keys.values() {
            let since = match *place {
                Place::Queued { .. } => continue,
                Place::Processing { since } => since,
                Place::ProcessingDirty { since, .. } => {
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
