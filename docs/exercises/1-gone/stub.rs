//! Exercise 1, break it: what follows after a watch has ended?
//!
//! Predict first: the version was removed from the server. What does this function return, and what does the server answer
//! to that? Then find the line, and change it.

mod tests;

/// How a watch ended.
pub enum End {
    /// The server closed it, after its time limit.
    Closed,
    /// The connection broke.
    Broken,
    /// 410: the server no longer has this version.
    Gone,
}

/// The next request.
#[derive(Debug, PartialEq)]
pub enum Next {
    List,
    /// Watch the changes after this version.
    Watch(String),
}

/// Decides what follows. `version` is that of the last event.
pub fn next_request(end: &End, version: &str) -> Next {
    match end {
        End::Closed | End::Broken | End::Gone => Next::Watch(version.to_owned()),
    }
}
