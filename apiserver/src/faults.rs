//! What can go wrong, on demand.
use std::time::Duration;

use rand::rngs::StdRng;

use crate::{
    auth::User,
    request::{Request, Target},
    status::Status,
};

/// One way to fail.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {}

/// When to fail, and how.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {}

/// The rules in force, and how often each has matched.
#[derive(Default)]
pub struct Faults;

/// What is to go wrong with one request. Everything absent goes right. In the order in which it happens.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// Wait so long before anything else.
    pub delay: Option<Duration>,
    /// Compact the store.
    pub compact: bool,
    /// Hang up without an answer, having done nothing.
    pub reset_before: bool,
    /// Answer this, having done nothing.
    pub refuse: Option<Status>,
    /// Answer reads as of so many revisions ago.
    pub lag: u64,
    /// Objects reach the client as something that no client can decode.
    pub undecodable: bool,
    /// What becomes of a watch.
    pub watch: WatchPlan,
    /// Do it, then hang up without an answer.
    pub reset_after: bool,
}

/// What is to go wrong with a watch. Lines are counted: events, bookmarks too.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WatchPlan {
    /// End it, properly, after so many lines.
    pub end_after: Option<u64>,
    /// Hang up between two lines, after so many.
    pub cut_after: Option<u64>,
    /// Hang up in the middle of the line that follows so many.
    pub cut_in_line_after: Option<u64>,
    /// Say nothing more after so many lines, and do not end either.
    pub silent_after: Option<u64>,
}

impl Faults {
    /// Which rules this request meets, and what follows. Counts.
    pub fn plan(&mut self, _user: &User, _request: &Request, _target: Option<&Target>, _random: &mut StdRng) -> Plan {
        Plan::default()
    }

    pub fn add(&mut self, _rule: Rule) {}

    pub fn clear(&mut self) {}
}
