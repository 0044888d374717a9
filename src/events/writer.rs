//! Writes queued events to the API server.
//!
//! An attempt is safe to repeat: POST creates the Event; if it exists (409), GET reads it and PATCH raises its `count`.
//! The PATCH carries the resourceVersion that was read, so a change in between is a conflict, and the next attempt
//! reads again.

use std::{iter::successors, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::{sync::mpsc, time::sleep};
use tracing::debug;

use super::{Inner, event, metrics};
use crate::{
    informer::Key,
    request::{Failure, with_time_limit},
};

/// Events that are written at the same time, so that one slow answer does not block the others.
const WRITES: usize = 4;

/// Attempts after the first one. They take three minutes if each fails at once.
const MAX_RETRIES: usize = 11;

/// Delay before the first retry; doubled for each further one, up to the maximum.
const FIRST_DELAY: Duration = Duration::from_millis(500);
const MAX_DELAY: Duration = Duration::from_secs(30);

impl Inner {
    /// Writes queued events until it is dropped.
    pub async fn write_all(self: Arc<Self>, mut queue: mpsc::Receiver<Event>) {
        let events = stream::poll_fn(|context| queue.poll_recv(context));
        events.for_each_concurrent(WRITES, |event| self.write(event)).await;
    }

    /// Writes an event, or drops it after the last attempt.
    async fn write(&self, event: Event) {
        let key = event::key(&event);
        let api = Api::namespaced(self.client.clone(), key.namespace());
        let mut delays = successors(Some(FIRST_DELAY), |delay| Some((*delay * 2).min(MAX_DELAY))).take(MAX_RETRIES);
        let answer = loop {
            match (self.attempt(&api, &key, &event).await, delays.next()) {
                (Err(failure), Some(delay)) if !is_final(&failure) => {
                    debug!(event = %key, error = %failure, retry_in = ?delay, "event not sent");
                    sleep(delay).await;
                }
                (answer, _) => break answer,
            }
        };
        match answer {
            Ok(_) => {
                debug!(event = %key, "event sent");
                self.metrics.count(metrics::SENT);
            }
            // Only a POST returns 404, for its namespace. Its events are deleted with it, so there is nothing to warn
            // of.
            Err(failure) if failure.code() == Some(404) || failure.is_namespace_terminating() => {
                debug!(event = %key, error = %failure, "event dropped: its namespace is being deleted");
                self.metrics.count(metrics::NAMESPACE_DELETED);
            }
            Err(failure) => self.dropped(&event, metrics::FAILED, &failure.to_string()),
        }
        self.pending.send_modify(|pending| *pending -= 1);
    }

    /// Creates the Event, or raises the count of the existing one.
    async fn attempt(&self, api: &Api<Event>, key: &Key, event: &Event) -> Result<Event, Failure> {
        let params = PostParams { dry_run: self.dry_run, ..PostParams::default() };
        match with_time_limit(api.create(&params, event)).await {
            Err(failure) if failure.code() == Some(409) => {}
            answer => return answer,
        }
        match self.increment(api, key, event).await {
            // It expired before the GET or the PATCH.
            Err(failure) if failure.code() == Some(404) => with_time_limit(api.create(&params, event)).await,
            answer => answer,
        }
    }

    async fn increment(&self, api: &Api<Event>, key: &Key, event: &Event) -> Result<Event, Failure> {
        let current = with_time_limit(api.get(key.name())).await?;
        let patch = json!({
            "metadata": { "resourceVersion": current.metadata.resource_version },
            "count": current.count.unwrap_or(1).saturating_add(1),
            "lastTimestamp": event.last_timestamp,
        });
        let params = PatchParams { dry_run: self.dry_run, ..PatchParams::default() };
        with_time_limit(api.patch(key.name(), &params, &Patch::Merge(patch))).await
    }
}

/// Returns whether each further attempt would fail, too: a 4xx, except a conflict and the like.
fn is_final(failure: &Failure) -> bool {
    matches!(failure.code(), Some(400..=499)) && !failure.is_unavailable()
}
