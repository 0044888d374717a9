//! Watch: a cursor in the log.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use crate::{
    body::{Body, Reset},
    catalog::Resource,
    object::{GroupResource, Object},
    request::{Query, Target},
    selector::Selector,
    state::{Shared, State},
    status::{Result, Status},
    store::{Change, Compacted},
};

/// So many changes are looked at before the lock is given back.
const BATCH: usize = 500;

/// One watch.
struct Watcher {
    shared: Arc<Shared>,
    wake: watch::Receiver<u64>,
    id: GroupResource,
    namespace: String,
    selector: Selector,
    /// Everything up to here has been told.
    revision: u64,
    /// Lines that are to be sent before anything else.
    first: Vec<u8>,
    ends_at: Instant,
    ended: bool,
}

/// Opens a watch: the head of the answer is decided here, under the lock; all else by the stream.
pub fn watch(shared: &Arc<Shared>, state: &State, resource: &Resource, target: &Target, query: &Query) -> Result<Body> {
    let selector = Selector::parse(resource, query)?;
    let asked = query.get("resourceVersion").unwrap_or("0");
    let asked: u64 = asked.parse().map_err(|_| Status::bad_request(format!("invalid resource version {asked:?}")))?;
    let seconds = query.get("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(1800);
    let mut watcher = Watcher {
        shared: shared.clone(),
        wake: shared.revision.subscribe(),
        id: resource.id(),
        namespace: target.namespace.clone(),
        selector,
        revision: if asked == 0 { state.store.revision() } else { asked },
        first: Vec::new(),
        ends_at: Instant::now() + Duration::from_secs(seconds),
        ended: false,
    };
    if asked == 0 {
        for (key, object) in state.store.collection(&watcher.id).into_iter().flatten() {
            let mine = watcher.namespace.is_empty() || key.namespace == watcher.namespace;
            if mine && watcher.selector.matches(object.value()) {
                line(&mut watcher.first, "ADDED", &object.json());
            }
        }
    }
    let lines = stream::unfold(watcher, |mut watcher| async move {
        let next = watcher.next().await?;
        Some((next, watcher))
    });
    Ok(Body::Stream(lines.boxed()))
}

impl Watcher {
    /// The next lines; None when the watch has ended.
    async fn next(&mut self) -> Option<Result<Bytes, Reset>> {
        if !self.first.is_empty() {
            return Some(Ok(Bytes::from(std::mem::take(&mut self.first))));
        }
        while !self.ended {
            // Before the state is read: a change that comes after that wakes us.
            self.wake.borrow_and_update();
            let lines = self.read();
            if !lines.is_empty() {
                return Some(Ok(Bytes::from(lines)));
            }
            tokio::select! {
                heard = self.wake.changed() => self.ended = heard.is_err(),
                () = tokio::time::sleep_until(self.ends_at) => self.ended = true,
            }
        }
        None
    }

    /// One batch from the log, as lines.
    fn read(&mut self) -> Vec<u8> {
        let shared = self.shared.clone();
        let state = shared.lock();
        let mut lines = Vec::new();
        loop {
            match state.store.since(self.revision) {
                Err(Compacted { oldest }) => {
                    let message = format!("too old resource version: {} ({oldest})", self.revision);
                    line(&mut lines, "ERROR", Status::expired(message).body().to_string().as_bytes());
                    self.ended = true;
                    return lines;
                }
                Ok(changes) => {
                    let mut seen = 0;
                    for change in changes.take(BATCH) {
                        seen += 1;
                        self.revision = change.revision;
                        if let Some((kind, object)) = self.event(change) {
                            line(&mut lines, kind, &object.json());
                        }
                    }
                    if !lines.is_empty() || seen < BATCH {
                        return lines;
                    }
                }
            }
        }
    }

    /// What this change is to this watch: an object that begins to match is ADDED, one that no longer does is DELETED.
    fn event<'a>(&self, change: &'a Change) -> Option<(&'static str, &'a Arc<Object>)> {
        if change.resource != self.id || !(self.namespace.is_empty() || change.key.namespace == self.namespace) {
            return None;
        }
        let matches = |object: &Option<Arc<Object>>| object.as_ref().is_some_and(|o| self.selector.matches(o.value()));
        match (matches(&change.before), matches(&change.after)) {
            (false, true) => Some(("ADDED", change.after.as_ref()?)),
            (true, true) => Some(("MODIFIED", change.after.as_ref()?)),
            (true, false) => Some(("DELETED", change.tombstone.as_ref().or(change.before.as_ref())?)),
            (false, false) => None,
        }
    }
}

fn line(lines: &mut Vec<u8>, kind: &str, object: &[u8]) {
    lines.extend_from_slice(br#"{"type":""#);
    lines.extend_from_slice(kind.as_bytes());
    lines.extend_from_slice(br#"","object":"#);
    lines.extend_from_slice(object);
    lines.extend_from_slice(b"}\n");
}

#[expect(dead_code)]
fn bookmark(resource: &Resource, revision: u64) -> Value {
    json!({ "kind": resource.kind, "apiVersion": resource.api_version(), "metadata": { "resourceVersion": revision.to_string() } })
}
