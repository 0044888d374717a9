//! The handle: a tower service, and the order in which a request is looked at.

use jiff::Timestamp;

use crate::faults::Rule;

/// How to start it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many changes the log keeps; older ones are compacted away.
    pub log_capacity: usize,
    /// For UIDs, generated names, tokens and the dice of faults.
    pub seed: u64,
    /// The wall clock, for timestamps only.
    pub clock: fn() -> Timestamp,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { log_capacity: 100_000, seed: 0, clock: Timestamp::now }
    }
}

/// A Kubernetes API server in memory. Cheap to clone; all clones are one server.
#[derive(Clone)]
pub struct ApiServer;

impl ApiServer {
    /// Empty but for the namespaces that every cluster has.
    pub fn new(_settings: Settings) -> ApiServer {
        todo!("core")
    }

    /// Adds a rule for what is to go wrong.
    pub fn fault(&self, _rule: Rule) {
        todo!("core")
    }

    /// All goes well again.
    pub fn clear_faults(&self) {
        todo!("core")
    }

    /// Forgets every version but the present one: whoever is behind gets 410.
    pub fn compact(&self) {
        todo!("core")
    }

    /// The revision of the latest change.
    pub fn revision(&self) -> u64 {
        todo!("core")
    }
}
