//! Watch: a cursor in the log of changes.
//!
//! Promises:
//! * every change after the requested version is sent once and in order; with a selector, an object that starts matching
//!   is ADDED, and an object that stops matching is DELETED;
//! * if the requested version is compacted, the response is 200 with one ERROR event, Status 410; a watch whose client
//!   reads too slowly gets the same when the log is compacted past its cursor;
//! * the buffer of a client holds at most one frame and pointers: to one batch of changes or to the initial objects;
//! * when the resource is no longer served, the watch sends the remaining events and ends;
//! * bookmarks, if requested, are sent once a minute and shortly before the end.

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
    options::WatchOptions,
    request::RequestInfo,
    resource::Resource,
    selector::Selector,
    state::{Shared, State},
    status::Status,
    store::{Change, Compacted},
};

/// Maximum number of changes that are read at a time, to hold the lock only briefly.
const BATCH_SIZE: usize = 1000;
/// A frame of this size in bytes is full.
const FRAME_SIZE: usize = 64 << 10;
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
const LAST_BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
/// A watch without a timeout ends after a random time from this to twice this, in seconds, to spread reconnects.
const MIN_TIMEOUT: u64 = 1800;

/// The parameters of a watch.
pub struct WatchRequest {
    pub resource: Arc<Resource>,
    pub info: RequestInfo,
    pub selector: Selector,
    pub options: WatchOptions,
    pub format: Format,
    /// The latest revision of this replica; with a `StaleRead` fault, an older one.
    pub latest: u64,
}

impl WatchRequest {
    fn is_inside(&self, key: &Key) -> bool {
        self.info.namespace.is_empty() || key.namespace == self.info.namespace
    }
}

/// Opens a watch. The initial events are collected under the caller's lock; the stream reads everything else.
pub fn open(shared: &Arc<Shared>, state: &mut State, request: WatchRequest) -> Body {
    let seconds =
        request.options.timeout.unwrap_or_else(|| state.random.random_range(MIN_TIMEOUT..2 * MIN_TIMEOUT) as i64);
    let limit = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    // The limit of 50 years prevents an overflow.
    let ends_at = Instant::now() + limit.min(Duration::from_secs(50 * 365 * 24 * 3600));
    let mut watcher = Watcher {
        shared: shared.clone(),
        wake: shared.revision.subscribe(),
        cut: state.cut.subscribe(),
        id: request.resource.id(),
        revision: request.options.since.unwrap_or(request.latest),
        latest: request.latest,
        pending: VecDeque::new(),
        ends_at,
        next_bookmark: request.options.bookmarks.then(|| bookmark_after(Instant::now(), ends_at)).flatten(),
        is_first_line: true,
        ended: false,
        request,
    };
    if watcher.request.options.initial_events {
        watcher.add_initial_events(state);
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
    request: WatchRequest,
    id: GroupResource,
    /// The cursor: all changes up to this revision are sent or pending.
    revision: u64,
    /// The revision of the latest change when the log was last read.
    latest: u64,
    /// Events that are not encoded yet.
    pending: VecDeque<Pending>,
    ends_at: Instant,
    next_bookmark: Option<Instant>,
    is_first_line: bool,
    ended: bool,
}

/// An event that is encoded only when the client reads: until then it costs a pointer, not a copy.
enum Pending {
    /// An object that existed when the watch started.
    Initial(Arc<Object>),
    /// The bookmark after the initial events.
    InitialEventsEnd,
    /// A change that the selector has not checked yet.
    Change(Arc<Change>),
    /// The ERROR event, which ends the watch.
    Error(Status),
    /// The end of the watch, because the resource is no longer served.
    End,
}

impl Watcher {
    /// Adds the initial events.
    fn add_initial_events(&mut self, state: &State) {
        let latest = self.request.latest;
        if self.revision > latest {
            let status = Status::too_large_resource_version(self.revision, latest);
            self.pending.push_back(Pending::Error(status));
            return;
        }
        self.revision = latest;
        let Ok(snapshot) = state.store.at(&self.id, self.revision) else { return };
        let first = Key::new(&self.request.info.namespace, "");
        let from = if first.namespace.is_empty() { Bound::Unbounded } else { Bound::Included(&first) };
        let objects = snapshot.range(from).take_while(|(key, _)| self.request.is_inside(key)).map(|(_, object)| object);
        let selected = objects.filter(|object| self.request.selector.matches(object.value()));
        self.pending.extend(selected.cloned().map(Pending::Initial));
        if self.request.options.bookmarks {
            self.pending.push_back(Pending::InitialEventsEnd);
        }
    }

    /// The next frame; None at the end of the watch.
    async fn next(&mut self) -> Option<Result<Bytes, Reset>> {
        while !self.ended && Instant::now() < self.ends_at {
            if self.cut.has_changed().unwrap_or(false) {
                self.ended = true;
                return Some(Err(Reset));
            }
            // Mark the revision as seen before the log is read, so that a later change wakes this watch.
            self.wake.borrow_and_update();
            if self.pending.is_empty() {
                self.read_log();
            }
            let frame = self.next_frame();
            if !frame.is_empty() {
                return Some(Ok(Bytes::from(frame)));
            }
            if self.revision < self.latest {
                // No change of this batch was for this watch. Let other tasks run, then read the next batch.
                tokio::task::yield_now().await;
                continue;
            }
            if self.ended {
                break;
            }
            let bookmark_at = self.next_bookmark.unwrap_or(self.ends_at);
            tokio::select! {
                changed = self.wake.changed() => self.ended = changed.is_err(),
                Ok(()) = self.cut.changed() => self.cut.mark_changed(),
                () = sleep_until(bookmark_at.min(self.ends_at)) => {
                    if self.next_bookmark.is_some_and(|at| at <= Instant::now()) {
                        self.next_bookmark = bookmark_after(Instant::now(), self.ends_at);
                        // No bookmark for a future version before the store reaches it.
                        if self.revision <= self.latest {
                            let mut frame = Vec::new();
                            self.write_line(&mut frame, "BOOKMARK", &self.bookmark(false));
                            return Some(Ok(Bytes::from(frame)));
                        }
                    }
                }
            }
        }
        None
    }

    /// Reads one batch of changes of this collection. The selector checks them later, without the lock.
    fn read_log(&mut self) {
        let state = self.shared.lock();
        self.latest = state.store.revision();
        let Resource { group, version, plural, .. } = &*self.request.resource;
        let unserved = state.catalog.find(group, version, plural).is_none();
        // For a future version, `since` returns no changes.
        match state.store.since(self.revision) {
            Ok(since) => {
                for change in since.take(BATCH_SIZE) {
                    self.revision = change.revision;
                    if change.resource == self.id && self.request.is_inside(&change.key) {
                        self.pending.push_back(Pending::Change(change.clone()));
                    }
                }
                if unserved && self.revision >= self.latest {
                    self.pending.push_back(Pending::End);
                }
            }
            Err(Compacted { .. }) => {
                let status = Status::expired("The resourceVersion for the provided watch is too old.");
                self.pending.push_back(Pending::Error(status));
            }
        }
    }

    /// Encodes pending events until the frame is full.
    fn next_frame(&mut self) -> Vec<u8> {
        let mut frame = Vec::new();
        self.request.format.now = (self.shared.clock)();
        while frame.len() < FRAME_SIZE {
            match self.pending.pop_front() {
                Some(Pending::Initial(object)) => self.write_line(&mut frame, "ADDED", &object),
                Some(Pending::Change(change)) => {
                    if let Some((kind, object)) = to_event(&self.request.selector, &change) {
                        self.write_line(&mut frame, kind, &object);
                    }
                }
                Some(Pending::InitialEventsEnd) => self.write_line(&mut frame, "BOOKMARK", &self.bookmark(true)),
                Some(Pending::Error(status)) => self.write_line(&mut frame, "ERROR", &Object::new(status.body())),
                Some(Pending::End) => self.ended = true,
                None => break,
            }
        }
        frame
    }

    fn write_line(&mut self, frame: &mut Vec<u8>, kind: &str, object: &Object) {
        let first = std::mem::take(&mut self.is_first_line);
        let object = if kind == "ERROR" {
            self.ended = true;
            object.json()
        } else {
            self.request.format.encode_event(&self.request.resource, object, first)
        };
        for part in [br#"{"type":""#, kind.as_bytes(), br#"","object":"#, &object, b"}\n"] {
            frame.extend_from_slice(part);
        }
    }

    /// An object that contains only the revision of this watch.
    fn bookmark(&self, closes_initial_events: bool) -> Object {
        let mut metadata = json!({ "resourceVersion": self.revision.to_string() });
        if closes_initial_events {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let Resource { kind, .. } = &*self.request.resource;
        let bookmark: Value =
            json!({ "kind": kind, "apiVersion": self.request.resource.api_version(), "metadata": metadata });
        Object::new(bookmark)
    }
}

/// The event of a change for a watch with this selector.
fn to_event(selector: &Selector, change: &Change) -> Option<(&'static str, Arc<Object>)> {
    let matches = |object: &Option<Arc<Object>>| object.as_ref().is_some_and(|object| selector.matches(object.value()));
    match (matches(&change.before), matches(&change.after)) {
        (false, true) => Some(("ADDED", change.after.clone()?)),
        (true, true) => Some(("MODIFIED", change.after.clone()?)),
        (true, false) if change.tombstone.is_some() => Some(("DELETED", change.tombstone.clone()?)),
        // The object exists but no longer matches: send the last matching version with the revision of the change.
        (true, false) => {
            let mut last = change.before.as_ref()?.value().clone();
            last["metadata"]["resourceVersion"] = change.revision.to_string().into();
            Some(("DELETED", Arc::new(Object::new(last))))
        }
        (false, false) => None,
    }
}

/// When the next bookmark is due: in a minute or shortly before the end; None after the last one.
fn bookmark_after(now: Instant, ends_at: Instant) -> Option<Instant> {
    let last = ends_at.checked_sub(LAST_BOOKMARK_BEFORE_END)?;
    (last > now).then(|| last.min(now + BOOKMARK_INTERVAL))
}

#[cfg(test)]
mod tests;
