//! How long a retry waits: by its own failures, and by everybody's.
//!
//! 1. **Each key for itself** ([`Failures`]): 5 ms, doubled with each failure in a row, at most 1000 s. One object that
//!    cannot succeed is soon looked at rarely, and the others do not notice.
//! 2. **All retries together** ([`Bucket`]): ten a second, and a hundred at once. When everything fails, because the
//!    API server is in trouble, every key is at its first failures, and ten thousand times 5 ms is no mercy for it.
//!
//! Both rules and their figures are client-go's `DefaultTypedControllerRateLimiter`. What is added is the second count:
//! a failure that says nothing about the key (no connection, a conflict) backs off too, but only to 30 s, and does not
//! use up the key's retries.
//!
//! There is no jitter: the bucket spreads a crowd of retries, and in which order they go does not matter.

use std::{collections::HashMap, hash::Hash, num::NonZeroU32, time::Duration};

use daemon::TokioClock;
use governor::{Quota, RateLimiter, middleware::NoOpMiddleware, nanos::Nanos, state};
use tokio::time::Instant;

/// The wait after the first failure.
pub const FIRST: Duration = Duration::from_millis(5);
/// The longest wait between counted failures; reached with the 19th.
pub const LONGEST: Duration = Duration::from_secs(1000);
/// The longest wait between deferrals. Short, since the trouble is elsewhere and may be over any moment.
pub const LONGEST_DEFERRED: Duration = Duration::from_secs(30);
/// How many retries of all keys may go in a second.
pub const PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// How many retries of all keys may go at once, after a quiet time.
pub const BURST: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// The failures in a row of each key. Pure.
///
/// Pitfall: a key stays here until it is forgotten. Whoever counts failures owes a [`forget`](Self::forget) when the
/// key has succeeded, was given up or is gone.
#[derive(Debug)]
pub struct Failures<K>(HashMap<K, Counts>);

#[derive(Debug, Default)]
struct Counts {
    counted: u32,
    deferred: u32,
}

impl<K: Eq + Hash> Failures<K> {
    /// Nothing has failed yet.
    pub fn new() -> Self {
        Failures(HashMap::new())
    }

    /// One more failure that counts; how long to wait after it.
    pub fn count(&mut self, key: K) -> Duration {
        doubled(&mut self.0.entry(key).or_default().counted, LONGEST)
    }

    /// One more failure that says nothing about the key; how long to wait after it.
    pub fn defer(&mut self, key: K) -> Duration {
        doubled(&mut self.0.entry(key).or_default().deferred, LONGEST_DEFERRED)
    }

    /// How many failures count.
    pub fn counted(&self, key: &K) -> u32 {
        self.0.get(key).map_or(0, |counts| counts.counted)
    }

    /// Both counts start again at none.
    pub fn forget(&mut self, key: &K) {
        self.0.remove(key);
    }
}

/// 5 ms x 2^(failures before this one), at most `longest`.
fn doubled(failures: &mut u32, longest: Duration) -> Duration {
    // A factor that does not fit any more is far beyond the longest wait.
    let factor = 1_u32.checked_shl(*failures).unwrap_or(u32::MAX);
    *failures = failures.saturating_add(1);
    FIRST.saturating_mul(factor).min(longest)
}

/// The token bucket that all retries of a queue share.
///
/// client-go's bucket is asked when a retry is *scheduled* and reserves a token for a later time. `governor` cannot
/// reserve, so here it is asked when the retry falls *due*. That is also kinder: a retry that is cancelled before takes
/// no token from anyone.
#[derive(Debug)]
pub struct Bucket {
    limiter: RateLimiter<state::NotKeyed, state::InMemoryState, TokioClock, NoOpMiddleware<Nanos>>,
    clock: TokioClock,
}

impl Bucket {
    /// A full bucket.
    pub fn new() -> Self {
        let clock = TokioClock(Instant::now());
        let quota = Quota::per_second(PER_SECOND).allow_burst(BURST);
        Bucket { limiter: RateLimiter::direct_with_clock(quota, clock), clock }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// There is none, and none before the time given.
    pub fn take(&self) -> Result<(), Instant> {
        self.limiter.check().map_err(|not_until| self.clock.0 + Duration::from(not_until.earliest_possible()))
    }
}
