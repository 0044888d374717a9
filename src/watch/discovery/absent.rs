//! Why there is nothing to watch, in words for whoever chose the name.

use std::{fmt, time::Duration};

use crate::{request::Failure, text};

/// Why a resource cannot be watched, for now: all of it may change while the program runs.
#[derive(Clone, Debug)]
pub enum Absent {
    /// Nothing goes by that name.
    Unserved {
        /// What was asked for.
        wanted: String,
        /// What was perhaps meant, the nearest first.
        nearest: Vec<String>,
        /// The documents that could not be had: it may be in one of them.
        unknown: Vec<(String, Failure)>,
    },
    /// It is there, in other versions.
    OtherVersion {
        /// What was asked for.
        wanted: String,
        /// Its name.
        name: String,
        /// The versions that have it.
        served: Vec<String>,
    },
    /// It is several.
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// Names that are not ambiguous.
        candidates: Vec<String>,
    },
    /// It is there, but not to be listed and watched.
    Unwatchable {
        /// Its name.
        name: String,
        /// What can be done with it.
        verbs: Vec<String>,
    },
    /// The search failed.
    Failed {
        /// At this document.
        path: String,
        /// In its own words.
        failure: Failure,
    },
}

impl Absent {
    /// How long the server asks to be left alone. The caller caps it.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Absent::Failed { failure, .. } => failure.retry_after(),
            _ => None,
        }
    }
}

/// One line for a person.
impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |failure: &Failure| text::one_line(&failure.to_string());
        match self {
            Absent::Unserved { wanted, nearest, unknown } => {
                write!(f, "the API server serves no {wanted} (is its CRD installed?)")?;
                if !nearest.is_empty() {
                    write!(f, "; names like that: {}", nearest.join(", "))?;
                }
                unknown.iter().try_for_each(|(path, failure)| write!(f, "; {path} is not known: {}", words(failure)))
            }
            Absent::OtherVersion { wanted, name, served } => {
                write!(f, "the API server serves no {wanted}: it has {name} in {}", served.join(", "))
            }
            Absent::Ambiguous { wanted, candidates } => {
                write!(f, "{wanted} is ambiguous: expected one of {}", candidates.join(", "))
            }
            Absent::Unwatchable { name, verbs } => {
                write!(f, "{name} cannot be listed and watched: the API server offers {}", verbs.join(", "))
            }
            Absent::Failed { path, failure } => write!(f, "{path}: {}", words(failure)),
        }
    }
}
