//! What a reflector does next: list once, then watch from there; and what to do each time that this goes wrong.
//!
//! A pure state machine. It decides and does nothing: an answer goes in, a change of the cache and the next request
//! come out. It has no client, no clock and no dice (the time and the jitter are arguments), so a test can lead it
//! through any disaster in a microsecond. The loop that has all three and decides nothing is the
//! [`Reflector`](super::Reflector).
//!
//! ```text
//!             a page, more to come                      an event: apply it, remember its version
//!                 +------+                                   +------+
//!                 v      |         the last page             v      |
//!  start ----->  Listing  -------------------------------->  Watching ---+
//!                 ^   ^     swap the cache, watch from the    |   ^      |  closed, silent, refused, broken:
//!                 |   |     version of the list               |   +------+  open again at the same version
//!                 |   +---------------------------------------+
//!                 |     410, "too large version", nonsense: that version is of no use any more, list again
//!                 +-- any failure of a page (an expired continue token, too): list again from the first page
//! ```
//!
//! Every arrow that follows a failure waits for a backoff, and the backoff starts afresh only after real progress.

use std::{mem, time::Duration};

use tokio::time::Instant;

use super::{
    Event, Key, List, Object, Page, Undecodable,
    backoff::{Backoff, LONGEST},
};
use crate::request::Failure;

/// The server ends each watch after a time of our choosing, spread over this range, so that the watches of many clients
/// that began together (the server came up) do not all end together. client-go's numbers.
const WATCH_TIME: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(10 * 60));

/// A watch that closes sooner than this was not served, it was turned away.
const VERY_SHORT: Duration = Duration::from_secs(1);

/// The longest that a server's `Retry-After` is obeyed for: a confused proxy must not put us to sleep for a day.
const LONGEST_RETRY_AFTER: Duration = LONGEST;

/// What came back from the last request, or did not.
#[derive(Debug)]
pub enum Answer<T> {
    /// A page of a list.
    Page(Page<T>),
    /// The watch is open: the answer's head has arrived.
    Opened,
    /// A line of the watch.
    Event(Event<T>),
    /// The server ended the watch.
    Closed,
    /// The watch brought nothing, not even a bookmark, for as long as we are ready to believe in it.
    Silent,
    /// The request was refused or broke.
    Failed(Failure),
}

/// What to do next, and when.
#[derive(Debug, PartialEq, Eq)]
pub struct Next {
    /// Wait so long before it.
    pub after: Duration,
    /// The request.
    pub request: Request,
}

/// What to ask the API server.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// A page.
    List(List),
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
    /// Put this list in place of everything; the last good version of these keys stays.
    Replace(Vec<T>, Vec<Key>),
    /// Take in this object.
    Apply(T),
    /// Take out this one.
    Delete(Key),
}

/// Something went wrong: for the log, the metrics and `/readyz`.
#[derive(Debug, PartialEq, Eq)]
pub struct Trouble {
    /// In words.
    pub why: String,
    /// In one word, for a metric's label.
    pub reason: &'static str,
}

/// What follows from an answer.
#[derive(Debug)]
pub struct Step<T> {
    /// For the cache.
    pub update: Update<T>,
    /// For the API server.
    pub next: Next,
    /// For people.
    pub trouble: Option<Trouble>,
}

/// The state machine. See the picture at the top.
#[derive(Debug)]
pub struct Machine<T> {
    state: State<T>,
    backoff: Backoffs,
}

/// Two, because they are about two things. An outage that lasted says nothing about the version: the first 410 after it
/// is followed up at once, not half a minute later. But a server that answers 410 again and again, between lists that
/// work well, has to be asked ever more slowly.
#[derive(Debug, Default)]
struct Backoffs {
    /// The server cannot be reached, or does not want to.
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
    /// Following. A failure leaves `version` where it is, and the next watch goes on from there without a gap; only a
    /// version that the server does not know (any more, or yet) leads back to Listing.
    Watching { version: String, opened: Option<Instant>, events: u64 },
}

impl<T> Default for State<T> {
    fn default() -> Self {
        State::Listing { items: Vec::new(), undecodable: Vec::new() }
    }
}

impl<T: Object> Machine<T> {
    /// A machine that knows nothing yet, and its first request.
    pub fn start() -> (Self, Next) {
        let first = Next { after: Duration::ZERO, request: Request::List(List::First) };
        (Machine { state: State::default(), backoff: Backoffs::default() }, first)
    }

    /// One step. `jitter` is a random number in `[0, 1)`.
    pub fn on(&mut self, answer: Answer<T>, now: Instant, jitter: f64) -> Step<T> {
        match (&mut self.state, answer) {
            (State::Listing { items, undecodable }, Answer::Page(page)) => {
                items.extend(page.items);
                undecodable.extend(page.undecodable.into_iter().filter_map(|u| u.key));
                if let Some(token) = page.next {
                    return go(Request::List(List::Continue(token)));
                }
                let update = Update::Replace(mem::take(items), mem::take(undecodable));
                // The backoff is left as it is: a list that works is no progress if the watch after it never does.
                self.state = State::Watching { version: page.resource_version, opened: None, events: 0 };
                Step { update, ..go(self.watch(jitter)) }
            }
            (State::Listing { .. }, Answer::Failed(failure)) => self.relist(&failure, jitter),
            (State::Watching { opened, events, .. }, Answer::Opened) => {
                (*opened, *events) = (Some(now), 0);
                go(Request::Read)
            }
            (State::Watching { version, opened, events }, Answer::Event(event)) => {
                *events += 1;
                // Real progress is a watch that has lived longer than the longest backoff and still brings something.
                if age(*opened, now) > LONGEST {
                    self.backoff.reset();
                }
                let (update, seen, trouble) = match event {
                    Event::Applied(object) => {
                        let seen = object.resource_version().to_owned();
                        (Update::Apply(object), seen, None)
                    }
                    Event::Deleted(key, seen) => (Update::Delete(key), seen, None),
                    Event::Bookmark(seen) => (Update::None, seen, None),
                    Event::Undecodable(object, seen) => (Update::None, seen, Some(undecodable(&object))),
                    // A busy server may be better in a moment. Any other ERROR inside the stream is its last word on
                    // this version; staying here (it cannot decode an old value, say) might be for ever.
                    Event::Error(failure) if failure.code() == Some(429) => return self.rewatch(&failure, jitter),
                    Event::Error(failure) => return self.relist(&failure, jitter),
                };
                if !seen.is_empty() {
                    *version = seen;
                }
                Step { update, trouble, ..go(Request::Read) }
            }
            (State::Watching { opened, events, .. }, Answer::Closed) => {
                let (age, empty) = (age(*opened, now), *events == 0);
                if age > LONGEST {
                    self.backoff.reset();
                }
                if age >= VERY_SHORT {
                    return go(self.watch(jitter)); // its time was up: the normal end
                }
                // Whoever answers (a proxy, often) takes watches and drops them. Without a pause this is a hot loop,
                // and without a list we would go blind: so fall back to polling, at the backoff's pace.
                if !empty {
                    let request = self.watch(jitter);
                    return self.pause(request, jitter);
                }
                self.state = State::default();
                self.pause(Request::List(List::First), jitter)
            }
            // Nothing is known to be wrong. A connection that died without a word looks like this, and so does a quiet
            // resource on a server that sends no bookmarks. Opening again costs one request and misses nothing.
            (State::Watching { .. }, Answer::Silent) => go(self.watch(jitter)),
            (State::Watching { opened, .. }, Answer::Failed(failure)) => {
                if age(*opened, now) > LONGEST {
                    self.backoff.reset(); // it broke, but after a long and useful life
                }
                let another_try_helps = match &failure {
                    _ if failure.is_expired() || failure.is_version_too_large() => false,
                    Failure::Connection(_) | Failure::Timeout(_) | Failure::NotSent(_) => true,
                    // 400, 404, 422: not a bad moment but a bad question, and the version is part of it.
                    Failure::Status { status, .. } => matches!(status.code, 401 | 403 | 429 | 500..),
                    Failure::Malformed(_) => false,
                };
                if another_try_helps { self.rewatch(&failure, jitter) } else { self.relist(&failure, jitter) }
            }
            (State::Listing { .. }, Answer::Opened | Answer::Event(_) | Answer::Closed | Answer::Silent)
            | (State::Watching { .. }, Answer::Page(_)) => unreachable!("an answer to a request that was not made"),
        }
    }

    /// A watch from the version that we are at.
    fn watch(&mut self, jitter: f64) -> Request {
        let State::Watching { version, opened, .. } = &mut self.state else { return Request::List(List::First) };
        *opened = None;
        let (least, most) = WATCH_TIME;
        Request::Watch(version.clone(), least + (most - least).mul_f64(jitter))
    }

    /// Open the watch again, where it was, after a pause.
    fn rewatch(&mut self, failure: &Failure, jitter: f64) -> Step<T> {
        let request = self.watch(jitter);
        self.retry(failure, request, jitter)
    }

    /// Start over from a list, after a pause.
    fn relist(&mut self, failure: &Failure, jitter: f64) -> Step<T> {
        self.state = State::default();
        self.retry(failure, Request::List(List::First), jitter)
    }

    fn retry(&mut self, failure: &Failure, request: Request, jitter: f64) -> Step<T> {
        let version = failure.is_expired() || failure.is_version_too_large();
        let backoff = if version { &mut self.backoff.version } else { &mut self.backoff.server };
        let after = backoff.next(jitter).max(failure.retry_after().unwrap_or_default().min(LONGEST_RETRY_AFTER));
        Step { update: Update::None, next: Next { after, request }, trouble: Some(trouble(failure)) }
    }

    /// The pause after a watch that was turned away.
    fn pause(&mut self, request: Request, jitter: f64) -> Step<T> {
        let why = "the watch was closed as soon as it was open".to_owned();
        let next = Next { after: self.backoff.server.next(jitter), request };
        Step { update: Update::None, next, trouble: Some(Trouble { why, reason: "short_watch" }) }
    }
}

/// How long a watch has been open.
fn age(opened: Option<Instant>, now: Instant) -> Duration {
    opened.map_or(Duration::ZERO, |opened| now.saturating_duration_since(opened))
}

/// Describes an object that does not decode.
pub(super) fn undecodable(object: &Undecodable) -> Trouble {
    let why = match &object.key {
        Some(key) => format!("{key} cannot be decoded, its last good version stays: {}", object.why),
        None => format!("an object without a name is ignored: {}", object.why),
    };
    Trouble { why, reason: "undecodable" }
}

fn trouble(failure: &Failure) -> Trouble {
    Trouble { why: failure.to_string(), reason: failure.label() }
}

fn go<T>(request: Request) -> Step<T> {
    Step { update: Update::None, next: Next { after: Duration::ZERO, request }, trouble: None }
}

#[cfg(test)]
mod tests;
