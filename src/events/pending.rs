//! What has been recorded and not been written yet. Pure: no I/O, no clock.
//!
//! An event is on its way in at most two batches. `fresh` collects the repeats; when the first attempt to write them
//! begins it becomes `trying` and changes no more, whatever is recorded meanwhile. So an attempt can be repeated as it
//! was, and recognised on the server if it was carried out and only its answer got lost.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;

use super::note::Note;
use crate::informer::Key;

/// Tells what became of a recorded event. Cheap to keep.
#[derive(Clone, Debug)]
pub struct Ticket(Arc<AtomicBool>);

impl Ticket {
    /// Whether the event was given up: no room, too many about this object, refused by the server, retries used up.
    /// Then nobody has been told, so tell again at the next look. False while it is on its way, and for ever once it
    /// was sent.
    pub fn dropped(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn new(dropped: bool) -> Self {
        Ticket(Arc::new(AtomicBool::new(dropped)))
    }
}

/// Repeats of one event that are written together.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    /// How many.
    pub count: i32,
    /// When the first and the last of them were recorded, in whole seconds, as an Event keeps them.
    pub first: Timestamp,
    pub last: Timestamp,
    /// The count that the last attempt asked the server to write.
    pub aim: Option<i32>,
    /// The number of the first of them, for [`Pending::oldest`].
    number: u64,
    ticket: Ticket,
    /// It was told to wait for its namespace's turn.
    in_line: bool,
}

struct Entry {
    note: Arc<Note>,
    fresh: Option<Batch>,
    trying: Option<Batch>,
}

/// Every event that is on its way.
#[derive(Default)]
pub(super) struct Pending {
    /// By the Event's key. Invariant: each entry has a batch.
    entries: HashMap<Key, Entry>,
    /// How many were recorded so far.
    recorded: u64,
}

impl Pending {
    /// Most events on their way. Repeats of one event count once: they are only a number.
    pub const LIMIT: usize = 1000;
    /// Most of them in one namespace: a noisy one must leave room for the others.
    pub const NAMESPACE_LIMIT: usize = 750;

    /// Whether one more of this event would stay within the limits.
    pub fn has_room(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
            || (self.entries.len() < Self::LIMIT && self.in_namespace(key).count() < Self::NAMESPACE_LIMIT)
    }

    /// The events that are on their way.
    pub fn keys(&self) -> Vec<Key> {
        self.entries.keys().cloned().collect()
    }

    /// How many events are on their way.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds one. The caller has asked [`Pending::has_room`] and puts the key on the queue afterwards.
    pub fn add(&mut self, key: &Key, note: Note, now: Timestamp) -> Ticket {
        self.recorded += 1;
        let number = self.recorded;
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let entry = self.entries.entry(key.clone()).or_insert_with(|| Entry {
            note: Arc::new(note),
            fresh: None,
            trying: None,
        });
        let batch = entry.fresh.get_or_insert_with(|| Batch {
            count: 0,
            first: now,
            last: now,
            aim: None,
            number,
            ticket: Ticket::new(false),
            in_line: false,
        });
        batch.count = batch.count.saturating_add(1);
        batch.last = now.max(batch.last);
        batch.ticket.clone()
    }

    /// Whether the next attempt at this event would be the first of its batch: the one that needs its namespace's
    /// leave.
    pub fn is_fresh(&self, key: &Key) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.trying.is_none())
    }

    /// Puts the event in its namespace's line. Returns how many are before it.
    pub fn wait_in_line(&mut self, key: &Key) -> u32 {
        let in_line = |e: &&Entry| e.fresh.as_ref().is_some_and(|b| b.in_line);
        let mut before = self.in_namespace(key).filter(in_line).count();
        if let Some(batch) = self.entries.get_mut(key).and_then(|entry| entry.fresh.as_mut()) {
            before -= usize::from(batch.in_line);
            batch.in_line = true;
        }
        u32::try_from(before).unwrap_or(u32::MAX)
    }

    /// What to write now. None if everything was written or given up: the key was on the queue once more than needed.
    pub fn begin(&mut self, key: &Key) -> Option<(Arc<Note>, Batch)> {
        let entry = self.entries.get_mut(key)?;
        let batch = entry.trying.take().or_else(|| entry.fresh.take())?;
        entry.trying = Some(batch.clone());
        Some((entry.note.clone(), batch))
    }

    /// An attempt is about to ask for this count.
    pub fn aim_at(&mut self, key: &Key, count: i32) {
        if let Some(batch) = self.entries.get_mut(key).and_then(|entry| entry.trying.as_mut()) {
            batch.aim = Some(count);
        }
    }

    /// The batch that was begun has been written. Returns whether more were recorded meanwhile.
    pub fn sent(&mut self, key: &Key) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        entry.trying = None;
        let more = entry.fresh.is_some();
        if !more {
            self.entries.remove(key);
        }
        more
    }

    /// Gives the event up, with what was recorded since the attempt began: it would fare no better. Tells the tickets,
    /// returns how many repeats that were.
    pub fn give_up(&mut self, key: &Key) -> u64 {
        let Some(entry) = self.entries.remove(key) else { return 0 };
        let mut repeats = 0;
        for batch in [entry.trying, entry.fresh].into_iter().flatten() {
            batch.ticket.0.store(true, Ordering::Release);
            repeats += batch.count.unsigned_abs() as u64;
        }
        repeats
    }

    /// How many were recorded so far; the last one has this number.
    pub fn recorded(&self) -> u64 {
        self.recorded
    }

    /// The number of the oldest that is still on its way.
    pub fn oldest(&self) -> Option<u64> {
        self.entries.values().flat_map(|e| e.trying.iter().chain(&e.fresh)).map(|batch| batch.number).min()
    }

    fn in_namespace(&self, key: &Key) -> impl Iterator<Item = &Entry> {
        let namespace = key.namespace().to_owned();
        self.entries.iter().filter(move |(k, _)| k.namespace() == namespace).map(|(_, entry)| entry)
    }
}
