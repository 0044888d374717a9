//! What was asked, and how it was answered: the last requests, for tests and for people.

use std::collections::VecDeque;

use serde::Serialize;

/// One request, when its answer begins.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Entry {
    /// `system:serviceaccount:NS:NAME`, `system:admin`.
    pub user: String,
    /// As RBAC names it (`list`, `deletecollection`); for what is no resource the method, in lower case.
    pub verb: String,
    /// `pods`, `pkis/status`; empty for what is no resource.
    pub resource: String,
    /// Empty for all, or for none.
    pub namespace: String,
    /// Empty for a collection. A create has the name that the object was given, once it has one.
    pub name: String,
    /// Path and query, as they were sent.
    pub uri: String,
    /// 0: the connection was closed without an answer.
    pub code: u16,
}

/// The last requests, oldest first. Bounded: a server that runs for days must not grow.
#[derive(Default)]
pub struct Journal(VecDeque<Entry>);

impl Journal {
    /// So many are kept.
    pub const CAPACITY: usize = 10_000;

    /// Notes a request; the oldest one goes when it is full.
    pub fn push(&mut self, entry: Entry) {
        if self.0.len() == Self::CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    /// Oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }
}
