//! From the first signal to the exit code.

use std::{fmt, time::Duration};

/// The grace period ended with work in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The grace period.
    pub after: Duration,
    /// What was in progress.
    pub keys: Vec<String>,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = if self.keys.is_empty() { "nothing that has a name".to_owned() } else { self.keys.join(", ") };
        write!(f, "still unfinished after the grace of {:?}: {keys}", self.after)
    }
}

impl std::error::Error for Unfinished {}
