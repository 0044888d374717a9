//! Watch: a cursor in the log.
//!
//! Promises:
//! * every change after the version asked for is told, once, in order; with a selector, what begins to match is ADDED and
//!   what no longer does is DELETED;
//! * a version that the log no longer reaches back to is answered with 200 and one ERROR event, Status 410; so is a watch
//!   that the log has overtaken because its client does not read;
//! * nothing is buffered for a client but the lines of one frame and pointers: to one batch of changes, or to what was
//!   there when its initial events began. What they point to stays in memory until it is told, or the client has gone;
//! * it ends, after everything that there is to tell, when its resource is not served any more;
//! * bookmarks come once a minute and shortly before the end, if they are asked for.

use std::{collections::VecDeque, ops::Bound, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use rand::RngExt;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    body::{Body, Reset},
    format::Format,
    object::{GroupResource, Key, Object},
    options::Watch,
    request::Target,
    resource::Resource,
    selector::Selector,
    state::{Shared, State},
    status::Status,
    store::{Change, Compacted},
};

/// So many changes are taken from the log at a time, so that nobody waits long for the lock.
const BATCH: usize = 1000;
/// A frame is full when it has so many bytes.
const FRAME: usize = 64 << 10;
/// Bookmarks: so often, and so long before the watch ends.
const BOOKMARK: Duration = Duration::from_secs(60);
const BEFORE_END: Duration = Duration::from_secs(2);
/// A watch without a time limit has one from here to twice as long, so that not all come back at once.
const SHORTEST: u64 = 1800;

/// What is to be watched, and how it is told.
pub struct Plan {
    pub resource: Arc<Resource>,
    pub target: Target,
    pub selector: Selector,
    pub options: Watch,
    pub format: Format,
    /// The revision that is the latest here: of a replica that lags it is an old one.
    pub latest: u64,
}

impl Plan {
    fn is_inside(&self, key: &Key) -> bool {
        self.target.namespace.is_empty() || key.namespace == self.target.namespace
    }
}

/// Opens a watch. What is there now is remembered under the lock that the caller holds, everything else is the stream's.
pub fn open(shared: &Arc<Shared>, state: &mut State, plan: Plan) -> Body {
    let seconds = plan.options.seconds.unwrap_or_else(|| state.random.random_range(SHORTEST..2 * SHORTEST) as i64);
    let limit = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    // Half a century is no limit, and keeps the clock from overflowing.
    let ends_at = Instant::now() + limit.min(Duration::from_secs(50 * 365 * 24 * 3600));
    let mut watcher = Watcher {
        shared: shared.clone(),
        wake: shared.revision.subscribe(),
        cut: state.cut.subscribe(),
        id: plan.resource.id(),
        revision: plan.options.since.unwrap_or(plan.latest),
        latest: plan.latest,
        pending: VecDeque::new(),
        ends_at,
        next_bookmark: plan.options.bookmarks.then(|| bookmark_after(Instant::now(), ends_at)).flatten(),
        fresh: true,
        ended: false,
        plan,
    };
    if watcher.plan.options.initial_events {
        watcher.remember_all(state);
    }
    let frames = stream::unfold(watcher, |mut watcher| async move {
        let frame = watcher.next().await?;
        Some((frame, watcher))
    });
    Body::Stream(frames.boxed())
}

/// One watch.
struct Watcher {
    shared: Arc<Shared>,
    wake: watch::Receiver<u64>,
    cut: watch::Receiver<()>,
    plan: Plan,
    id: GroupResource,
    /// Everything up to here has been told or is pending.
    revision: u64,
    /// The revision of the latest change when the log was last read.
    latest: u64,
    /// What is to be told and is not a line yet.
    pending: VecDeque<Pending>,
    ends_at: Instant,
    next_bookmark: Option<Instant>,
    /// Not a line has been sent.
    fresh: bool,
    ended: bool,
}

/// Nothing is made of it before there is room for it: a client that does not read costs pointers, not copies.
enum Pending {
    /// One of the initial events.
    There(Arc<Object>),
    /// The bookmark after the last of them.
    ClosingBookmark,
    /// May turn out not to concern this watch.
    Change(Arc<Change>),
    /// The last line.
    Refusal(Status),
    /// No more lines: the resource is not served any more. A definition went, or dropped the version.
    End,
}

impl Watcher {
    /// What is there now becomes events.
    fn remember_all(&mut self, state: &State) {
        let latest = self.plan.latest;
        if self.revision > latest {
            let status = Status::too_large_resource_version(self.revision, latest);
            self.pending.push_back(Pending::Refusal(status));
            return;
        }
        self.revision = latest;
        let Ok(snapshot) = state.store.at(&self.id, self.revision) else { return };
        let first = Key::new(&self.plan.target.namespace, "");
        let from = if first.namespace.is_empty() { Bound::Unbounded } else { Bound::Included(&first) };
        let objects = snapshot.range(from).take_while(|(key, _)| self.plan.is_inside(key)).map(|(_, object)| object);
        let selected = objects.filter(|object| self.plan.selector.matches(object.value()));
        self.pending.extend(selected.cloned().map(Pending::There));
        if self.plan.options.bookmarks {
            self.pending.push_back(Pending::ClosingBookmark);
        }
    }

    /// The next lines; None when the watch has ended.
    async fn next(&mut self) -> Option<Result<Bytes, Reset>> {
        while !self.ended && Instant::now() < self.ends_at {
            if self.cut.has_changed().unwrap_or(false) {
                self.ended = true;
                return Some(Err(Reset));
            }
            // Before the log is read: a change that comes after that wakes us.
            self.wake.borrow_and_update();
            if self.pending.is_empty() {
                self.read_log();
            }
            let frame = self.frame();
            if !frame.is_empty() {
                return Some(Ok(Bytes::from(frame)));
            }
            if self.revision < self.latest {
                // None of a whole batch was for this watch. The others have their turn, then on with the next.
                tokio::task::yield_now().await;
                continue;
            }
            if self.ended {
                break;
            }
            let bookmark_at = self.next_bookmark.unwrap_or(self.ends_at);
            tokio::select! {
                heard = self.wake.changed() => self.ended = heard.is_err(),
                Ok(()) = self.cut.changed() => self.cut.mark_changed(),
                () = sleep_until(bookmark_at.min(self.ends_at)) => {
                    if self.next_bookmark.is_some_and(|at| at <= Instant::now()) {
                        self.next_bookmark = bookmark_after(Instant::now(), self.ends_at);
                        // A client that waits for a version that is yet to come is not told that it is there.
                        if self.revision <= self.latest {
                            let mut frame = Vec::new();
                            self.line(&mut frame, "BOOKMARK", &self.bookmark(false));
                            return Some(Ok(Bytes::from(frame)));
                        }
                    }
                }
            }
        }
        None
    }

    /// Takes one batch of changes. What does not concern this watch is passed over; the selector looks at objects later,
    /// without the lock.
    fn read_log(&mut self) {
        let state = self.shared.lock();
        self.latest = state.store.revision();
        let Resource { group, version, plural, .. } = &*self.plan.resource;
        let unserved = state.catalog.find(group, version, plural).is_none();
        // Of a version that is yet to come there is nothing since.
        match state.store.since(self.revision) {
            Ok(since) => {
                for change in since.take(BATCH) {
                    self.revision = change.revision;
                    if change.resource == self.id && self.plan.is_inside(&change.key) {
                        self.pending.push_back(Pending::Change(change.clone()));
                    }
                }
                if unserved && self.revision >= self.latest {
                    self.pending.push_back(Pending::End);
                }
            }
            Err(Compacted { .. }) => {
                let status = Status::expired("The resourceVersion for the provided watch is too old.");
                self.pending.push_back(Pending::Refusal(status));
            }
        }
    }

    /// Pending events as lines, as many as go into one frame.
    fn frame(&mut self) -> Vec<u8> {
        let mut frame = Vec::new();
        self.plan.format.now = (self.shared.clock)();
        while frame.len() < FRAME {
            match self.pending.pop_front() {
                Some(Pending::There(object)) => self.line(&mut frame, "ADDED", &object),
                Some(Pending::Change(change)) => {
                    if let Some((kind, object)) = event(&self.plan.selector, &change) {
                        self.line(&mut frame, kind, &object);
                    }
                }
                Some(Pending::ClosingBookmark) => self.line(&mut frame, "BOOKMARK", &self.bookmark(true)),
                Some(Pending::Refusal(status)) => self.line(&mut frame, "ERROR", &Object::new(status.body())),
                Some(Pending::End) => self.ended = true,
                None => break,
            }
        }
        frame
    }

    fn line(&mut self, frame: &mut Vec<u8>, kind: &str, object: &Object) {
        let first = std::mem::take(&mut self.fresh);
        let object = if kind == "ERROR" {
            self.ended = true;
            object.json()
        } else {
            self.plan.format.event(&self.plan.resource, object, first)
        };
        for part in [br#"{"type":""#, kind.as_bytes(), br#"","object":"#, &object, b"}\n"] {
            frame.extend_from_slice(part);
        }
    }

    /// An object that says only how far this watch has come.
    fn bookmark(&self, closes_initial_events: bool) -> Object {
        let mut metadata = json!({ "resourceVersion": self.revision.to_string() });
        if closes_initial_events {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let Resource { kind, .. } = &*self.plan.resource;
        let bookmark: Value =
            json!({ "kind": kind, "apiVersion": self.plan.resource.api_version(), "metadata": metadata });
        Object::new(bookmark)
    }
}

/// What a change is to a watch with this selector.
fn event(selector: &Selector, change: &Change) -> Option<(&'static str, Arc<Object>)> {
    let matches = |object: &Option<Arc<Object>>| object.as_ref().is_some_and(|object| selector.matches(object.value()));
    match (matches(&change.before), matches(&change.after)) {
        (false, true) => Some(("ADDED", change.after.clone()?)),
        (true, true) => Some(("MODIFIED", change.after.clone()?)),
        (true, false) if change.tombstone.is_some() => Some(("DELETED", change.tombstone.clone()?)),
        // It is still there, but not for this watch: the last version that matched, under the revision of the change.
        (true, false) => {
            let mut last = change.before.as_ref()?.value().clone();
            last["metadata"]["resourceVersion"] = change.revision.to_string().into();
            Some(("DELETED", Arc::new(Object::new(last))))
        }
        (false, false) => None,
    }
}

/// When the next bookmark is due: a minute from now, or before the end if that is sooner; once that is past, never.
fn bookmark_after(now: Instant, ends_at: Instant) -> Option<Instant> {
    let last = ends_at.checked_sub(BEFORE_END)?;
    (last > now).then(|| last.min(now + BOOKMARK))
}

#[cfg(test)]
mod tests;
