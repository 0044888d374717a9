//! Waits for a condition, with a deadline.
//!
//! No test sleeps for a fixed time: that is always too long on this machine and too short on the next one. That something
//! does *not* happen is bounded by an event that does (three resyncs are counted), never by time.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// Far longer than anything takes, even on two busy cores: it ends a test that has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The wait before the second attempt.
const FIRST_PACE: Duration = Duration::from_millis(2);

/// It doubles up to this.
const LAST_PACE: Duration = Duration::from_millis(20);

/// Calls `look` until it returns Ok, and returns its result.
///
/// # Panics
/// [`DEADLINE`] is over; the message has the last error.
#[track_caller]
pub fn eventually<T, E: Display>(what: impl Display, look: impl FnMut() -> Result<T, E>) -> T {
    within(DEADLINE, what, look)
}

/// [`eventually`], with another deadline.
#[track_caller]
pub fn within<T, E: Display>(limit: Duration, what: impl Display, mut look: impl FnMut() -> Result<T, E>) -> T {
    let (begun, mut pace) = (Instant::now(), FIRST_PACE);
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if begun.elapsed() > limit => panic!("not within {limit:?}: {what}\n  last seen: {seen}"),
            Err(_) => {
                thread::sleep(pace);
                pace = (pace * 2).min(LAST_PACE);
            }
        }
    }
}

/// Ok if `holds`, otherwise what was seen.
pub fn expect(holds: bool, seen: impl Display) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen.to_string()) }
}
