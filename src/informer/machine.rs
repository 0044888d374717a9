//! What a reflector does next: list once, then watch from there; and what follows from each failure.
//!
//! A pure state machine: it takes a response, and returns a change of the cache and the next request. It does no I/O; time
//! and jitter are arguments, so a test can simulate any failure in a microsecond. The [`Reflector`](super::Reflector)
//! executes what it returns.
//!
//! ```text
//!             a page, more to come                      an event: apply it, remember its version
//!                 +------+                                   +------+
//!                 v      |         the last page             v      |
//!  start ----->  Listing  -------------------------------->  Watching ---+
//!                 ^   ^     swap the cache, watch from the    |   ^      |  closed, silent, refused, broken:
//!                 |   |     version of the list               |   +------+  open again at the same version
//!                 |   +---------------------------------------+
//!                 |     410, "too large version", not decodable: that version is of no use, list again
//!                 +-- any failure of a page (an expired continue token, too): list again from the first page
//! ```
//!
//! Every arrow that follows a failure waits for a backoff, and only real progress resets the backoff.

use std::{mem, time::Duration};

use tokio::time::Instant;

use super::{
    Key, ListRequest, Object, Page, Undecodable, WatchEvent,
    backoff::{Backoff, LONGEST},
};
use crate::request::Failure;

/// The server ends each watch after a time of our choosing, spread over this range, so that the watches of many clients
/// that began together (the server came up) do not all end together. client-go's numbers.
const WATCH_TIME: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(10 * 60));

/// A watch that closes sooner than this counts as failed.
const VERY_SHORT: Duration = Duration::from_secs(1);

/// The longest `Retry-After` that is obeyed: a wrong value must not stop the cache for a day.
const LONGEST_RETRY_AFTER: Duration = LONGEST;

/// The result of the last request.
#[derive(Debug)]
pub enum Response<T> {
    /// A page of a list.
    Page(Page<T>),
    /// The watch is open: the head of the response has arrived.
    Opened,
    /// A line of the watch.
    Event(WatchEvent<T>),
    /// The server ended the watch.
    Closed,
    /// The watch sent nothing, not even a bookmark, for `--watch-idle`.
    Silent,
    /// The request was refused or broke.
    Failed(Failure),
}

/// What to do next, and when.
#[derive(Debug, PartialEq, Eq)]
pub struct NextRequest {
    /// The wait before it.
    pub after: Duration,
    /// The request.
    pub request: Request,
}

/// A request to the API server.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// A page.
    List(ListRequest),
    /// A new watch of what comes after this version, for this time.
    Watch(String, Duration),
    /// The next line of the watch that is open.
    Read,
}

/// What to do with the cache.
#[derive(Debug)]
pub enum Update<T> {
    /// Nothing.
    None,
    /// Replace everything by this list; the last good version of these keys stays.
    Replace(Vec<T>, Vec<Key>),
    /// Add or update this object.
    Apply(T),
    /// Delete this object.
    Delete(Key),
}

/// What went wrong: for the log, the metrics and `/readyz`.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// For people.
    pub why: String,
    /// For a metric's label.
    pub reason: &'static str,
}

/// What follows from a response.
#[derive(Debug)]
pub struct Decision<T> {
    /// For the cache.
    pub update: Update<T>,
    /// For the API server.
    pub next: NextRequest,
    /// For people.
    pub problem: Option<Problem>,
}

/// The state machine. See the picture at the top.
#[derive(Debug)]
pub struct Machine<T> {
    state: State<T>,
    backoff: Backoffs,
}

/// Two backoffs for two kinds of failure. A long outage says nothing about the version: the first 410 after it leads to a
/// list at once, not half a minute later. But a server that answers 410 again and again, between lists that work, has to
/// be asked ever more slowly.
#[derive(Debug, Default)]
struct Backoffs {
    /// The server cannot be reached, or refuses.
    server: Backoff,
    /// The server answers, but the version is of no use.
    version: Backoff,
}

impl Backoffs {
    fn reset(&mut self) {
        self.server.reset();
        self.version.reset();
    }
}

#[derive(Debug)]
enum State<T> {
    /// Pages are being collected. The cache still has what it had: it changes when the last page is here. A failure
    /// discards the pages. With an expired continue token the server also offers to go on at its present state
    /// ("inconsistent continue"). That would miss what changed meanwhile in the pages already read.
    ///
    /// (A streaming list, `sendInitialEvents`, would be a third state beside this one: collect what the watch sends
    /// until the annotated bookmark, swap, and go on as Watching on the same stream.)
    Listing { items: Vec<T>, undecodable: Vec<Key> },
    /// Watching. A failure leaves `version` where it is, and the next watch goes on from there without a gap; only a
    /// version that the server does not know (any more, or yet) leads back to Listing.
    Watching { version: String, opened: Option<Instant>, events: u64 },
}

impl<T> Default for State<T> {
    fn default() -> Self {
        State::Listing { items: Vec::new(), undecodable: Vec::new() }
    }
}

impl<T: Object> Machine<T> {
    /// Returns a machine in its initial state, and the first request.
    pub fn start() -> (Self, NextRequest) {
        let first = NextRequest { after: Duration::ZERO, request: Request::List(ListRequest::First) };
        (Machine { state: State::default(), backoff: Backoffs::default() }, first)
    }

    /// One step. `jitter` is a random number in `[0, 1)`.
    pub fn step(&mut self, response: Response<T>, now: Instant, jitter: f64) -> Decision<T> {
        match (&mut self.state, response) {
            (State::Listing { items, undecodable }, Response::Page(page)) => {
                items.extend(page.items);
                undecodable.extend(page.undecodable.into_iter().filter_map(|u| u.key));
                if let Some(token) = page.next {
                    return at_once(Request::List(ListRequest::Continue(token)));
                }
                let update = Update::Replace(mem::take(items), mem::take(undecodable));
                // The backoff is not reset: a list that works is no progress if the watch after it never does.
                self.state = State::Watching { version: page.resource_version, opened: None, events: 0 };
                Decision { update, ..at_once(self.watch_request(jitter)) }
            }
            (State::Listing { .. }, Response::Failed(failure)) => self.relist(&failure, jitter),
            (State::Watching { opened, events, .. }, Response::Opened) => {
                (*opened, *events) = (Some(now), 0);
                at_once(Request::Read)
            }
            (State::Watching { version, opened, events }, Response::Event(event)) => {
                *events += 1;
                // Real progress is a watch that is older than the longest backoff and still sends events.
                if age(*opened, now) > LONGEST {
                    self.backoff.reset();
                }
                let (update, seen, problem) = match event {
                    WatchEvent::Applied(object) => {
                        let seen = object.resource_version().to_owned();
                        (Update::Apply(object), seen, None)
                    }
                    WatchEvent::Deleted(key, seen) => (Update::Delete(key), seen, None),
                    WatchEvent::Bookmark(seen) => (Update::None, seen, None),
                    WatchEvent::Undecodable(object, seen) => (Update::None, seen, Some(undecodable(&object))),
                    // A busy server may recover soon. Any other ERROR inside the stream is final for this version; the same
                    // watch again (the server cannot decode an old value, for example) might fail forever.
                    WatchEvent::Error(failure) if failure.code() == Some(429) => return self.rewatch(&failure, jitter),
                    WatchEvent::Error(failure) => return self.relist(&failure, jitter),
                };
                if !seen.is_empty() {
                    *version = seen;
                }
                Decision { update, problem, ..at_once(Request::Read) }
            }
            (State::Watching { opened, events, .. }, Response::Closed) => {
                let (age, empty) = (age(*opened, now), *events == 0);
                if age > LONGEST {
                    self.backoff.reset();
                }
                if age >= VERY_SHORT {
                    return at_once(self.watch_request(jitter)); // its time was up: the normal end
                }
                // A server (often a proxy) that accepts watches and drops them. Without a pause this is a hot loop, and
                // without a list the cache gets stale: so fall back to polling, at the backoff's pace.
                if !empty {
                    let request = self.watch_request(jitter);
                    return self.retry_short_watch(request, jitter);
                }
                self.state = State::default();
                self.retry_short_watch(Request::List(ListRequest::First), jitter)
            }
            // Maybe nothing is wrong. A dead connection looks like this, and so does a quiet resource on a server that sends
            // no bookmarks. Opening the watch again costs one request and misses nothing.
            (State::Watching { .. }, Response::Silent) => at_once(self.watch_request(jitter)),
            (State::Watching { opened, .. }, Response::Failed(failure)) => {
                if age(*opened, now) > LONGEST {
                    self.backoff.reset(); // it broke, but it had worked for a long time
                }
                let another_try_helps = match &failure {
                    _ if failure.is_expired() || failure.is_version_too_large() => false,
                    Failure::Connection(_) | Failure::Timeout(_) | Failure::NotSent(_) => true,
                    // 400, 404, 422: the request itself is wrong, and the version is a part of it.
                    Failure::Status { status, .. } => matches!(status.code, 401 | 403 | 429 | 500..),
                    Failure::Malformed(_) => false,
                };
                if another_try_helps { self.rewatch(&failure, jitter) } else { self.relist(&failure, jitter) }
            }
            (State::Listing { .. }, Response::Opened | Response::Event(_) | Response::Closed | Response::Silent)
            | (State::Watching { .. }, Response::Page(_)) => unreachable!("a response to a request that was not made"),
        }
    }

    /// A watch from the current version.
    fn watch_request(&mut self, jitter: f64) -> Request {
        let State::Watching { version, opened, .. } = &mut self.state else { return Request::List(ListRequest::First) };
        *opened = None;
        let (least, most) = WATCH_TIME;
        Request::Watch(version.clone(), least + (most - least).mul_f64(jitter))
    }

    /// Opens the watch again where it was, after a backoff.
    fn rewatch(&mut self, failure: &Failure, jitter: f64) -> Decision<T> {
        let request = self.watch_request(jitter);
        self.retry(failure, request, jitter)
    }

    /// Starts again with a list, after a backoff.
    fn relist(&mut self, failure: &Failure, jitter: f64) -> Decision<T> {
        self.state = State::default();
        self.retry(failure, Request::List(ListRequest::First), jitter)
    }

    fn retry(&mut self, failure: &Failure, request: Request, jitter: f64) -> Decision<T> {
        let version = failure.is_expired() || failure.is_version_too_large();
        let backoff = if version { &mut self.backoff.version } else { &mut self.backoff.server };
        let after = backoff.next(jitter).max(failure.retry_after().unwrap_or_default().min(LONGEST_RETRY_AFTER));
        Decision { update: Update::None, next: NextRequest { after, request }, problem: Some(problem(failure)) }
    }

    /// Waits for a backoff after a very short watch.
    fn retry_short_watch(&mut self, request: Request, jitter: f64) -> Decision<T> {
        let why = "the watch was closed as soon as it was open".to_owned();
        let next = NextRequest { after: self.backoff.server.next(jitter), request };
        Decision { update: Update::None, next, problem: Some(Problem { why, reason: "short_watch" }) }
    }
}

/// How long a watch has been open.
fn age(opened: Option<Instant>, now: Instant) -> Duration {
    opened.map_or(Duration::ZERO, |opened| now.saturating_duration_since(opened))
}

/// Describes an object that does not decode.
pub(super) fn undecodable(object: &Undecodable) -> Problem {
    let why = match &object.key {
        Some(key) => format!("{key} cannot be decoded, its last good version stays: {}", object.why),
        None => format!("an object without a name is ignored: {}", object.why),
    };
    Problem { why, reason: "undecodable" }
}

fn problem(failure: &Failure) -> Problem {
    Problem { why: failure.to_string(), reason: failure.label() }
}

fn at_once<T>(request: Request) -> Decision<T> {
    Decision { update: Update::None, next: NextRequest { after: Duration::ZERO, request }, problem: None }
}

#[cfg(test)]
mod tests;
