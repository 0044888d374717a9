//! Waits for a condition, with a deadline.
//!
//! No test sleeps for a fixed time, which is too long on a fast machine and too short on a slow one. To show that
//! something does *not* happen, a test waits for another event: for three resyncs, for example.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// Ends a test that has failed. Much longer than any wait takes, even on two busy cores.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The delay between two checks, at first. It doubles up to [`LAST_DELAY`].
const FIRST_DELAY: Duration = Duration::from_millis(2);

const LAST_DELAY: Duration = Duration::from_millis(20);

/// Calls `check` until it returns Ok, and returns its result.
///
/// # Panics
/// `check` still fails after [`DEADLINE`]. The message has its last error.
#[track_caller]
pub fn eventually<T, E: Display>(what: impl Display, check: impl FnMut() -> Result<T, E>) -> T {
    within(DEADLINE, what, check)
}

/// [`eventually`], with another deadline.
#[track_caller]
pub fn within<T, E: Display>(limit: Duration, what: impl Display, mut check: impl FnMut() -> Result<T, E>) -> T {
    let (start, mut delay) = (Instant::now(), FIRST_DELAY);
    loop {
        match check() {
            Ok(found) => return found,
            Err(last) if start.elapsed() > limit => panic!("not within {limit:?}: {what}\n  last seen: {last}"),
            Err(_) => {
                thread::sleep(delay);
                delay = (delay * 2).min(LAST_DELAY);
            }
        }
    }
}

/// Returns `seen` as an error unless `holds`.
pub fn expect(holds: bool, seen: impl Display) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen.to_string()) }
}
