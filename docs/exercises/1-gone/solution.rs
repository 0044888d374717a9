//! Exercise 1, solution.

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
        // The version is still good: nothing is missed.
        End::Closed | End::Broken => Next::Watch(version.to_owned()),
        // The same watch would fail forever.
        End::Gone => Next::List,
    }
}
