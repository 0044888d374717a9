//! The rate limiters of retries: how long a retry waits.
//!
//! 1. **Per key** ([`KeyRateLimiter`]): 5 ms, doubled with each failure in a row, at most 1000 s. So a key that always fails is
//!    retried rarely.
//! 2. **All retries of a queue** ([`Bucket`]): ten a second, and a hundred at once. If 10,000 keys fail at the same time,
//!    because the API server is overloaded, they do not cause 10,000 requests after 5 ms.
//!
//! Both rules and their numbers are client-go's `DefaultTypedControllerRateLimiter`. An addition is the second count per key,
//! for failures that are not the key's fault (no connection, a conflict): at most 30 s, and without a limit on the retries.
//!
//! There is no jitter: the bucket spreads the retries.

use std::{collections::HashMap, hash::Hash, num::NonZeroU32, time::Duration};

use daemon::TokioClock;
use governor::{Quota, RateLimiter, middleware::NoOpMiddleware, nanos::Nanos, state};
use tokio::time::Instant;

/// The wait after the first failure.
pub const FIRST: Duration = Duration::from_millis(5);
/// The longest wait between counted failures; reached with the 19th.
pub const LONGEST: Duration = Duration::from_secs(1000);
/// The longest wait while the API server is unavailable. Short, because it may be available again at any time.
pub const LONGEST_UNAVAILABLE: Duration = Duration::from_secs(30);
/// Retries of all keys per second.
pub const PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Most retries of all keys at once.
pub const BURST: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// The failures in a row of each key. Pure.
///
/// Pitfall: a key stays here until [`forget`](Self::forget) is called, after a success or when the key is dropped.
#[derive(Debug)]
pub struct KeyRateLimiter<K>(HashMap<K, FailureCounts>);

#[derive(Debug, Default)]
struct FailureCounts {
    failures: u32,
    unavailable: u32,
}

impl<K: Eq + Hash> KeyRateLimiter<K> {
    /// Creates the counts: no key has failed.
    pub fn new() -> Self {
        KeyRateLimiter(HashMap::new())
    }

    /// Counts a failure, and returns the wait after it.
    pub fn when(&mut self, key: K) -> Duration {
        next_wait(&mut self.0.entry(key).or_default().failures, LONGEST)
    }

    /// Counts a failure that is not the fault of the key, and returns the wait after it.
    pub fn when_unavailable(&mut self, key: K) -> Duration {
        next_wait(&mut self.0.entry(key).or_default().unavailable, LONGEST_UNAVAILABLE)
    }

    /// The number of failures, without those that are not the key's fault.
    pub fn num_requeues(&self, key: &K) -> u32 {
        self.0.get(key).map_or(0, |counts| counts.failures)
    }

    /// Resets both counts.
    pub fn forget(&mut self, key: &K) {
        self.0.remove(key);
    }
}

/// Counts a failure, and returns 5 ms x 2^(failures before it), at most `longest`.
fn next_wait(failures: &mut u32, longest: Duration) -> Duration {
    // A factor that does not fit into 32 bits is far beyond the longest wait.
    let factor = 1_u32.checked_shl(*failures).unwrap_or(u32::MAX);
    *failures = failures.saturating_add(1);
    FIRST.saturating_mul(factor).min(longest)
}

/// The token bucket that all retries of a queue share.
///
/// client-go reserves a token when a retry is *scheduled*. Here the token is taken when the retry is *due*, so a retry that is
/// cancelled before that takes none.
#[derive(Debug)]
pub struct Bucket {
    limiter: RateLimiter<state::NotKeyed, state::InMemoryState, TokioClock, NoOpMiddleware<Nanos>>,
    clock: TokioClock,
}

impl Bucket {
    /// Creates a full bucket.
    pub fn new() -> Self {
        let clock = TokioClock(Instant::now());
        let quota = Quota::per_second(PER_SECOND).allow_burst(BURST);
        Bucket { limiter: RateLimiter::direct_with_clock(quota, clock), clock }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// There is no token before this time.
    pub fn take(&self) -> Result<(), Instant> {
        self.limiter.check().map_err(|not_until| self.clock.0 + Duration::from(not_until.earliest_possible()))
    }
}
