//! What can go wrong, on demand.
use std::time::Duration;

use rand::rngs::StdRng;
use serde_json::Value;

use crate::{
    request::{Request, Target},
    status::{Result, Status},
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

/// What is to go wrong with one request. Everything absent goes right.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// Wait so long before anything else.
    pub delay: Option<Duration>,
    /// Answer this, having done nothing.
    pub refuse: Option<Status>,
    /// Hang up without an answer, having done nothing.
    pub reset_before: bool,
    /// Do it, then hang up without an answer.
    pub reset_after: bool,
    /// Answer reads as of so many revisions ago.
    pub lag: u64,
    /// What becomes of a watch.
    pub watch: WatchPlan,
    /// Objects reach the client as something that no client can decode.
    pub undecodable: bool,
}

/// What is to go wrong with a watch.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WatchPlan {
    /// End it, properly, after so many events.
    pub end_after: Option<u64>,
    /// Hang up in the middle of the line after so many events.
    pub cut_after: Option<u64>,
    /// Say nothing more after so many events, and do not end either.
    pub silent_after: Option<u64>,
}

impl Faults {
    /// Which rules this request meets, and what follows. Counts.
    pub fn plan(&mut self, _request: &Request, _target: Option<&Target>, _random: &mut StdRng) -> Plan {
        todo!("faults")
    }

    pub fn add(&mut self, _rule: Rule) {
        todo!("faults")
    }

    pub fn clear(&mut self) {
        todo!("faults")
    }
}

/// The control endpoint, `/control/...`: rules in, rules out; compaction is done by the caller.
pub fn control(_faults: &mut Faults, _request: &Request) -> Result<Value> {
    todo!("faults")
}
