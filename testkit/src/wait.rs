//! Waiting for what is going to happen, and only so long as it takes.
//!
//! No test sleeps. It asks again and again, every few milliseconds (`FIRST_PACE`), until the answer is the one that
//! it wants, and a deadline ends it with what was seen last. A fixed sleep is always both too long (on this machine) and
//! too short (on the next).
//!
//! That something does *not* happen is bounded by something that does (three resyncs are counted, another event has
//! arrived), never by time.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// Far longer than anything takes, even on two busy cores: it is there to end a test that has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How long to wait before the second look: most things take a moment, and there are many of them.
const FIRST_PACE: Duration = Duration::from_millis(2);

/// It doubles up to this: what takes longer is not to be held up by the looks.
const LAST_PACE: Duration = Duration::from_millis(20);

/// Looks until `look` is content and returns what it found.
///
/// # Panics
/// After [`DEADLINE`], with what `look` said last.
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

/// For a `look`: content if `holds`, else this is what was seen.
pub fn expect(holds: bool, seen: impl Display) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen.to_string()) }
}
