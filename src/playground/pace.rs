//! How fast the story goes, and how long it waits for what has to happen.

use std::{fmt, future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use crate::request::Failure;

/// How long anything may take before the story breaks off.
const LIMIT: Duration = Duration::from_secs(30);

/// How often the story looks. A watch would be told at once; but kubectl does not watch either when it is asked twice.
const EVERY: Duration = Duration::from_millis(50);

/// How fast the story goes: 2.0 is twice as fast as usual.
#[derive(Clone, Copy, Debug)]
pub struct Pace(pub f64);

/// Why the story broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The server refused what the story did.
    Refused {
        /// The command.
        doing: String,
        /// The server's words.
        why: String,
    },
    /// What had to happen did not.
    Awaited {
        /// What.
        what: String,
        /// How long the story waited.
        within: Duration,
        /// What there was instead, at the last look.
        seen: String,
    },
}

impl Broken {
    /// For `map_err`.
    pub fn refused(doing: impl Into<String>) -> impl FnOnce(Failure) -> Broken {
        move |why| Broken::Refused { doing: doing.into(), why: why.to_string() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Refused { doing, why } => write!(f, "{doing}: {why}"),
            Broken::Awaited { what, within, seen } => write!(f, "{what}: not within {within:?}; seen: {seen}"),
        }
    }
}

impl Pace {
    /// Time to read.
    pub async fn pause(self, seconds: f64) {
        sleep(Duration::from_secs_f64(seconds / self.0)).await;
    }

    /// Looks until there is an answer. `look` says what there is instead; a failed request is no more than that, as the
    /// next one may succeed.
    ///
    /// # Errors
    /// It did not come in time.
    pub async fn until<T, F>(self, what: impl Into<String>, mut look: impl FnMut() -> F) -> Result<T, Broken>
    where
        F: Future<Output = Result<Result<T, String>, Failure>>,
    {
        // A slow story has slow pods; a fast one gets no less time, as the machine may be slow.
        let within = LIMIT.div_f64(self.0.min(1.0));
        let until = Instant::now() + within;
        let mut seen = "nothing yet".to_owned();
        // Pitfall: a time-out alone would never end this, as a future that is ready beats a time-out that has passed.
        while Instant::now() < until {
            match timeout_at(until, look()).await {
                Ok(Ok(Ok(found))) => return Ok(found),
                Ok(Ok(Err(other))) => seen = other,
                Ok(Err(failure)) => seen = failure.to_string(),
                Err(_) => break,
            }
            sleep(EVERY).await;
        }
        Err(Broken::Awaited { what: what.into(), within, seen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_faster_story_leaves_less_time_to_read() {
        let start = Instant::now();
        Pace(0.5).pause(3.0).await;
        assert_eq!(start.elapsed(), Duration::from_secs(6));
        Pace(3.0).pause(3.0).await;
        assert_eq!(start.elapsed(), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_is_named_with_what_was_seen_instead() {
        let mut looks = 0;
        let broken = Pace(20.0)
            .until("a pod that runs", || {
                looks += 1;
                let seen = format!("look {}", looks.min(2));
                async move { Ok(Err::<(), _>(seen)) }
            })
            .await
            .unwrap_err();
        assert_eq!(broken.to_string(), "a pod that runs: not within 30s; seen: look 2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_fails_or_hangs_is_no_end_before_the_deadline() {
        let mut answers = vec![Ok(Ok(7)), Err(Failure::Connection("refused".into()))];
        assert_eq!(Pace(1.0).until("7", || std::future::ready(answers.pop().unwrap())).await, Ok(7));

        let start = Instant::now();
        let hung = Pace(0.5).until("7", std::future::pending::<Result<Result<(), String>, Failure>>).await.unwrap_err();
        assert_eq!(hung.to_string(), "7: not within 60s; seen: nothing yet");
        assert_eq!(start.elapsed(), Duration::from_secs(60));
    }
}
