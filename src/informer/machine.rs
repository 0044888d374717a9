//! The decisions of a reflector: list once, watch from that version, and recover from each failure.
//!
//! A pure state machine: it takes a response, and returns an update of the store and the next request. It does no I/O; time
//! and jitter are arguments, so a test can simulate any failure in a microsecond. The [`Reflector`](super::Reflector) sends
//! the requests.
//!
//! ```text
//!             a page, more to come                      an event: apply it, remember its version
//!                 +------+                                   +------+
//!                 v      |         the last page             v      |
//!  start ----->  Listing  -------------------------------->  Watching ---+
//!                 ^   ^     replace the store, watch from     |   ^      |  closed, silent, broken, 401, 403,
//!                 |   |     the version of the list           |   +------+  429, 5xx: watch again from there
//!                 |   +---------------------------------------+
//!                 |     410, 404, 4xx, "too large version", ERROR line, not decodable, closed at once: list again
//!                 +-- any failure of a page (also an expired continue token): list again from the first page
//! ```
//!
//! Each request after a failure waits for a backoff. Only real progress resets the backoff.

use std::{mem, time::Duration};

use tokio::time::Instant;

use super::{
    Key, ListRequest, Object, Page, Undecodable, WatchEvent,
    backoff::{Backoff, LONGEST},
};
use crate::request::Failure;

/// The `timeoutSeconds` of a watch are chosen from this range, so that the watches of many clients that began together do not
/// all end together. The numbers are client-go's.
const WATCH_TIME: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(10 * 60));

/// A watch that closes sooner than this counts as failed.
const VERY_SHORT: Duration = Duration::from_secs(1);

/// The longest `Retry-After` that is obeyed, so that a wrong value cannot stop the cache for a day.
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
    /// The watch sent nothing for `--watch-idle`, not even a bookmark.
    Silent,
    /// The request failed, or the watch broke.
    Failed(Failure),
}

/// The next request, and when to send it.
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
    /// A list, or the next page of one.
    List(ListRequest),
    /// A new watch of the changes after this version, for at most this time.
    Watch(String, Duration),
    /// The next line of the open watch.
    Read,
}

/// An update of the store.
#[derive(Debug)]
pub enum Update<T> {
    /// The store stays as it is.
    None,
    /// Replace the content by this list, but keep these keys, which do not decode.
    Replace(Vec<T>, Vec<Key>),
    /// Add or update this object.
    Apply(T),
    /// Delete this object.
    Delete(Key),
}

/// A failure, for the log, the metrics and `/readyz`.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// The error message.
    pub why: String,
    /// The label `reason` of the metric.
    pub label: &'static str,
}

/// The decision after a response.
#[derive(Debug)]
pub struct Decision<T> {
    /// The update of the store.
    pub update: Update<T>,
    /// The next request.
    pub next: NextRequest,
    /// The failure to report.
    pub problem: Option<Problem>,
}

/// The state machine. See the picture at the top.
#[derive(Debug)]
pub struct Machine<T> {
    state: State<T>,
    backoff: Backoffs,
}

/// Two backoffs for two kinds of failure.
///
/// After a long outage the `server` backoff is at its maximum, but the first 410 after it should be followed by a list soon.
/// And if each list succeeds but each watch fails with 410, the lists must become rarer.
#[derive(Debug, Default)]
struct Backoffs {
    /// The server is unavailable or refuses the request.
    server: Backoff,
    /// The server responds, but cannot use the version.
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
    /// Collects pages. The store keeps its content until the last page has arrived. A failure discards the pages.
    ///
    /// If the continue token has expired, the server offers another one, which continues at its current state
    /// ("inconsistent continue"). It is not used, because the changes in the pages already read would be missed.
    Listing { items: Vec<T>, undecodable: Vec<Key> },
    /// Watches. Most failures leave `version` unchanged, so the next watch continues without a gap. After a failure that
    /// would repeat at this version (410, not known yet, not decodable, another 4xx), the next state is Listing.
    Watching { version: String, opened: Option<Instant>, events: u64 },
}

impl<T> Default for State<T> {
    fn default() -> Self {
        State::Listing { items: Vec::new(), undecodable: Vec::new() }
    }
}

impl<T: Object> Machine<T> {
    /// Returns a new machine, and the first request.
    pub fn start() -> (Self, NextRequest) {
        let first = NextRequest { after: Duration::ZERO, request: Request::List(ListRequest::First) };
        (Machine { state: State::default(), backoff: Backoffs::default() }, first)
    }

    /// Decides what follows from a response. `jitter` is a random number in `[0, 1)`.
    pub fn step(&mut self, response: Response<T>, now: Instant, jitter: f64) -> Decision<T> {
        match (&mut self.state, response) {
            (State::Listing { items, undecodable }, Response::Page(page)) => {
                items.extend(page.items);
                undecodable.extend(page.undecodable.into_iter().filter_map(|u| u.key));
                if let Some(token) = page.next {
                    return at_once(Request::List(ListRequest::Continue(token)));
                }
                let update = Update::Replace(mem::take(items), mem::take(undecodable));
                // The backoff is not reset: a list is not progress if each watch after it fails.
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
                // Real progress: a watch that is open for longer than the longest backoff and still sends events.
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
                    // 429: the server is busy, and the version is still good. After any other ERROR line the same watch might
                    // fail forever (for example because the server cannot decode an old object), so list.
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
                    return at_once(self.watch_request(jitter)); // the normal end, after its timeoutSeconds
                }
                // The server (often a proxy) accepts watches and closes them at once. Retry with a backoff. If the watch sent
                // nothing, list: the cache must not become stale.
                if !empty {
                    let request = self.watch_request(jitter);
                    return self.retry_short_watch(request, jitter);
                }
                self.state = State::default();
                self.retry_short_watch(Request::List(ListRequest::First), jitter)
            }
            // The connection may be dead, or the resource is quiet and the server sends no bookmarks. A new watch costs one
            // request and misses nothing.
            (State::Watching { .. }, Response::Silent) => at_once(self.watch_request(jitter)),
            (State::Watching { opened, .. }, Response::Failed(failure)) => {
                if age(*opened, now) > LONGEST {
                    self.backoff.reset(); // the watch had worked for a long time
                }
                let can_watch_again = match &failure {
                    _ if failure.is_expired() || failure.is_version_too_large() => false,
                    Failure::Connection(_) | Failure::Timeout(_) | Failure::NotSent(_) => true,
                    // 400, 404, 422: the request is wrong, and the version is a part of it.
                    Failure::Status { status, .. } => matches!(status.code, 401 | 403 | 429 | 500..),
                    Failure::Malformed(_) => false,
                };
                if can_watch_again { self.rewatch(&failure, jitter) } else { self.relist(&failure, jitter) }
            }
            (State::Listing { .. }, Response::Opened | Response::Event(_) | Response::Closed | Response::Silent)
            | (State::Watching { .. }, Response::Page(_)) => unreachable!("a response to a request that was not made"),
        }
    }

    /// Returns the request for a watch from the current version.
    fn watch_request(&mut self, jitter: f64) -> Request {
        let State::Watching { version, opened, .. } = &mut self.state else { return Request::List(ListRequest::First) };
        *opened = None;
        let (least, most) = WATCH_TIME;
        Request::Watch(version.clone(), least + (most - least).mul_f64(jitter))
    }

    /// Watches again from the same version, after a backoff.
    fn rewatch(&mut self, failure: &Failure, jitter: f64) -> Decision<T> {
        let request = self.watch_request(jitter);
        self.retry(failure, request, jitter)
    }

    /// Lists again, after a backoff.
    fn relist(&mut self, failure: &Failure, jitter: f64) -> Decision<T> {
        self.state = State::default();
        self.retry(failure, Request::List(ListRequest::First), jitter)
    }

    fn retry(&mut self, failure: &Failure, request: Request, jitter: f64) -> Decision<T> {
        let is_version_unusable = failure.is_expired() || failure.is_version_too_large();
        let backoff = if is_version_unusable { &mut self.backoff.version } else { &mut self.backoff.server };
        let after = backoff.next(jitter).max(failure.retry_after().unwrap_or_default().min(LONGEST_RETRY_AFTER));
        Decision { update: Update::None, next: NextRequest { after, request }, problem: Some(problem(failure)) }
    }

    /// Sends the request after a backoff, because the last watch was very short.
    fn retry_short_watch(&mut self, request: Request, jitter: f64) -> Decision<T> {
        let why = "the server closed the watch at once".to_owned();
        let next = NextRequest { after: self.backoff.server.next(jitter), request };
        Decision { update: Update::None, next, problem: Some(Problem { why, label: "short_watch" }) }
    }
}

/// Returns how long a watch has been open.
fn age(opened: Option<Instant>, now: Instant) -> Duration {
    opened.map_or(Duration::ZERO, |opened| now.saturating_duration_since(opened))
}

/// Describes an object that does not decode.
pub(super) fn undecodable(object: &Undecodable) -> Problem {
    let why = match &object.key {
        Some(key) => format!("{key} cannot be decoded, its last good version stays: {}", object.why),
        None => format!("an object without a name is ignored: {}", object.why),
    };
    Problem { why, label: "undecodable" }
}

fn problem(failure: &Failure) -> Problem {
    Problem { why: failure.to_string(), label: failure.label() }
}

fn at_once<T>(request: Request) -> Decision<T> {
    Decision { update: Update::None, next: NextRequest { after: Duration::ZERO, request }, problem: None }
}

#[cfg(test)]
mod tests;
