//! The Events that this process has written, as it last saw them. Only a short cut: what is forgotten here is found by
//! its name on the server.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

use crate::informer::Key;

/// What has to be known of an Event to raise its count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub count: i32,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub version: Option<String>,
}

impl From<Event> for Seen {
    fn from(event: Event) -> Self {
        Seen {
            // No count stands for one: the newer API's Events have none.
            count: event.count.unwrap_or(1).max(1),
            first: event.first_timestamp.map(|time| time.0),
            last: event.last_timestamp.map(|time| time.0),
            version: event.metadata.resource_version,
        }
    }
}

/// Remembers the last so many Events, those that are used last.
///
/// Two maps instead of a linked list: what is used moves to the young one, and when that is full it takes the place of
/// the old one, whose rest is forgotten. Nothing that was used within the last half of the limit is ever lost.
#[derive(Default)]
pub(super) struct Known {
    young: HashMap<Key, Seen>,
    old: HashMap<Key, Seen>,
}

impl Known {
    /// Most Events remembered.
    pub const LIMIT: usize = 4096;

    pub fn get(&self, key: &Key) -> Option<&Seen> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub fn put(&mut self, key: Key, seen: Seen) {
        self.old.remove(&key);
        self.young.insert(key, seen);
        if self.young.len() >= Self::LIMIT / 2 {
            self.old = std::mem::take(&mut self.young);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
